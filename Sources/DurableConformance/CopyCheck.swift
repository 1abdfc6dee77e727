package import DurableBackend
internal import DurableCore

/// What a `PartitionCopy` must obey besides the rules of a store.
package enum CopyCheck {
    /// - Parameter copy: Empty.
    package static func frozenCopyStays(_ copy: any PartitionCopy) throws {
        let id = InstanceID("a")
        func write(_ events: Range<Int>, from previous: UInt64, to position: UInt64, _ outboxID: UInt64) throws {
            var flush = StoreFlush(
                previous: LogPosition(previous), position: LogPosition(position), epoch: SampleRecords.epoch(4),
                instances: [
                    .init(
                        state: SampleRecords.instance("a", historyCount: events.upperBound),
                        newHistory: SampleRecords.history(of: id, events), firstIndex: events.lowerBound)
                ])
            if position == 2 {
                flush.instances.append(.init(state: SampleRecords.instance("b"), newHistory: [], firstIndex: 0))
            }
            flush.outboxAdded = [SampleRecords.outboxTask(outboxID)]
            flush.outboxRemoved = outboxID > 1 ? [OutboxID(outboxID - 1)] : []
            flush.nextOutboxID = OutboxID(outboxID + 1)
            try copy.flush(flush)
        }
        try write(0..<3, from: 0, to: 1, 1)
        let frozen = try copy.frozen()
        let recovery = try frozen.recover()
        try write(3..<7, from: 1, to: 2, 2)
        for _ in 0..<2 {
            try StorageCheck.equal(try frozen.recover(), recovery, "what a frozen copy says of itself")
            let listed = try frozen.list(ListFilter(), after: nil, limit: 10).map(\.id)
            try StorageCheck.equal(listed, [id], "instances of a frozen copy")
            let history = try frozen.history(of: id, from: 0, byteLimit: 1 << 20)
            try StorageCheck.equal(history, SampleRecords.history(of: id, 0..<3), "history in a frozen copy")
        }
        try StorageCheck.equal(try copy.recover().position, LogPosition(2), "the copy itself")
        frozen.close()
        frozen.close()
        try write(7..<9, from: 2, to: 3, 3)
        let later = try copy.frozen()
        defer { later.close() }
        try StorageCheck.equal(try later.recover().position, LogPosition(3), "a copy frozen later")
        try StorageCheck.equal(try later.instance(id)?.historyCount, 9, "its instance")
    }

    /// - Parameter copy: Empty; `archiveIsKept` then holds of it, also when it is opened again.
    package static func archiveFillsGaps(_ copy: any PartitionCopy) throws {
        func ended(_ text: String, events: Range<Int>, _ status: OrchestrationStatus = .completed)
            -> StoreFlush.InstanceFlush
        {
            var state = SampleRecords.instance(text, historyCount: events.upperBound)
            state.status = status
            return .init(
                state: state, newHistory: SampleRecords.history(of: InstanceID(text), events),
                firstIndex: events.lowerBound)
        }
        var flush = StoreFlush(previous: LogPosition(0), position: LogPosition(9), epoch: SampleRecords.epoch(4))
        flush.instances = [ended("open", events: 0..<2, .running), ended("late", events: 0..<4)]
        try copy.flush(flush)
        try StorageCheck.equal(try copy.missingArchive(), nil, "what a new copy lacks")
        let segment = ArchiveSegment(
            stream: "s", epoch: SampleRecords.epoch(3), after: LogPosition(0), through: LogPosition(7))
        var missing = MissingArchive(filter: InstanceFilter(capacity: 9), segments: [segment])
        missing.chunks = 1
        missing.partial = InstanceID("long")
        // Two that are there already, one that is not, and the first piece of another one.
        try copy.addArchived(
            [
                ended("open", events: 0..<5), ended("late", events: 0..<6), ended("old", events: 0..<3),
                ended("long", events: 0..<5),
            ],
            of: segment, missing: missing)
        try StorageCheck.equal(try copy.missingArchive(), missing, "what a copy lacks that was told so")
        // The next piece, twice, and one that fits an instance by its number alone.
        for _ in 0..<2 {
            try copy.addArchived(
                [ended("long", events: 5..<8), ended("open", events: 2..<4), ended("late", events: 4..<6)],
                of: segment, missing: nil)
        }
        try archiveIsKept(copy)
    }

    /// - Parameter copy: Empty.
    package static func lastEndCounts(_ copy: any PartitionCopy) throws {
        func flush(_ events: Range<Int>, at time: Int64, position: UInt64, from previous: UInt64) throws {
            var state = SampleRecords.instance("a", status: .failed, historyCount: events.upperBound)
            state.lastUpdatedAt = SampleRecords.time(time)
            let history = SampleRecords.history(of: InstanceID("a"), events)
            try copy.flush(
                StoreFlush(
                    previous: LogPosition(previous), position: LogPosition(position), epoch: SampleRecords.epoch(4),
                    instances: [
                        .init(
                            state: state, newHistory: history, firstIndex: events.lowerBound,
                            endedAt: LogPosition(position - 1))
                    ]))
        }
        try flush(0..<3, at: 10, position: 5, from: 0)
        // It has gone on since, and has ended in the same way.
        try flush(3..<6, at: 20, position: 9, from: 5)
        let ended = try copy.ended(after: EndedInstance(position: LogPosition(0), id: InstanceID("")), limit: 9)
        try StorageCheck.equal(
            ended, [EndedInstance(position: LogPosition(8), id: InstanceID("a"))], "where an instance ended")
        let expired = try copy.expired(before: .distantFuture, limit: 9)
        try StorageCheck.equal(
            expired, [ExpiredInstance(end: SampleRecords.time(20), id: InstanceID("a"))], "when an instance ended")
    }

    /// - Parameter copy: Empty.
    package static func purgedStayAway(_ copy: any PartitionCopy) throws {
        func ended(_ text: String, events: Range<Int>, at time: Int64 = 10) -> StoreFlush.InstanceFlush {
            var state = SampleRecords.instance(text, status: .completed, historyCount: events.upperBound)
            state.lastUpdatedAt = SampleRecords.time(time)
            return .init(
                state: state, newHistory: SampleRecords.history(of: InstanceID(text), events),
                firstIndex: events.lowerBound)
        }
        func segment(_ after: UInt64, _ through: UInt64, writtenAt: UInt64) -> ArchiveSegment {
            ArchiveSegment(
                stream: "s-\(through)", epoch: SampleRecords.epoch(3), after: LogPosition(after),
                through: LogPosition(through), writtenAt: LogPosition(writtenAt))
        }
        func purged(_ id: String, at position: UInt64, end: UInt64?) -> PurgedInstance {
            PurgedInstance(
                id: InstanceID(id), position: LogPosition(position), endedAt: end.map { LogPosition($0) })
        }
        var flush = StoreFlush(previous: LogPosition(0), position: LogPosition(9), epoch: SampleRecords.epoch(4))
        flush.instances = ["exact", "inexact", "again"].map { ended($0, events: 0..<3) }
        flush.instances[0].endedAt = LogPosition(4)
        try copy.flush(flush)
        flush = StoreFlush(previous: LogPosition(9), position: LogPosition(12), epoch: SampleRecords.epoch(4))
        flush.purged = [
            purged("exact", at: 10, end: nil), purged("inexact", at: 10, end: nil), purged("again", at: 10, end: 8),
            purged("unread", at: 10, end: nil), purged("known", at: 10, end: 2),
        ]
        flush.purgedBefore = [purged("before", at: 6, end: 2)]
        flush.instances = [ended("again", events: 0..<2, at: 20)]
        flush.expiredBefore = SampleRecords.time(5)
        try copy.flush(flush)
        let all = [
            purged("again", at: 10, end: 8), purged("before", at: 6, end: 2), purged("exact", at: 10, end: 4),
            purged("inexact", at: 10, end: nil), purged("known", at: 10, end: 2), purged("unread", at: 10, end: nil),
        ]
        try StorageCheck.equal(try copy.purged(after: nil, limit: 10), all, "what is remembered")
        try StorageCheck.equal(try copy.purged(after: all[1].id, limit: 2), Array(all[2...3]), "two of them")

        let old = segment(0, 5, writtenAt: 5)
        try copy.addArchived(
            [
                ended("exact", events: 0..<3), ended("unread", events: 0..<2), ended("before", events: 0..<3),
                ended("other", events: 0..<2), ended("expired", events: 0..<1, at: 4), ended("again", events: 0..<5),
            ], of: old, missing: nil)
        // The rest of one that was left out.
        try copy.addArchived([ended("unread", events: 2..<4), ended("other", events: 2..<4)], of: old, missing: nil)
        let ids = try copy.list(ListFilter(), after: nil, limit: 10).map(\.id.value)
        try StorageCheck.equal(ids, ["again", "other"], "instances after the archive was read")
        try StorageCheck.equal(try copy.instance(InstanceID("again"))?.historyCount, 2, "the later instance of an ID")
        // Written after the purge: what is in it came later.
        try copy.addArchived([ended("known", events: 0..<2)], of: segment(9, 11, writtenAt: 11), missing: nil)
        try StorageCheck.equal(try copy.instance(InstanceID("known"))?.historyCount, 2, "one that uses an ID again")

        try copy.forgetPurged(notIn: [segment(3, 7, writtenAt: 8)])
        let left = try copy.purged(after: nil, limit: 10).map(\.id.value)
        try StorageCheck.equal(left, ["exact", "inexact", "unread"], "what is in a stream, or may be")
        // Purged once more: it may be in two streams.
        flush = StoreFlush(previous: LogPosition(12), position: LogPosition(13), epoch: SampleRecords.epoch(4))
        flush.purged = [purged("exact", at: 13, end: 12)]
        try copy.flush(flush)
        try StorageCheck.equal(
            try copy.purged(after: nil, limit: 1), [purged("exact", at: 13, end: nil)], "one that was purged twice")
        try copy.forgetPurged(notIn: [])
        try StorageCheck.equal(try copy.purged(after: nil, limit: 10), [], "what is remembered without an archive")
    }

    package static func archiveIsKept(_ copy: any PartitionCopy) throws {
        try StorageCheck.equal(try copy.recover().position, LogPosition(9), "position of the copy")
        try StorageCheck.equal(try copy.missingArchive(), nil, "what the copy lacks")
        for (text, count) in [("open", 2), ("late", 4), ("old", 3), ("long", 8)] {
            let id = InstanceID(text)
            try StorageCheck.equal(try copy.instance(id)?.historyCount, count, "events of \(text)")
            let history = try copy.history(of: id, from: 0, byteLimit: 1 << 20)
            try StorageCheck.equal(history, SampleRecords.history(of: id, 0..<count), "history of \(text)")
        }
        let counts = try copy.counts().map(\.count)
        try StorageCheck.equal(counts, [1, 3], "numbers of running and completed instances")
        func ended(after: EndedInstance, _ limit: Int) throws -> [String] {
            try copy.ended(after: after, limit: limit).map { "\($0.id)@\($0.position)" }
        }
        let all = ["long@7", "old@7", "late@9"]
        try StorageCheck.equal(try ended(after: .init(after: LogPosition(0)), 10), all, "instances that ended")
        try StorageCheck.equal(try ended(after: .init(after: LogPosition(0)), 1), [all[0]], "the first of them")
        let first = EndedInstance(position: LogPosition(7), id: InstanceID("long"))
        try StorageCheck.equal(try ended(after: first, 10), Array(all[1...]), "those after it")
        try StorageCheck.equal(try ended(after: .init(after: LogPosition(7)), 10), [all[2]], "what ended later")
        try StorageCheck.equal(try ended(after: .init(after: LogPosition(9)), 10), [], "what ended after all")
    }
}
