package import DurableBackend
package import DurableCore
import DurableWire

/// Gives partitions of a new hub logs that begin with what they shall hold, as an owner does that compacts its log.
package struct LogFounder: Sendable {
    package var descriptor: HubDescriptor
    package var transport: any MessageTransport
    package var journal: HubJournal
    package var clock: any EngineClock
    /// Gives texts nobody else makes.
    package var makeNonce: @Sendable () -> String

    package init(
        descriptor: HubDescriptor, transport: any MessageTransport, journal: HubJournal, clock: any EngineClock,
        makeNonce: @escaping @Sendable () -> String
    ) {
        self.descriptor = descriptor
        self.transport = transport
        self.journal = journal
        self.clock = clock
        self.makeNonce = makeNonce
    }

    /// The incarnation of the sequences that the partition will have.
    package func incarnation(of partition: PartitionID) -> UInt64 {
        LogGeneration.first(of: descriptor, partition).incarnation
    }

    /// - Parameters:
    ///   - position: Where the log goes on; above 0.
    ///   - next: The next chunk; nil behind the last, which has the partition's state.
    ///   - nextDue: Earliest timer, asked at the end.
    /// - Returns: The name of its stream. One that could not be completed is gone again.
    package func found(
        _ partition: PartitionID, at position: LogPosition, by worker: WorkerID, nextDue: () -> Timestamp?,
        _ next: () throws(StoreError) -> SnapshotChunk?
    ) async throws(LogError) -> String {
        precondition(position > LogPosition(0), "a copy that stands at 0 is one that is being filled")
        var generation = LogGeneration.first(of: descriptor, partition)
        generation.previous = generation.stream
        do throws(EpochError) {
            generation.epoch = try await journal.claim(partition, by: worker)
            generation.stream = descriptor.topology.logStream(of: partition, madeIn: generation.epoch, number: 1)
            generation.base = position
            try await journal.start(generation, removed: [])
        } catch {
            throw Self.unavailable(error)
        }
        do throws(LogError) {
            try await write(generation, nextDue: nextDue, next)
        } catch {
            try? await transport.delete(queues: [generation.stream], exchanges: [])
            throw error
        }
        return generation.stream
    }

    private func write(
        _ generation: LogGeneration, nextDue: () -> Timestamp?, _ next: () throws(StoreError) -> SnapshotChunk?
    ) async throws(LogError) {
        let log = StreamLog(
            StreamLog.Parts(
                transport: transport, topology: descriptor.topology, generation: generation, clock: clock,
                writer: makeNonce()))
        defer { log.close() }
        let announcement = try await log.found { () throws(LogError) in
            do throws(StoreError) { return try next()?.wireBytes } catch { throw LogError(error) }
        }
        do throws(EpochError) {
            if case .superseded(let newer, _) = try await journal.announce(announcement) {
                throw EpochError.unavailable("epoch \(newer)")
            }
            try await journal.release(generation.partition, epoch: generation.epoch, nextDue: nextDue())
        } catch {
            throw Self.unavailable(error)
        }
    }

    private static func unavailable(_ error: EpochError) -> LogError {
        switch error {
        case .unavailable(let text): .unavailable(text)
        }
    }
}
