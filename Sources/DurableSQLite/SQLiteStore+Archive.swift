package import DurableBackend
package import DurableCore
internal import DurableWire
internal import Foundation
internal import GRDB

extension SQLiteStore {
    package func ended(after: EndedInstance, limit: Int) throws(StoreError) -> [EndedInstance] {
        try file.read { database in
            let statement = try database.cachedStatement(
                sql: """
                    SELECT ended_position, id FROM instances INDEXED BY instances_by_end
                    WHERE ended_position IS NOT NULL AND (ended_position, id) > (?, ?)
                    ORDER BY ended_position, id LIMIT ?
                    """)
            return try statement.map([after.position.value.column, after.id.value, limit]) { row in
                EndedInstance(position: try row.position(0), id: InstanceID(try row.text(1)))
            }
        }
    }

    package func missingArchive() throws(StoreError) -> MissingArchive? { try file.read(ArchiveTable.read) }

    package func addArchived(
        _ instances: [StoreFlush.InstanceFlush], endedAt: LogPosition, missing: MissingArchive?
    ) throws(StoreError) {
        try file.write { database in
            let new = try instances.filter { try InstanceTable.lacks($0, endedAt: endedAt, database) }
            try InstanceTable.write(new, endedAt: endedAt, database)
            try ArchiveTable.write(missing, database)
        }
    }
}

/// The row of a copy that says what it lacks of the archive.
enum ArchiveTable {
    static func read(_ database: Database) throws -> MissingArchive? {
        guard let missing = try row("SELECT missing, checksum FROM archive", database) else { return nil }
        guard let filter = try row("SELECT filter, checksum FROM archive_filter", database) else {
            throw RowDamage("the filter of what the archive has is not there")
        }
        return try MissingArchive(wire: missing, filter: filter)
    }

    private static func row(_ sql: String, _ database: Database) throws -> [UInt8]? {
        let found = try database.cachedStatement(sql: sql).first([]) { (try $0.bytes(0), try $0.integer(1)) }
        guard let (bytes, sum) = found else { return nil }
        guard sum == checksum(bytes) else { throw RowDamage("what the archive lacks has a wrong checksum") }
        return bytes
    }

    static func write(_ missing: MissingArchive?, _ database: Database) throws {
        guard let missing else {
            try database.cachedStatement(sql: "DELETE FROM archive").execute()
            return try database.cachedStatement(sql: "DELETE FROM archive_filter").execute()
        }
        let bytes = missing.wireBytes
        try database.cachedStatement(sql: "INSERT OR REPLACE INTO archive (id, missing, checksum) VALUES (1, ?, ?)")
            .execute(arguments: [Data(bytes), checksum(bytes)])
        // Large, and the same from chunk to chunk: written once.
        let sum = checksum(missing.filter.bytes)
        let known = try database.cachedStatement(sql: "SELECT checksum FROM archive_filter").first([]) {
            try $0.integer(0)
        }
        if known == sum { return }
        try database.cachedStatement(
            sql: "INSERT OR REPLACE INTO archive_filter (id, filter, checksum) VALUES (1, ?, ?)"
        )
        .execute(arguments: [Data(missing.filter.bytes), sum])
    }

    private static func checksum(_ bytes: [UInt8]) -> Int64 {
        var checksum = Checksum()
        checksum.add(bytes)
        return checksum.value
    }
}
