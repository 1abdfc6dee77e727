package import DurableBackend
package import DurableCore
internal import DurableWire
internal import Foundation
internal import GRDB

/// The local log: a table in the partition's file, one transaction and one fsync an append.
///
/// Calls block the caller's thread for the length of a disk access.
package final class SQLiteLog: PartitionLog {
    private let file: DatabaseFile

    init(_ file: DatabaseFile) { self.file = file }

    package func begin(_ begin: PartitionRecord.Begin) async throws(LogError) -> LogPosition {
        let record = PartitionRecord.begin(begin).wireBytes
        return try write { database in
            let newest = try NewestEpoch.read(database)
            guard begin.epoch > newest else { throw StoreError.fenced(newest: newest) }
            try NewestEpoch.write(begin.epoch, database)
            return try Self.insert([record], begin.epoch, database)
        }
    }

    package func append(_ records: [PartitionRecord], epoch: Epoch) async throws(LogError) -> LogPosition {
        precondition((1...512).contains(records.count), "an append has 1 to 512 records")
        let encoded = records.map(\.wireBytes)
        return try write { database in
            try NewestEpoch.require(epoch, database)
            return try Self.insert(encoded, epoch, database)
        }
    }

    package func read(after position: LogPosition, limit: Int) async throws(LogError) -> [LogEntry] {
        do {
            return try file.readTogether { database in
                let flushed = try StoreState.position(database)
                guard position >= flushed else {
                    throw StoreError.damaged(
                        "records \(position.value + 1) to \(flushed) are not in the log any more, "
                            + "they are in the tables: a later owner has moved them. Read the tables again")
                }
                return try Self.entries(after: position, limit: limit, database)
            }
        } catch {
            throw LogError(error)
        }
    }

    private func write(_ body: (Database) throws -> LogPosition) throws(LogError) -> LogPosition {
        do {
            return try file.write(body)
        } catch {
            throw LogError(error)
        }
    }

    /// Last position ever given: what is in the tables counts, its records are trimmed.
    static func end(_ database: Database) throws -> LogPosition {
        let statement = try database.cachedStatement(
            sql: "SELECT max(coalesce((SELECT max(position) FROM log), 0), (SELECT position FROM store_state))")
        guard let end = try statement.first([], { try $0.position(0) }) else {
            throw RowDamage("the log's state is missing")
        }
        return end
    }

    /// - Returns: Position of the last one.
    private static func insert(_ records: [[UInt8]], _ epoch: Epoch, _ database: Database) throws -> LogPosition {
        var position = try end(database)
        let statement = try database.cachedStatement(
            sql: "INSERT INTO log (position, epoch_generation, epoch_offset, record, checksum) VALUES (?, ?, ?, ?, ?)")
        for record in records {
            position.value += 1
            try statement.execute(arguments: [
                position.value.column, Int64(epoch.generation), epoch.offset.column, Data(record),
                checksum(position, epoch, record),
            ])
        }
        return position
    }

    private static func entries(after position: LogPosition, limit: Int, _ database: Database) throws -> [LogEntry] {
        let statement = try database.cachedStatement(
            sql: """
                SELECT position, epoch_generation, epoch_offset, record, checksum FROM log
                WHERE position > ? ORDER BY position LIMIT ?
                """)
        var last = position
        return try statement.map([position.value.column, limit]) { row in
            let position = try row.position(0)
            guard position.value == last.value + 1 else {
                throw RowDamage("log records \(last.value + 1) to \(position.value - 1) are missing")
            }
            let (epoch, record) = (try row.epoch(1), try row.bytes(3))
            guard try row.integer(4) == checksum(position, epoch, record) else {
                throw RowDamage("log record \(position) has a wrong checksum")
            }
            last = position
            return LogEntry(position: position, epoch: epoch, record: try PartitionRecord(wire: record))
        }
    }

    private static func checksum(_ position: LogPosition, _ epoch: Epoch, _ record: [UInt8]) -> Int64 {
        var checksum = Checksum()
        checksum.add(position.value)
        checksum.add(Int64(epoch.generation))
        checksum.add(epoch.offset)
        checksum.add(record)
        return checksum.value
    }
}
