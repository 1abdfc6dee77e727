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
            if position == 2 { flush.instances.append(.init(state: SampleRecords.instance("b"), newHistory: [], firstIndex: 0)) }
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
}
