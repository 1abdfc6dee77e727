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

    package func setMissingArchive(_ missing: MissingArchive?) throws(StoreError) {
        try file.write { database in try ArchiveTable.write(missing, database) }
    }

    package func addArchived(
        _ instances: [StoreFlush.InstanceFlush], of segment: ArchiveSegment, missing: MissingArchive?
    ) throws(StoreError) {
        try file.write { database in
            let expired = try StoreState.expiredBefore(database)
            let new = try instances.filter { instance in
                if segment.expires(instance.state.lastUpdatedAt, before: expired) { return false }
                if let purged = try PurgedTable.row(of: instance.state.id, database), purged.isNews(to: segment) {
                    return false
                }
                return try InstanceTable.lacks(instance, endedAt: segment.through, database)
            }.map { instance in
                var instance = instance
                instance.endedAt = segment.through
                return instance
            }
            try InstanceTable.write(new, endedAt: segment.through, database)
            try ArchiveTable.write(missing, database)
        }
    }

    package func purged(after: InstanceID?, limit: Int) throws(StoreError) -> [PurgedInstance] {
        try file.read { database in try PurgedTable.page(after: after, limit: limit, database) }
    }

    package func forgetPurged(notIn archive: [ArchiveSegment]) throws(StoreError) {
        try file.write { database in
            var last: InstanceID?
            while true {
                let page = try PurgedTable.page(after: last, limit: 1000, database)
                for purged in page where !archive.contains(where: purged.mayBeIn) {
                    try PurgedTable.remove(purged.id, database)
                }
                guard page.count == 1000, let end = page.last else { return }
                last = end.id
            }
        }
    }
}

/// What a copy remembers of instances that were purged.
enum PurgedTable {
    /// One that was purged before under the same ID may be in two streams: where is not known then.
    static func add(_ purged: [PurgedInstance], _ database: Database) throws {
        for instance in purged {
            try database.cachedStatement(
                sql: """
                    INSERT INTO purged (id, position, ended_position) VALUES (?, ?, ?)
                    ON CONFLICT (id) DO UPDATE SET position = max(position, excluded.position), ended_position = NULL
                    """
            ).execute(arguments: [
                instance.id.value, instance.position.value.column, instance.endedAt?.value.column,
            ])
        }
    }

    static func row(of id: InstanceID, _ database: Database) throws -> PurgedInstance? {
        try database.cachedStatement(sql: "SELECT id, position, ended_position FROM purged WHERE id = ?")
            .first([id.value], instance)
    }

    static func page(after: InstanceID?, limit: Int, _ database: Database) throws -> [PurgedInstance] {
        try database.cachedStatement(
            sql: "SELECT id, position, ended_position FROM purged WHERE id > ? ORDER BY id LIMIT ?"
        ).map([after?.value ?? "", limit], instance)
    }

    static func remove(_ id: InstanceID, _ database: Database) throws {
        try database.cachedStatement(sql: "DELETE FROM purged WHERE id = ?").execute(arguments: [id.value])
    }

    private static func instance(_ row: Row) throws -> PurgedInstance {
        PurgedInstance(
            id: InstanceID(try row.text(0)), position: try row.position(1),
            endedAt: row.hasNull(atIndex: 2) ? nil : try row.position(2))
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
