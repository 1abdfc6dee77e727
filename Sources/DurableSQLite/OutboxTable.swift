internal import DurableCore
internal import DurableWire
internal import Foundation
internal import GRDB

/// Messages the broker had not confirmed when the tables were last written.
enum OutboxTable {
    static func write(added: [OutboxEntry], removed: [OutboxID], _ database: Database) throws {
        let insert = try database.cachedStatement(sql: "INSERT INTO outbox (id, entry, checksum) VALUES (?, ?, ?)")
        for entry in added {
            let bytes = entry.wireBytes
            try insert.execute(arguments: [entry.id.value.column, Data(bytes), checksum(bytes)])
        }
        let delete = try database.cachedStatement(sql: "DELETE FROM outbox WHERE id = ?")
        for id in removed { try delete.execute(arguments: [id.value.column]) }
    }

    static func all(_ database: Database) throws -> [OutboxEntry] {
        let statement = try database.cachedStatement(sql: "SELECT id, entry, checksum FROM outbox ORDER BY id")
        return try statement.map { row in
            let (id, bytes) = (OutboxID(UInt64(column: try row.integer(0))), try row.bytes(1))
            guard try row.integer(2) == checksum(bytes) else {
                throw RowDamage("outbox entry \(id) has a wrong checksum")
            }
            let entry = try OutboxEntry(wire: bytes)
            guard entry.id == id else { throw RowDamage("the row of outbox entry \(id) holds entry \(entry.id)") }
            return entry
        }
    }

    private static func checksum(_ entry: [UInt8]) -> Int64 {
        var checksum = Checksum()
        checksum.add(entry)
        return checksum.value
    }
}
