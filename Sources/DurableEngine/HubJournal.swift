package import DurableBackend
import DurableCore
import DurableWire

/// What one worker knows of its hub's journal. It reads on from where it was: the first claim of a worker costs all the
/// broker keeps of the journal, later ones what came since. Whose record makes it much since the last snapshot writes
/// another one, so that the broker may drop the oldest records.
package final class HubJournal: Sendable {
    private let transport: any MessageTransport
    private let topology: HubTopology
    private let clock: any EngineClock
    private let makeNonce: @Sendable () -> String
    private let snapshotBytes: Int
    private let defect: EngineDefect?
    private let reading = PlatformLock(Reading())

    private struct Reading {
        var fold = JournalFold()
        /// Of the last snapshot, and of all records since.
        private var snapshotSize = 0
        private var bytesSince = 0
        /// Times a snapshot has been due since the last one: it does not come when its author ends first, and is due
        /// again when twice as much has come.
        private var dueCount = 0
        /// Whose author is to write a snapshot: all readers see the same, so that it is one worker, not each.
        private(set) var dueOffset: UInt64?

        mutating func take(_ body: [UInt8], at offset: UInt64, isNext: Bool, snapshotBytes: Int) {
            let record = try? JournalRecord(wire: body)
            fold.take(record, at: offset, isNext: isNext)
            bytesSince += body.count
            switch record {
            case .snapshot: (snapshotSize, bytesSince, dueCount, dueOffset) = (body.count, 0, 0, nil)
            case .claim, .mark, .generationAnnounced:
                // These are read back by who wrote them.
                guard bytesSince >= max(snapshotBytes, snapshotSize) << dueCount else { return }
                dueCount += 1
                dueOffset = offset
            case .released, .generationStarted, nil: break
            }
        }

        /// nil: not all up to `offset` is known.
        func state(of partition: PartitionID, through offset: UInt64) -> JournalFold.Partition? {
            fold.isKnown && fold.nextOffset > offset ? fold[partition] : nil
        }
    }

    /// Times an announcement is published whose confirm does not come.
    private static var attemptLimit: Int { 3 }

    /// - Parameters:
    ///   - makeNonce: A text nobody else makes, each time.
    ///   - snapshotBytes: Records this long in all, or as long as the last snapshot, are worth another one. A
    ///     fraction of what the broker keeps (`HubTopology.journalRetention`).
    package init(
        transport: any MessageTransport, topology: HubTopology, clock: any EngineClock,
        makeNonce: @escaping @Sendable () -> String, snapshotBytes: Int = 256 << 10, defect: EngineDefect? = nil
    ) {
        self.transport = transport
        self.topology = topology
        self.clock = clock
        self.makeNonce = makeNonce
        self.snapshotBytes = snapshotBytes
        self.defect = defect
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
        if let epoch, let state = reading.withLock({ $0.state(of: partition, through: epoch.offset) }),
            state.claim != nil
        {
            return state
        }
        return try known(of: partition, through: try await write(.mark(makeNonce())))
    }

    /// Another reader that found nothing in time may have begun anew meanwhile: then nothing is known, which must not
    /// be taken for a log in its first stream.
    private func known(of partition: PartitionID, through offset: UInt64) throws(EpochError) -> JournalFold.Partition {
        guard let state = reading.withLock({ $0.state(of: partition, through: offset) }) else {
            throw .unavailable("\(topology.name(.journal)) is being read anew")
        }
        return state
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
        let start = reading.withLock(\.fold.nextOffset)
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
        let offset = try found.get()
        // Should it not arrive, another one is due in time.
        if let snapshot = snapshot(dueAt: offset) { try? await publish(.snapshot(snapshot)) }
        return offset
    }

    private func snapshot(dueAt offset: UInt64) -> JournalSnapshot? {
        reading.withLock { reading in
            guard reading.dueOffset == offset, var snapshot = reading.fold.snapshot else { return nil }
            if defect == .forgetsStreamsInJournal {
                for index in snapshot.partitions.indices { snapshot.partitions[index].state.announcement = nil }
            }
            return snapshot
        }
    }

    private func find(
        _ body: [UInt8], from start: UInt64, on channel: any ConsumerChannel
    ) async throws(TransportError) -> Result<UInt64, EpochError> {
        let journal = topology.name(.journal)
        try await channel.consume(
            queue: journal, consumerTag: "journal", prefetch: 256, from: .offset(start), exclusive: false)
        var next = start
        while let batch = try await channel.next(clock) {
            for delivery in batch {
                guard let offset = delivery.streamOffset, offset >= next else { continue }
                let isNext = try await transport.isNext(offset, after: next, in: journal, clock: clock)
                // Others read at the same time.
                reading.withLock { reading in
                    guard reading.fold.nextOffset == next else { return }
                    reading.take(delivery.body, at: offset, isNext: isNext, snapshotBytes: snapshotBytes)
                }
                next = offset + 1
                if delivery.body == body { return check(offset) }
            }
            if let last = batch.last { channel.acknowledge(last.tag, multiple: true) }
        }
        // A journal that was made anew is shorter than what is known of it.
        reading.withLock { if $0.fold.nextOffset == next { $0 = Reading() } }
        return .failure(.unavailable("what was written did not come back from \(journal)"))
    }

    /// Where a record was found says nothing without what stands before it. Then the next reader begins anew.
    private func check(_ offset: UInt64) -> Result<UInt64, EpochError> {
        let isMissing = reading.withLock { reading in
            let isMissing = !reading.fold.isKnown
            if isMissing { reading = Reading() }
            return isMissing
        }
        if !isMissing { return .success(offset) }
        let journal = topology.name(.journal)
        return .failure(.unavailable("the oldest records of \(journal) are gone, and no snapshot makes up for them"))
    }
}
