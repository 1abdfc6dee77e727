package import DurableBackend
import DurableCore
import DurableWire

/// What one worker knows of its hub's journal. It reads on from where it was: the first claim of a worker costs the
/// whole journal, later ones what came since.
package final class HubJournal: Sendable {
    private let transport: any MessageTransport
    private let topology: HubTopology
    private let clock: any EngineClock
    private let makeNonce: @Sendable () -> String
    private let fold = PlatformLock(JournalFold())

    /// Times an announcement is published whose confirm does not come.
    private static var attemptLimit: Int { 3 }

    /// - Parameter makeNonce: A text nobody else makes, each time.
    package init(
        transport: any MessageTransport, topology: HubTopology, clock: any EngineClock,
        makeNonce: @escaping @Sendable () -> String
    ) {
        self.transport = transport
        self.topology = topology
        self.clock = clock
        self.makeNonce = makeNonce
    }

    /// - Returns: The claim's place: that of its first occurrence.
    func claim(_ partition: PartitionID, by worker: WorkerID) async throws(EpochError) -> Epoch {
        let record = JournalRecord.claim(partition: partition, worker: worker, nonce: makeNonce())
        return Epoch(generation: JournalFold.generation, offset: try await write(record))
    }

    func release(_ partition: PartitionID, epoch: Epoch, nextDue: Timestamp?) async throws(EpochError) {
        try await publish(.released(partition: partition, epoch: epoch, nextDue: nextDue))
    }

    /// What the journal says of a partition, up to the claim of `epoch` at least; nil: up to its end.
    func state(of partition: PartitionID, since epoch: Epoch?) async throws(EpochError) -> JournalFold.Partition {
        // A claim that was read here is before what is read next.
        if let epoch, fold.withLock({ $0.nextOffset > epoch.offset && $0[partition].claim != nil }) {
            return fold.withLock { $0[partition] }
        }
        return try known(of: partition, through: try await write(.mark(makeNonce())))
    }

    /// Another reader that found nothing in time may have begun anew meanwhile: then nothing is known, which must not be
    /// taken for a log in its first stream.
    private func known(of partition: PartitionID, through offset: UInt64) throws(EpochError) -> JournalFold.Partition {
        guard let known = fold.withLock({ $0.nextOffset > offset ? $0[partition] : nil }) else {
            throw .unavailable("\(topology.name(.journal)) is being read anew")
        }
        return known
    }

    /// Says which stream is about to be made, so that it can be found should it never be announced.
    func start(_ generation: LogGeneration, removed: [String]) async throws(EpochError) {
        try await publish(.generationStarted(generation, removed: removed))
    }

    enum Announced {
        case counts
        /// `isVoid`: it never counted, since the claim stands before it. Else it may have, and others built on it.
        case superseded(by: Epoch, isVoid: Bool)
    }

    /// Announces a stream and reads the announcement back.
    ///
    /// - Throws: Whether it counts, now or later, is unknown.
    func announce(_ announcement: GenerationAnnouncement) async throws(EpochError) -> Announced {
        let generation = announcement.generation
        let offset = try await write(.generationAnnounced(announcement), attempts: Self.attemptLimit)
        let state = try known(of: generation.partition, through: offset)
        if state.announcement?.generation == generation { return .counts }
        guard let claim = state.claim, claim > generation.epoch else {
            throw .unavailable("the journal does not take \(generation.stream) for the next stream of its log")
        }
        return .superseded(by: claim, isVoid: claim.offset < offset)
    }

    // MARK: - Records

    private func publish(_ record: JournalRecord, attempts: Int = 1) async throws(EpochError) {
        let message = topology.journalRecord(record, at: clock.now())
        var attempt = 1
        while true {
            do throws(TransportError) {
                if try await transport.publish([message]) == [.confirmed] { return }
                break
            } catch {
                guard case .connectionLost = error, attempt < attempts else {
                    throw .unavailable("\(topology.name(.journal)): \(error)")
                }
                attempt += 1
            }
        }
        throw .unavailable("the broker did not take a record for \(topology.name(.journal))")
    }

    /// Publishes a record and reads the journal up to it.
    ///
    /// - Returns: Where it is; the first time, should it be there twice.
    private func write(_ record: JournalRecord, attempts: Int = 1) async throws(EpochError) -> UInt64 {
        let start = fold.withLock(\.nextOffset)
        try await publish(record, attempts: attempts)
        let body = record.wireBytes
        let found: Result<UInt64, EpochError>
        do throws(TransportError) {
            let channel = try await transport.openChannel()
            do throws(TransportError) {
                found = try await find(body, from: start, on: channel)
            } catch {
                await channel.close()
                throw error
            }
            await channel.close()
        } catch {
            throw .unavailable("\(topology.name(.journal)): \(error)")
        }
        return try found.get()
    }

    private func find(
        _ body: [UInt8], from start: UInt64, on channel: any ConsumerChannel
    ) async throws(TransportError) -> Result<UInt64, EpochError> {
        let journal = topology.name(.journal)
        try await channel.consume(
            queue: journal, consumerTag: "journal", prefetch: 256, from: .offset(start), exclusive: false)
        var next = start
        while let batch = try await LogCursor.wait(on: channel, clock) {
            for delivery in batch {
                guard let offset = delivery.streamOffset, offset >= next else { continue }
                guard offset == next else {
                    return .failure(.unavailable("records \(next) to \(offset - 1) of \(journal) are missing"))
                }
                next += 1
                let record = try? JournalRecord(wire: delivery.body)
                // Others read at the same time.
                fold.withLock { if $0.nextOffset == offset { $0.take(record) } }
                if delivery.body == body { return .success(offset) }
            }
            if let last = batch.last { channel.acknowledge(last.tag, multiple: true) }
        }
        // A journal that was made anew is shorter than what is known of it.
        fold.withLock { if $0.nextOffset == next { $0 = JournalFold() } }
        return .failure(.unavailable("what was written did not come back from \(journal)"))
    }
}
