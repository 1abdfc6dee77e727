package import DurableBackend
package import DurableCore
internal import DurableWire

/// The log of one partition in memory.
package final class MemoryLog: PartitionLog {
    private let opening: MemoryOpening

    init(_ opening: MemoryOpening) { self.opening = opening }

    package func begin(_ begin: PartitionRecord.Begin) async throws(LogError) -> LogPosition {
        try access(.begin(begin.epoch)) { contents throws(StoreError) in
            guard begin.epoch > contents.newest else { throw .fenced(newest: contents.newest) }
            contents.newest = begin.epoch
            contents.log.append(.init(epoch: begin.epoch, record: PartitionRecord.begin(begin).wireBytes))
            return LogPosition(contents.end)
        }
    }

    package func append(_ records: [PartitionRecord], epoch: Epoch) async throws(LogError) -> LogPosition {
        precondition((1...512).contains(records.count), "an append has 1 to 512 records")
        return try access(.append(records)) { contents throws(StoreError) in
            guard epoch == contents.newest else { throw .fenced(newest: contents.newest) }
            for record in records { contents.log.append(.init(epoch: epoch, record: record.wireBytes)) }
            return LogPosition(contents.end)
        }
    }

    package func read(after position: LogPosition, limit: Int) async throws(LogError) -> [LogEntry] {
        try access(.read) { contents throws(StoreError) in
            guard position.value >= contents.trimmed else {
                throw .damaged("records after \(position) were asked for, those up to \(contents.trimmed) are gone")
            }
            let skipped = Int(clamping: position.value - contents.trimmed)
            var entries: [LogEntry] = []
            for (index, row) in contents.log.dropFirst(skipped).prefix(limit).enumerated() {
                let place = LogPosition(position.value + UInt64(index) + 1)
                do {
                    entries.append(
                        LogEntry(position: place, epoch: row.epoch, record: try PartitionRecord(wire: row.record)))
                } catch {
                    throw StoreError.damaged("record \(place): \(error)")
                }
            }
            return entries
        }
    }

    private func access<Result>(
        _ call: StorageFaultPlan.Call, _ body: (PartitionContents) throws(StoreError) -> Result
    ) throws(LogError) -> Result {
        do {
            return try opening.access(call, body)
        } catch {
            switch error {
            case .fenced(let newest): throw .fenced(newest: newest)
            case .full(let text): throw .full(text)
            case .damaged(let text), .foreign(let text): throw .damaged(text)
            case .missing(let text), .unavailable(let text): throw .unavailable(text)
            case .outOfStep(let actual): throw .damaged("the store stands at \(actual)")
            }
        }
    }
}
