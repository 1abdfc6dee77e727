package import DurableBackend
package import DurableClient
package import DurableCore
import DurableEngine

/// Makes a new hub from a backup.
package struct HubRestore: Sendable {
    package struct Summary: Hashable, Sendable {
        package var descriptor: HubDescriptor
        package var source: BackupRecord.Header
        package var instances: Int
        package var isConsistent: Bool
    }

    private let administration: HubAdministration

    package init(_ administration: HubAdministration) { self.administration = administration }

    /// - Parameters:
    ///   - path: Absolute.
    ///   - request: Its partition count is the backup's; nil fields are as they were.
    /// - Throws: `ClientError`: DTQ1009 for a backup that cannot be used, DTQ1002 when the hub is there: nothing was
    ///   made. Otherwise what was made is removed again.
    package func restore(
        _ path: String, _ request: HubAdministration.Request, hubID: String
    ) async throws -> Summary {
        let contents = try BackupContents(path)
        let old = contents.header.descriptor
        var request = request
        request.partitionCount = old.partitionCount
        request.queueKind = request.queueKind ?? old.queueKind
        request.logMode = request.logMode ?? old.logMode
        request.retention = request.retention ?? old.retention.map { .after($0) } ?? .never
        let descriptor = try await administration.restore(request, hubID: hubID) { descriptor in
            switch descriptor.logMode {
            case .local: try fill(descriptor, from: path, contents)
            case .replicated: try await foundLogs(descriptor, from: path, contents)
            }
        }
        return Summary(
            descriptor: descriptor, source: contents.header, instances: contents.instanceCount,
            isConsistent: contents.isConsistent)
    }

    private func fill(_ descriptor: HubDescriptor, from path: String, _ contents: BackupContents) throws {
        let chunks = try ChunkReader(path)
        do throws(StoreError) {
            try administration.storage.create(descriptor) { partition, store throws(StoreError) in
                var restoration = PartitionRestoration(
                    contents, partition, incarnation: try store.recover().incarnation)
                while let chunk = try chunks.next(of: partition) {
                    let chunk = restoration.restored(chunk)
                    var flush = StoreFlush(previous: LogPosition(0), position: LogPosition(0), epoch: .zero)
                    flush.instances = chunk.instances
                    flush.outboxAdded = chunk.outbox
                    flush.sent = chunk.sent
                    if let state = chunk.state {
                        flush.setState(state)
                        flush.position = restoration.position
                    }
                    try store.flush(flush)
                }
            }
        } catch {
            throw ClientError.wrapping(error, "cannot make the files of hub \"\(descriptor.hub)\"")
        }
    }

    private func foundLogs(_ descriptor: HubDescriptor, from path: String, _ contents: BackupContents) async throws {
        let journal = HubJournal(
            transport: administration.transport, topology: descriptor.topology, clock: administration.clock,
            makeNonce: administration.makeID)
        let founder = LogFounder(
            descriptor: descriptor, transport: administration.transport, journal: journal,
            clock: administration.clock, makeNonce: administration.makeID)
        let chunks = try ChunkReader(path)
        var streams: [String] = []
        for partition in descriptor.topology.partitions {
            var restoration = PartitionRestoration(
                contents, partition, incarnation: founder.incarnation(of: partition))
            do throws(LogError) {
                streams.append(
                    try await founder.found(
                        partition, at: restoration.position, by: WorkerID("restore"),
                        nextDue: { restoration.nextDue }
                    ) { () throws(StoreError) in
                        try chunks.next(of: partition).map { restoration.restored($0) }
                    })
            } catch {
                try? await administration.transport.delete(queues: streams, exchanges: [])
                throw ClientError(
                    .storeUnavailable,
                    "cannot write the log of partition \(partition) of hub \"\(descriptor.hub)\": \(error). Check the "
                        + "broker, then restore again.", cause: error)
            }
        }
        try await administration.waitForLogs(of: descriptor)
    }
}

/// Reads the chunks of a backup that was checked before.
private final class ChunkReader {
    private let reader: BackupReader
    private var current: PartitionID?

    init(_ path: String) throws { reader = try BackupReader(path) }

    /// - Returns: nil behind the partition's last chunk. Partitions are asked for in order.
    func next(of partition: PartitionID) throws(StoreError) -> SnapshotChunk? {
        if current.map({ $0 > partition }) == true { return nil }
        do {
            while let record = try reader.next() {
                switch record {
                case .partition(let place): current = place.partition
                case .chunk(let chunk) where current == partition:
                    // The last one has the state: what follows belongs to the next partition.
                    if chunk.state != nil { current = PartitionID(partition.index + 1) }
                    return chunk
                default: continue
                }
            }
            return nil
        } catch {
            throw .unavailable("the backup cannot be read any more: \(error)")
        }
    }
}
