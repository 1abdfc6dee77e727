package import DurableBackend
package import DurableCore
internal import DurableWire
internal import GRDB

/// The tables of one partition, in the same file as its local log: a flush and the trimming of the log it makes
/// needless are one transaction.
package final class SQLiteStore: PartitionStore {
    let file: DatabaseFile

    init(_ file: DatabaseFile) { self.file = file }

    package func recover() throws(StoreError) -> StoreRecovery {
        try file.readTogether { database in
            let state = try StoreState.read(database)
            var outbox: [OutboxID: OutboxEntry] = [:]
            for entry in try OutboxTable.all(database) { outbox[entry.id] = entry }
            return StoreRecovery(
                position: state.position, incarnation: try PartitionIdentity.read(database).incarnation,
                state: PartitionState(
                    epoch: state.epoch, nextOutboxID: state.nextOutboxID, outbox: outbox,
                    deduplication: state.deduplication, sequences: state.sequences))
        }
    }

    package func instance(_ id: InstanceID) throws(StoreError) -> InstanceState? {
        try file.read { database in try InstanceTable.numberAndState(of: id, database)?.state }
    }

    package func history(
        of id: InstanceID, from first: Int, byteLimit: Int
    ) throws(StoreError) -> [HistoryEvent] {
        precondition(first >= 0, "the first event of a history has index 0")
        return try file.readTogether { database in
            guard let (number, state) = try InstanceTable.numberAndState(of: id, database) else { return [] }
            return try HistoryTable.read(
                number, first..<max(first, state.historyCount), byteLimit: byteLimit, database)
        }
    }

    package func counts() throws(StoreError) -> [QueryAnswer.StatusCount] {
        try file.read { database in
            let statement = try database.cachedStatement(
                sql: "SELECT status, instances FROM counts WHERE instances > 0 ORDER BY status")
            return try statement.map { row in
                QueryAnswer.StatusCount(status: try row.status(0), count: Int(try row.integer(1)))
            }
        }
    }

    package func flush(_ flush: StoreFlush) throws(StoreError) {
        try file.write { database in
            try NewestEpoch.require(flush.epoch, database)
            let actual = try StoreState.position(database)
            guard actual == flush.previous else { throw StoreError.outOfStep(actual: actual) }
            let end = try SQLiteLog.end(database)
            guard (flush.previous...end).contains(flush.position) else {
                throw RowDamage("a flush through position \(flush.position) does not fit a log that ends at \(end)")
            }
            try InstanceTable.write(flush.instances, database)
            try OutboxTable.write(added: flush.outboxAdded, removed: flush.outboxRemoved, database)
            try StoreState(
                position: flush.position, epoch: flush.epoch, nextOutboxID: flush.nextOutboxID,
                deduplication: flush.deduplication, sequences: flush.sequences
            ).write(database)
            try database.cachedStatement(sql: "DELETE FROM log WHERE position <= ?")
                .execute(arguments: [flush.position.value.column])
        }
    }

    package func close() { file.close() }
}
