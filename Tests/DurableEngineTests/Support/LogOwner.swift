import DurableBackend
import DurableConformance
import DurableCore
import DurableEngine
import DurableMemory
import DurableWire

/// What a partition holds, however it is stored. The epoch, which each owner changes, is left out.
struct PartitionContents: Equatable {
    struct Instance: Equatable {
        var state: InstanceState
        var history: [HistoryEvent] = []
    }

    var position = LogPosition(0)
    var state = PartitionState()
    var instances: [InstanceID: Instance] = [:]

    mutating func take(_ record: PartitionRecord) throws {
        state.evolve(with: record, partitionCount: 2)
        state.epoch = .zero
        position.value += 1
        if case .purged(let purged) = record { for id in purged.ids { instances[id] = nil } }
        guard case .checkpoint(let checkpoint) = record else { return }
        for change in checkpoint.changes {
            if change.replaces { instances[change.instanceID] = nil }
            var instance =
                try instances[change.instanceID] ?? Instance(state: unwrapped(InstanceState.created(by: change)))
            instance.state.evolve(with: change)
            instance.history += change.history
            instances[change.instanceID] = instance
        }
    }

    /// The tables alone.
    init(tablesOf store: any PartitionStore) throws {
        let recovery = try store.recover()
        position = recovery.position
        state = recovery.state
        state.epoch = .zero
        for stored in try store.list(ListFilter(), after: nil, limit: 10_000) {
            var instance = Instance(state: stored)
            while instance.history.count < stored.historyCount {
                let page = try store.history(of: stored.id, from: instance.history.count, byteLimit: 1 << 20)
                if page.isEmpty { break }
                instance.history += page
            }
            instances[stored.id] = instance
        }
    }

    /// The tables, with the log after them.
    init(of opened: OpenPartition) async throws {
        try self.init(tablesOf: opened.store)
        for entry in try await opened.log.read(after: position, limit: 10_000) { try take(entry.record) }
    }
}

private struct Missing: Error {}
private func unwrapped<Value>(_ value: Value?) throws -> Value {
    guard let value else { throw Missing() }
    return value
}

/// Owns a partition of a `ReplicatedHub` as a processor does, step by step as a test says.
final class LogOwner: @unchecked Sendable {  // one task at a time uses it
    static let partition = PartitionID(0)
    let hub: ReplicatedHub
    let epoch: Epoch
    let opened: OpenPartition
    /// With everything appended so far.
    private(set) var contents: PartitionContents
    /// With everything in the tables.
    private var flushed: PartitionContents
    private var (purged, expired) = ([PurgedInstance](), [InstanceID]())
    /// Where instances ended. Look-up only.
    private var ends: [InstanceID: LogPosition] = [:]

    /// Claims the partition, opens it and begins the epoch.
    ///
    /// - Parameter followed: Opened already, by a storage with the same journal.
    init(
        of hub: ReplicatedHub, _ name: String, copies: any PartitionCopies = MemoryCopies(),
        journal: HubJournal? = nil, followed: OpenPartition? = nil, archiveBytes: UInt64 = 16 << 20
    ) async throws {
        self.hub = hub
        let journal = journal ?? hub.journal(name)
        epoch = try await JournalEpochAuthority(journal).claim(Self.partition, by: WorkerID(name))
        opened =
            try followed
            ?? hub.storage(name, copies: copies, journal: journal, archiveBytes: archiveBytes).open(Self.partition)
        _ = try await opened.log.begin(SampleRecords.begin(epoch))
        contents = try await PartitionContents(of: opened)
        flushed = try PartitionContents(tablesOf: opened.store)
        for entry in try await opened.log.read(after: flushed.position, limit: 10_000) {
            guard case .purged(let record) = entry.record else { continue }
            for id in record.ids {
                flushed.instances[id] = nil
                purged.append(PurgedInstance(id: id, position: entry.position, endedAt: nil))
            }
        }
        try flush()
    }

    /// Starts an instance, numbered from 3.
    func start(_ number: Int, payloadBytes: Int = 16) async throws {
        try await append(.checkpoint(SampleRecords.checkpoint(number, payloadBytes: payloadBytes)))
    }

    /// Begins an instance anew that was purged. It sends nothing: the numbers of what it sent before are taken.
    func startAgain(_ number: Int) async throws {
        var checkpoint = SampleRecords.checkpoint(number)
        checkpoint.changes[0].scheduledTasks = []
        (checkpoint.outbox, checkpoint.outboxRemoved, checkpoint.applied) = ([], [], [])
        try await append(.checkpoint(checkpoint))
    }

    /// Goes on with an instance that was started.
    func goOn(_ number: Int, events: Range<Int>) async throws {
        let id = InstanceID("instance-\(number)")
        try await append(
            .checkpoint(
                Checkpoint(
                    time: SampleRecords.time(Int64(events.upperBound)),
                    changes: [
                        InstanceChange(
                            instanceID: id, time: SampleRecords.time(Int64(events.upperBound)),
                            history: SampleRecords.history(of: id, events))
                    ])))
    }

    /// Ends an instance that was started.
    func end(_ number: Int) async throws {
        let id = InstanceID("instance-\(number)")
        let time = SampleRecords.time(1000 + Int64(number))
        let end = HistoryEvent(
            timestamp: time, kind: .executionCompleted(status: .completed, result: nil, failure: nil))
        try await append(
            .checkpoint(
                Checkpoint(time: time, changes: [InstanceChange(instanceID: id, time: time, history: [end])])))
        ends[id] = contents.position
    }

    /// Purges instances that have ended.
    ///
    /// - Parameter time: For `SampleRecords.time`: everything that ended before it is among them; nil: not said.
    func purge(_ numbers: [Int], expiredBefore time: Int64? = nil) async throws {
        let ids = numbers.map { InstanceID("instance-\($0)") }
        let moves = time.map { SampleRecords.time($0) > contents.state.expiredBefore ?? .distantPast } ?? false
        try await append(
            .purged(.init(time: SampleRecords.time(9000), ids: ids, expiredBefore: time.map(SampleRecords.time))))
        for id in ids {
            flushed.instances[id] = nil
            if moves {
                expired.append(id)
            } else {
                purged.append(PurgedInstance(id: id, position: contents.position, endedAt: ends[id]))
            }
        }
    }

    /// Reads what the copy lacks of the archive.
    func fetchArchive() async throws {
        while opened.archive?.isComplete == false { try await opened.archive?.fetch() }
        let found = try PartitionContents(tablesOf: opened.store).instances
        contents.instances.merge(found) { $1.history.count > $0.history.count ? $1 : $0 }
        flushed.instances.merge(contents.instances) { known, _ in known }
    }

    func append(_ record: PartitionRecord) async throws {
        let position = try await opened.log.append([record], epoch: epoch)
        try contents.take(record)
        if position != contents.position { throw Missing() }
    }

    /// Fills the tables up to the log's end.
    func flush() throws {
        var flush = StoreFlush(previous: flushed.position, position: contents.position, epoch: epoch)
        for (id, instance) in contents.instances.sorted(by: { $0.key < $1.key })
        where flushed.instances[id] != instance {
            let first = flushed.instances[id]?.history.count ?? 0
            flush.instances.append(
                .init(
                    state: instance.state, newHistory: Array(instance.history[first...]), firstIndex: first,
                    endedAt: instance.state.status.isTerminal ? ends[id] : nil))
        }
        flush.outboxAdded = contents.state.pendingOutbox.filter { flushed.state.outbox[$0.id] != $0 }
        flush.outboxRemoved = flushed.state.pendingOutbox.map(\.id).filter { contents.state.outbox[$0] == nil }
        flush.nextOutboxID = contents.state.nextOutboxID
        flush.deduplication = contents.state.deduplication
        flush.sequences = contents.state.sequences
        flush.expiredBefore = contents.state.expiredBefore
        (flush.purged, flush.expired) = (purged, expired)
        try opened.store.flush(flush)
        (purged, expired) = ([], [])
        flushed = contents
    }

    @discardableResult func renew() async throws -> Bool {
        try flush()
        return try await opened.log.renew(epoch: epoch)
    }
}

extension ReplicatedHub {
    /// Follows the log of partition 0 until that says that it has caught up: then the copy stands at `end`.
    func follow(_ copies: MemoryCopies, through end: LogPosition) async throws {
        try await followed(copies, through: end).store.close()
    }

    /// The same, opened where that ended.
    func followed(
        _ copies: MemoryCopies, through end: LogPosition, journal: HubJournal? = nil
    ) async throws -> OpenPartition {
        let storage = storage("standby", copies: copies, journal: journal)
        let caughtUp = Signal()
        let following = Task { await storage.follow(LogOwner.partition) { caughtUp.raise() } }
        await caughtUp.wait()
        let copy = try copies.open(LogOwner.partition)
        let position = try copy.recover().position
        // The archive is read beside the following.
        while try copy.missingArchive() != nil { await Task.yield() }
        copy.close()
        following.cancel()
        let opened = try unwrapped(await following.value)
        if position != end { throw Missing() }
        return opened
    }

    /// The generation that counts; nil: the one made with the hub.
    func generation(of partition: PartitionID) throws -> LogGeneration? {
        try fold()[partition].announcement?.generation
    }

    /// Log streams of partition 0 that are there, of those the journal ever named.
    func logStreams() async throws -> [String] {
        var names = [topology.firstLogStream(of: LogOwner.partition)]
        for delivery in broker.readyMessages(in: topology.name(.journal)) {
            if case .generationStarted(let generation, _) = try JournalRecord(wire: delivery.body) {
                names.append(generation.stream)
            }
        }
        let transport = broker.connect(as: "inspector")
        var found: [String] = []
        for name in names where try await transport.inspect(queue: name) != nil { found.append(name) }
        return found
    }
}
