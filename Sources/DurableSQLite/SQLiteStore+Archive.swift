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
        let statement = try database.cachedStatement(sql: "SELECT missing, checksum FROM archive")
        guard let (bytes, sum) = try statement.first([], { (try $0.bytes(0), try $0.integer(1)) }) else { return nil }
        guard sum == checksum(bytes) else { throw RowDamage("what the archive lacks has a wrong checksum") }
        return try MissingArchive(wire: bytes)
    }

    static func write(_ missing: MissingArchive?, _ database: Database) throws {
        guard let bytes = missing?.wireBytes else {
            return try database.cachedStatement(sql: "DELETE FROM archive").execute()
        }
        try database.cachedStatement(sql: "INSERT OR REPLACE INTO archive (id, missing, checksum) VALUES (1, ?, ?)")
            .execute(arguments: [Data(bytes), checksum(bytes)])
    }

    private static func checksum(_ bytes: [UInt8]) -> Int64 {
        var checksum = Checksum()
        checksum.add(bytes)
        return checksum.value
    }
}
