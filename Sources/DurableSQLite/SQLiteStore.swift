package import DurableBackend
package import DurableCore
internal import DurableWire
internal import GRDB

/// The tables of one partition. In the same file as its local log, a flush and the trimming of the log it makes
/// needless are one transaction; a copy has a file of its own and keeps a bookmark of the log it follows.
package final class SQLiteStore: PartitionCopy {
    let file: DatabaseFile
    private let use: Use
    private let options: SQLiteOptions
    private var isCopy: Bool { use == .copy }

    enum Use {
        /// With the log in the same file.
        case serving
        /// A copy of a log that is elsewhere.
        case copy
        /// A file that is being made, which nobody else knows and which has no log yet.
        case filling
    }

    /// - Parameter options: What another opening of the file is opened with.
    init(_ file: DatabaseFile, use: Use = .serving, options: SQLiteOptions = SQLiteOptions()) {
        self.file = file
        self.use = use
        self.options = options
    }

    package func recover() throws(StoreError) -> StoreRecovery {
        try file.readTogether { database in
            let state = try StoreState.read(database)
            var partition = state.partition
            for entry in try OutboxTable.all(database) { partition.outbox[entry.id] = entry }
            return StoreRecovery(
                position: state.position, incarnation: try PartitionIdentity.read(database).incarnation,
                state: partition)
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

    package func sent(after: SentPlace?, byteLimit: Int) throws(StoreError) -> [SentMessage] {
        try file.readTogether { database in try SentTable.page(after: after, byteLimit: byteLimit, database) }
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

    package func counts(_ filter: ListFilter) throws(StoreError) -> [QueryAnswer.StatusCount] {
        try file.read { database in
            let search = InstanceSearch(filter)
            return try database.cachedStatement(sql: search.countSQL).map(search.arguments) { row in
                QueryAnswer.StatusCount(status: try row.status(0), count: Int(try row.integer(1)))
            }
        }
    }

    package func expired(before time: Timestamp, limit: Int) throws(StoreError) -> [ExpiredInstance] {
        try file.read { database in
            let statement = try database.cachedStatement(
                sql: """
                    SELECT ended_at, id FROM instances INDEXED BY instances_by_age
                    WHERE ended_at IS NOT NULL AND ended_at < ? ORDER BY ended_at, id LIMIT ?
                    """)
            return try statement.map([time.millisecondsSinceEpoch, limit]) { row in
                ExpiredInstance(end: try row.time(0), id: InstanceID(try row.text(1)))
            }
        }
    }

    package func flush(_ flush: StoreFlush) throws(StoreError) {
        try file.write { database in
            if use == .serving { try NewestEpoch.require(flush.epoch, database) }
            let actual = try StoreState.position(database)
            guard actual == flush.previous else { throw StoreError.outOfStep(actual: actual) }
            let end = use == .serving ? try SQLiteLog.end(database) : LogPosition(.max)
            guard (flush.previous...end).contains(flush.position) else {
                throw RowDamage("a flush through position \(flush.position) does not fit a log that ends at \(end)")
            }
            let purged = try InstanceTable.remove(flush.purged, database)
            try InstanceTable.remove(flush.expired, database)
            if isCopy {
                try PurgedTable.add(purged, database)
                try PurgedTable.add(flush.purgedBefore, database)
            }
            try InstanceTable.write(
                flush.instances, endedAt: isCopy ? flush.endedAt ?? flush.position : nil, database)
            try OutboxTable.write(added: flush.outboxAdded, removed: flush.outboxRemoved, database)
            try SentTable.write(
                flush.sent, delivered: flush.delivered, before: try StoreState.delivered(database), database)
            try StoreState(position: flush.position, partition: flush.state).write(database)
            if isCopy {
                try BookmarkTable.write(flush.bookmark, database)
            } else if use == .serving {
                try database.cachedStatement(sql: "DELETE FROM log WHERE position <= ?")
                    .execute(arguments: [flush.position.value.column])
            }
        }
    }

    package func close() { file.close() }

    // MARK: - Copies

    package func bookmark() throws(StoreError) -> LogBookmark? {
        precondition(isCopy, "only a copy has a bookmark")
        return try file.read(BookmarkTable.read)
    }

    package func frozen() throws(StoreError) -> any PartitionCopy {
        precondition(isCopy, "only a copy is frozen")
        let file = try DatabaseFile(opening: file.path, kind: .copy, options: options, isFrozen: true)
        return SQLiteStore(file, use: .copy)
    }

    package func reset() throws(StoreError) {
        precondition(isCopy, "only a copy may be emptied")
        try file.write { database in
            for table in [
                "instances", "counts", "history", "tags", "outbox", "sent", "bookmark", "archive", "archive_filter",
                "purged",
            ] {
                try database.execute(sql: "DELETE FROM \(table)")
            }
            try StoreState().write(database)
        }
    }
}
