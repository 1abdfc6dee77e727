internal import DurableBackend
internal import DurableCore

extension StoreRule {
    static func newStoreStandsAtZero(_ fixture: StoreFixture) throws {
        let recovery = try fixture.store.recover()
        try StorageCheck.equal(recovery.position, LogPosition(0), "position of a new store")
        try StorageCheck.equal(recovery.state, PartitionState(), "state of a new store")
        try StorageCheck.equal(try fixture.list(), [], "instances of a new store")
        try StorageCheck.equal(try fixture.store.counts(), [], "counts of a new store")
    }

    static func incarnationIsKept(_ fixture: StoreFixture) throws {
        let incarnation = try fixture.store.recover().incarnation
        fixture.store.close()
        let again = try fixture.storage.open(StoreFixture.partition)
        defer { again.store.close() }
        try StorageCheck.equal(try again.store.recover().incarnation, incarnation, "incarnation after reopening")
        let other = try fixture.storage.open(PartitionID(1))
        defer { other.store.close() }
        let different = try other.store.recover().incarnation
        try StorageCheck.that(different != incarnation, "two partitions have incarnation \(incarnation)")
    }

    static func recoveryIsWhatWasFlushed(_ fixture: StoreFixture) async throws {
        var deduplication = Deduplication()
        for partition in [3, 1, 2] {
            deduplication.markApplied(
                Origin(partition: PartitionID(partition), incarnation: .max, sequence: UInt64(partition) << 40))
        }
        let sequences = [PartitionID(7): UInt64(1), PartitionID(2): UInt64.max]
        let delivered = [PartitionID(1023): UInt64(1), PartitionID(2): UInt64.max - 1]
        let evidence = CrashEvidence(
            isReleased: true,
            suspects: [
                .init(instanceID: InstanceID("b"), epochs: [SampleRecords.epoch(2), SampleRecords.epoch(7)]),
                .init(instanceID: InstanceID("a"), epochs: [fixture.epoch]),
            ])
        let outbox = [SampleRecords.outboxTask(1), SampleRecords.outboxMessage(2), SampleRecords.outboxTask(5)]
        try await fixture.flush { flush in
            flush.outboxAdded = outbox
            flush.nextOutboxID = OutboxID(6)
            flush.deduplication = deduplication
            flush.sequences = sequences
            flush.delivered = delivered
            flush.evidence = evidence
            flush.mustRedrive = true
        }
        let recovery = try fixture.store.recover()
        try StorageCheck.equal(recovery.position, LogPosition(2), "position")
        let expected = PartitionState(
            epoch: fixture.epoch, nextOutboxID: OutboxID(6),
            outbox: Dictionary(uniqueKeysWithValues: outbox.map { ($0.id, $0) }), deduplication: deduplication,
            sequences: sequences, delivered: delivered, evidence: evidence, mustRedrive: true)
        try StorageCheck.equal(recovery.state, expected, "state")
    }

    static func tablesAndTheLogAfterThemAreComplete(_ fixture: StoreFixture) async throws {
        let records = SampleRecords.records(10)
        _ = try await fixture.log.append(records, epoch: fixture.epoch)
        try fixture.store.flush(
            StoreFlush(previous: LogPosition(0), position: LogPosition(6), epoch: fixture.epoch))
        let recovery = try fixture.store.recover()
        try StorageCheck.equal(recovery.position, LogPosition(6), "position of the tables")
        let rest = try await fixture.log.read(after: recovery.position, limit: 100).map(\.record)
        try StorageCheck.equal(rest, Array(records[5...]), "records after the tables")
    }

    static func flushFromElsewhereIsOutOfStep(_ fixture: StoreFixture) async throws {
        try await fixture.flush([SampleRecords.instance("a")])
        let end = try await fixture.log.append(SampleRecords.records(1), epoch: fixture.epoch)
        for previous: UInt64 in [0, 1, 3] {
            let expected = StoreError.outOfStep(actual: LogPosition(2))
            try await StorageCheck.throwing("flush from position \(previous)", expected) {
                try fixture.store.flush(
                    StoreFlush(previous: LogPosition(previous), position: end, epoch: fixture.epoch))
            }
        }
        try StorageCheck.equal(try fixture.store.recover().position, LogPosition(2), "position")
    }

    static func flushOfAnOldEpochIsFenced(_ fixture: StoreFixture) async throws {
        try await fixture.flush([SampleRecords.instance("a")])
        let newest = SampleRecords.epoch(2)
        let other = try fixture.storage.open(StoreFixture.partition)
        defer { other.store.close() }
        let end = try await other.log.begin(SampleRecords.begin(newest))
        let stale = StoreFlush(previous: fixture.position, position: end, epoch: fixture.epoch)
        try await StorageCheck.throwing("flush of a paused owner", StoreError.fenced(newest: newest)) {
            try fixture.store.flush(stale)
        }
        try StorageCheck.equal(try other.store.recover().position, LogPosition(2), "position")
        var fresh = stale
        fresh.epoch = newest
        try other.store.flush(fresh)
        try await StorageCheck.throwing("its next one", StoreError.fenced(newest: newest)) {
            try fixture.store.flush(
                StoreFlush(previous: end, position: LogPosition(end.value + 1), epoch: fixture.epoch))
        }
        let recovery = try fixture.store.recover()
        try StorageCheck.equal(recovery.position, end, "position after the new owner's flush")
        try StorageCheck.equal(recovery.state.epoch, newest, "epoch after the new owner's flush")
    }

    static func refusedFlushChangesNothing(_ fixture: StoreFixture) async throws {
        let before = SampleRecords.instance("a", historyCount: 2)
        try await fixture.flush([
            .init(state: before, newHistory: SampleRecords.history(of: before.id, 0..<2), firstIndex: 0)
        ]) { $0.outboxAdded = [SampleRecords.outboxTask(1)] }
        let state = try fixture.store.recover()
        let end = try await fixture.log.append(SampleRecords.records(3), epoch: fixture.epoch)
        let after = SampleRecords.instance("a", status: .completed, historyCount: 4)
        var flush = StoreFlush(
            previous: LogPosition(1), position: end, epoch: fixture.epoch,
            instances: [
                .init(state: after, newHistory: SampleRecords.history(of: after.id, 2..<4), firstIndex: 2),
                .init(state: SampleRecords.instance("b"), newHistory: [], firstIndex: 0),
            ],
            outboxAdded: [SampleRecords.outboxTask(2)], outboxRemoved: [OutboxID(1)], nextOutboxID: OutboxID(9))
        try await StorageCheck.throwing("flush from elsewhere", StoreError.outOfStep(actual: fixture.position)) {
            try fixture.store.flush(flush)
        }
        let newest = SampleRecords.epoch(2)
        _ = try await fixture.log.begin(SampleRecords.begin(newest))
        flush.previous = fixture.position
        try await StorageCheck.throwing("flush of an old epoch", StoreError.fenced(newest: newest)) {
            try fixture.store.flush(flush)
        }
        try StorageCheck.equal(try fixture.store.recover(), state, "recovery")
        try StorageCheck.equal(try fixture.store.instance(before.id), before, "instance")
        try StorageCheck.equal(try fixture.list(), ["a"], "instances")
        try StorageCheck.equal(try fixture.counts(), [.running: 1], "counts")
        let events = try fixture.store.history(of: before.id, from: 0, byteLimit: 1 << 20)
        try StorageCheck.equal(events, SampleRecords.history(of: before.id, 0..<2), "history")
        let rest = try await fixture.log.read(after: fixture.position, limit: 100)
        try StorageCheck.equal(rest.count, 4, "records in the log")
    }

    static func outboxEntriesComeAndGo(_ fixture: StoreFixture) async throws {
        try await fixture.flush { flush in
            flush.outboxAdded = [
                SampleRecords.outboxTask(1), SampleRecords.outboxMessage(2), SampleRecords.outboxTask(3),
            ]
            flush.nextOutboxID = OutboxID(4)
        }
        try await fixture.flush { flush in
            flush.outboxAdded = [SampleRecords.outboxMessage(9)]
            // 2 is there, 8 never was: it was confirmed before a flush saw it.
            flush.outboxRemoved = [OutboxID(2), OutboxID(8)]
            flush.nextOutboxID = OutboxID(10)
        }
        let state = try fixture.store.recover().state
        let expected = [SampleRecords.outboxTask(1), SampleRecords.outboxTask(3), SampleRecords.outboxMessage(9)]
        try StorageCheck.equal(state.pendingOutbox, expected, "unconfirmed messages")
        try StorageCheck.equal(state.nextOutboxID, OutboxID(10), "next outbox ID")
    }

    static func reopenedStoreHasEverything(_ fixture: StoreFixture) async throws {
        let state = SampleRecords.instance("a", timer: 7, historyCount: 3)
        try await fixture.flush([
            .init(state: state, newHistory: SampleRecords.history(of: state.id, 0..<3), firstIndex: 0)
        ]) { $0.outboxAdded = [SampleRecords.outboxTask(1)] }
        let recovery = try fixture.store.recover()
        fixture.store.close()
        let again = try fixture.storage.open(StoreFixture.partition).store
        defer { again.close() }
        try StorageCheck.equal(try again.recover(), recovery, "recovery")
        try StorageCheck.equal(try again.instance(state.id), state, "instance")
        let events = try again.history(of: state.id, from: 0, byteLimit: 1 << 20)
        try StorageCheck.equal(events, SampleRecords.history(of: state.id, 0..<3), "history")
        let due = try again.due(after: nil, through: .distantFuture, limit: 10)
        try StorageCheck.equal(due, [DueInstance(due: SampleRecords.time(7), id: state.id)], "due")
    }

    static func otherOpeningSeesAFlush(_ fixture: StoreFixture) async throws {
        let other = try fixture.storage.open(StoreFixture.partition)
        defer { other.store.close() }
        let state = SampleRecords.instance("a")
        try await fixture.flush([state])
        try StorageCheck.equal(try other.store.instance(state.id), state, "instance")
        try StorageCheck.equal(try other.store.recover(), try fixture.store.recover(), "recovery")
    }

    static func closedStoreRefuses(_ fixture: StoreFixture) async throws {
        try await fixture.flush([SampleRecords.instance("a")])
        let store = fixture.store
        store.close()
        store.close()
        let position = fixture.position
        let epoch = fixture.epoch
        let calls: [(String, () throws -> Void)] = [
            ("recover", { _ = try store.recover() }),
            ("instance", { _ = try store.instance(InstanceID("a")) }),
            ("history", { _ = try store.history(of: InstanceID("a"), from: 0, byteLimit: 1) }),
            ("due", { _ = try store.due(after: nil, through: .distantFuture, limit: 1) }),
            ("held", { _ = try store.held(after: nil, limit: 1) }),
            ("list", { _ = try store.list(ListFilter(), after: nil, limit: 1) }),
            ("sent", { _ = try store.sent(after: nil, byteLimit: 1) }),
            ("counts", { _ = try store.counts() }),
            ("flush", { try store.flush(StoreFlush(previous: position, position: position, epoch: epoch)) }),
        ]
        for (name, call) in calls {
            let isUnavailable = { (error: StoreError) in if case .unavailable = error { true } else { false } }
            try await StorageCheck.throwing("\(name) of a closed store", isUnavailable, call)
        }
    }

    static func partitionsAreIndependent(_ fixture: StoreFixture) async throws {
        try await fixture.flush([SampleRecords.instance("a")])
        let other = try fixture.storage.open(PartitionID(1)).store
        defer { other.close() }
        try StorageCheck.equal(try other.recover().position, LogPosition(0), "position of another partition")
        try StorageCheck.equal(try other.instance(InstanceID("a")), nil, "instance in another partition")
    }
}
