package import DurableBackend
package import DurableClient
package import DurableCore
import DurableEngine
import Foundation

/// Takes a copy of a hub's partitions from their logs. Needs no worker, and disturbs none.
package struct HubBackup: Sendable {
    package struct Parts: Sendable {
        package var client: HubClient
        /// Where the hub's files are, in `local` log mode.
        package var storage: any HubStorage
        /// Makes copies of partitions in a directory.
        package var makeCopies: @Sendable (HubDescriptor, String) throws(StoreError) -> any PartitionCopies
        /// Gives texts nobody else makes.
        package var makeID: @Sendable () -> String

        package init(
            client: HubClient, storage: any HubStorage,
            makeCopies: @escaping @Sendable (HubDescriptor, String) throws(StoreError) -> any PartitionCopies,
            makeID: @escaping @Sendable () -> String
        ) {
            self.client = client
            self.storage = storage
            self.makeCopies = makeCopies
            self.makeID = makeID
        }
    }

    package struct Summary: Hashable, Sendable {
        package var partitions: [Partition] = []
        package var byteCount = 0
        package var isConsistent = true

        package struct Partition: Hashable, Sendable {
            package var partition: PartitionID
            package var position: LogPosition
            package var instances: Int
            /// Sent and unconfirmed messages, and unconfirmed tasks.
            package var messages: Int
        }
    }

    private let parts: Parts
    private var descriptor: HubDescriptor { parts.client.descriptor }

    /// Times that partitions are read a little further because others have seen more of them than was read.
    private static var roundLimit: Int { 64 }

    package init(_ parts: Parts) { self.parts = parts }

    /// - Parameter path: Absolute; nothing of that name may be there.
    /// - Throws: `ClientError`; nothing is left behind.
    package func take(to path: String) async throws -> Summary {
        let writer = try BackupWriter(path)
        let work = path + ".work-" + parts.makeID()
        defer { try? FileManager.default.removeItem(atPath: work) }
        do {
            try FileManager.default.createDirectory(
                atPath: work, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
            var sources = try makeSources(work)
            for index in sources.indices { try await sources[index].advance(until: nil) }
            let isConsistent = try await align(&sources)
            var summary = Summary(isConsistent: isConsistent)
            try writer.write(.header(.init(descriptor: descriptor, takenAt: parts.client.clock.now())))
            for source in sources { summary.partitions.append(try write(source, to: writer)) }
            try writer.finish(isConsistent: isConsistent)
            summary.byteCount = writer.byteCount
            return summary
        } catch {
            writer.discard()
            throw error
        }
    }

    private func makeSources(_ directory: String) throws -> [PartitionSource] {
        let descriptor = descriptor
        switch descriptor.logMode {
        case .local:
            return descriptor.topology.partitions.map {
                PartitionSource(
                    partition: $0, hub: descriptor.hub,
                    reading: .files(parts.storage, descriptor, directory: directory))
            }
        case .replicated:
            let copies: any PartitionCopies
            do throws(StoreError) {
                copies = try parts.makeCopies(descriptor, directory)
            } catch {
                throw ClientError.wrapping(error, "cannot make copies of hub \"\(descriptor.hub)\"")
            }
            let (client, makeID) = (parts.client, parts.makeID)
            let journal = HubJournal(
                transport: client.transport, topology: client.topology, clock: client.clock, makeNonce: makeID)
            return descriptor.topology.partitions.map { partition in
                PartitionSource(
                    partition: partition, hub: descriptor.hub,
                    reading: .log(
                        LogCopier(
                            .init(
                                descriptor: descriptor, partition: partition, transport: client.transport,
                                journal: journal, copies: copies, clock: client.clock, makeNonce: makeID))))
            }
        }
    }

    /// Reads partitions further until none has seen messages of another that are not in that one's part, and none has
    /// forgotten messages that are not in their destination's: what was sent or applied before is durable, so it is there
    /// to be read.
    ///
    /// - Returns: false: given up. Files can be read only as they are now, and under load that is never the same moment.
    private func align(_ sources: inout [PartitionSource]) async throws -> Bool {
        for _ in 0..<Self.roundLimit {
            let wanted = Self.wanted(of: sources)
            if wanted.isEmpty { return true }
            for (index, needs) in wanted.sorted(by: { $0.key < $1.key }) {
                try await sources[index].advance { state in needs.allSatisfy { $0.isMet(by: state) } }
            }
        }
        return Self.wanted(of: sources).isEmpty
    }

    private enum Need {
        /// Another partition has applied messages up to here.
        case sent(to: PartitionID, through: UInt64)
        /// Another partition has forgotten messages up to here, since they were applied.
        case applied(of: Deduplication.Source, through: UInt64)

        func isMet(by state: PartitionState) -> Bool {
            switch self {
            case .sent(let destination, let sequence): state.sequences[destination] ?? 0 >= sequence
            case .applied(let source, let sequence): state.watermark(of: source) >= sequence
            }
        }
    }

    /// What each partition must still have, by index.
    private static func wanted(of sources: [PartitionSource]) -> [Int: [Need]] {
        var wanted: [Int: [Need]] = [:]
        for (sender, source) in sources.enumerated() {
            let identity = Deduplication.Source(partition: source.partition, incarnation: source.incarnation)
            for (receiver, other) in sources.enumerated() where receiver != sender {
                let applied = other.state.watermark(of: identity)
                let sent = Need.sent(to: other.partition, through: applied)
                if !sent.isMet(by: source.state) { wanted[sender, default: []].append(sent) }
                let known = Need.applied(of: identity, through: source.state.delivered[other.partition] ?? 0)
                if !known.isMet(by: other.state) { wanted[receiver, default: []].append(known) }
            }
        }
        return wanted
    }

    private func write(_ source: PartitionSource, to writer: BackupWriter) throws -> Summary.Partition {
        var summary = Summary.Partition(
            partition: source.partition, position: source.position, instances: 0, messages: 0)
        try writer.write(
            .partition(
                .init(partition: source.partition, incarnation: source.incarnation, position: source.position)))
        try source.read { store throws(StoreError) in
            var reader = SnapshotReader(store, try store.recover())
            return { () throws(StoreError) in try reader.next() }
        } _: { chunk in
            summary.instances += chunk.instances.count { $0.firstIndex == 0 }
            summary.messages += chunk.outbox.count + chunk.sent.count
            try writer.write(.chunk(chunk))
        }
        return summary
    }
}
