package import DurableBackend
import DurableCore
import DurableWire

/// What one worker knows of its hub's journal. From its first record on it reads along: that one costs all the broker
/// keeps of the journal, later ones come back as soon as they are written. Whose record makes it much since the last
/// snapshot writes another one, so that the broker may drop the oldest records.
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
        /// Records that are being written here or were, and have not come back.
        var awaited: [(record: AwaitedRecord, isPublished: Bool)] = []
        /// Set while somebody reads along.
        var reader: Task<Void, Never>?
        /// Of the last snapshot, and of all records since.
        private var snapshotSize = 0
        private var bytesSince = 0
        /// Times a snapshot has been due since the last one: it does not come when its author ends first, and is due
        /// again when an eighth as much has come once more.
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
                let limit = max(snapshotBytes, snapshotSize)
                guard bytesSince >= limit + dueCount * limit / 8 else { return }
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

    /// Another record that did not come back in time may have had the journal read anew meanwhile: then nothing is
    /// known, which must not be taken for a log in its first stream.
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
        do throws(TransportError) {
            if try await transport.publish([message], attempts: attempts) == [.confirmed] { return }
        } catch {
            throw .unavailable("\(topology.name(.journal)): \(error)")
        }
        throw .unavailable("the broker did not take a record for \(topology.name(.journal))")
    }

    /// Publishes a record and waits until the journal has been read up to it.
    ///
    /// - Returns: Where it is; the first time, should it be there twice.
    private func write(_ record: JournalRecord, attempts: Int = 1) async throws(EpochError) -> UInt64 {
        let awaited = AwaitedRecord(record.wireBytes)
        reading.withLock { reading in
            reading.awaited.append((awaited, isPublished: false))
            // Attaches to the journal, if it must, while the record is on its way.
            ensureReader(&reading)
        }
        defer { reading.withLock { $0.awaited.removeAll { $0.record === awaited } } }
        try await publish(record, attempts: attempts)
        // Who reads may have lost its connection with the first attempt.
        reading.withLock { reading in
            if let index = reading.awaited.firstIndex(where: { $0.record === awaited }) {
                reading.awaited[index].isPublished = true
            }
            ensureReader(&reading)
        }
        let offset = try await place(of: awaited)
        try checkIsKnown()
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

    // MARK: - Reading

    private func place(of awaited: AwaitedRecord) async throws(EpochError) -> UInt64 {
        while true {
            let before = reading.withLock(\.fold.nextOffset)
            if let found = await awaited.place(within: .seconds(10), by: clock) { return try found.get() }
            if !Task.isCancelled {
                // Others may have had it read anew.
                if reading.withLock({ $0.fold.nextOffset != before }) { continue }
                // A journal that was made anew is shorter than what is known of it.
                startAnew()
            }
            throw .unavailable("what was written did not come back from \(topology.name(.journal))")
        }
    }

    private func ensureReader(_ reading: inout Reading) {
        if reading.reader == nil, !reading.awaited.isEmpty { reading.reader = Task { await self.read() } }
    }

    /// Reads along until the journal is to be read anew or cannot be read.
    private func read() async {
        do throws(TransportError) {
            let channel = try await transport.openChannel()
            do throws(TransportError) {
                try await read(on: channel)
                end(with: .connectionLost("the reading ended"))
            } catch {
                end(with: error)
            }
            await channel.close()
        } catch {
            end(with: error)
        }
    }

    private func end(with failure: TransportError) {
        let failed = reading.withLock { reading in
            // Called off: another one reads.
            if Task.isCancelled { return [AwaitedRecord]() }
            reading.reader = nil
            return reading.awaited.filter(\.isPublished).map(\.record)
        }
        for record in failed { record.set(.failure(.unavailable("\(topology.name(.journal)): \(failure)"))) }
    }

    private func read(on channel: any ConsumerChannel) async throws(TransportError) {
        let journal = topology.name(.journal)
        var next = reading.withLock(\.fold.nextOffset)
        try await channel.consume(
            queue: journal, consumerTag: "journal", prefetch: 256, from: .offset(next), exclusive: false)
        while let batch = try await channel.next(nil) {
            var found: [(record: AwaitedRecord, offset: UInt64)] = []
            // Who goes on then knows what came with its record, too.
            defer { for (record, offset) in found { record.set(.success(offset)) } }
            for delivery in batch {
                guard let offset = delivery.streamOffset, offset >= next else { continue }
                let isNext = try await transport.isNext(offset, after: next, in: journal, clock: clock)
                found += reading.withLock { reading in
                    // Called off: what is known belongs to another one.
                    if Task.isCancelled { return [] }
                    reading.take(delivery.body, at: offset, isNext: isNext, snapshotBytes: snapshotBytes)
                    return reading.awaited.filter { $0.record.body == delivery.body }.map { ($0.record, offset) }
                }
                next = offset + 1
            }
            if Task.isCancelled { return }
            if let last = batch.last { channel.acknowledge(last.tag, multiple: true) }
        }
    }

    /// Forgets what was read. What others wait for is read again.
    private func startAnew() {
        reading.withLock { reading in
            reading.reader?.cancel()
            let awaited = reading.awaited
            reading = Reading()
            reading.awaited = awaited
            ensureReader(&reading)
        }
    }

    /// Where a record was found says nothing without what stands before it. Then the next reader begins anew.
    private func checkIsKnown() throws(EpochError) {
        if reading.withLock(\.fold.isKnown) { return }
        startAnew()
        let journal = topology.name(.journal)
        throw .unavailable("the oldest records of \(journal) are gone, and no snapshot makes up for them")
    }
}

/// A record that somebody waits for, until it is found in the journal.
private final class AwaitedRecord: Sendable {
    let body: [UInt8]
    private let found = Signal()
    private let result = PlatformLock<Result<UInt64, EpochError>?>(nil)

    init(_ body: [UInt8]) { self.body = body }

    /// The first result counts.
    func set(_ result: Result<UInt64, EpochError>) {
        self.result.withLock { $0 = $0 ?? result }
        found.raise()
    }

    /// nil: it did not come within `patience`, or the waiting task was cancelled.
    func place(within patience: Duration, by clock: any EngineClock) async -> Result<UInt64, EpochError>? {
        let timeout = found.raise(after: patience, by: clock)
        defer { timeout.cancel() }
        if result.withLock({ $0 == nil }) { await found.wait() }
        return result.withLock { $0 }
    }
}
