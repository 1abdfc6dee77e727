internal import DurableCore
internal import DurableWire
internal import Foundation
internal import GRDB

/// Messages that the broker had confirmed and their destinations had not applied when the tables were last written.
enum SentTable {
    /// - Parameters:
    ///   - messages: None that `delivered` covers.
    ///   - delivered: What each destination has applied: nothing of it is kept.
    ///   - before: The same at the flush before.
    static func write(
        _ messages: [SentMessage], delivered: [PartitionID: UInt64], before: [PartitionID: UInt64],
        _ database: Database
    ) throws {
        if !messages.isEmpty {
            let insert = try database.cachedStatement(
                sql: """
                    INSERT OR REPLACE INTO sent (destination, sequence, id, entry, checksum) VALUES (?, ?, ?, ?, ?)
                    """)
            let delete = try database.cachedStatement(sql: "DELETE FROM outbox WHERE id = ?")
            for message in messages {
                let (place, bytes) = (message.place, message.entry.wireBytes)
                try insert.execute(arguments: [
                    place.destination.index, place.sequence.column, message.entry.id.value.column, Data(bytes),
                    checksum(place, bytes),
                ])
                try delete.execute(arguments: [message.entry.id.value.column])
            }
        }
        if delivered == before { return }
        let forget = try database.cachedStatement(sql: "DELETE FROM sent WHERE destination = ? AND sequence <= ?")
        for (destination, sequence) in delivered.sorted(by: { $0.key < $1.key })
        where before[destination] != sequence {
            try forget.execute(arguments: [destination.index, sequence.column])
        }
    }

    static func page(after: SentPlace?, byteLimit: Int, _ database: Database) throws -> [SentMessage] {
        let statement = try database.cachedStatement(
            sql: """
                SELECT destination, sequence, id, entry, checksum FROM sent WHERE (destination, sequence) > (?, ?)
                ORDER BY destination, sequence
                """)
        let rows = try Row.fetchCursor(
            statement, arguments: [after?.destination.index ?? -1, after?.sequence.column ?? 0])
        var (page, byteCount) = ([SentMessage](), 0)
        while byteCount < byteLimit || page.isEmpty, let row = try rows.next() {
            let place = SentPlace(
                destination: PartitionID(Int(try row.integer(0))), sequence: UInt64(column: try row.integer(1)))
            let bytes = try row.bytes(3)
            let what = "message \(place.sequence) to partition \(place.destination)"
            guard try row.integer(4) == checksum(place, bytes) else { throw RowDamage("\(what) has a wrong checksum") }
            let entry = try OutboxEntry(wire: bytes)
            guard entry.id.value.column == (try row.integer(2)), case .message(let message) = entry.body,
                message.origin?.sequence == place.sequence
            else { throw RowDamage("the row of \(what) holds another one") }
            page.append(SentMessage(place: place, entry: entry))
            byteCount += bytes.count
        }
        return page
    }

    private static func checksum(_ place: SentPlace, _ entry: [UInt8]) -> Int64 {
        var checksum = Checksum()
        checksum.add(Int64(place.destination.index))
        checksum.add(place.sequence)
        checksum.add(entry)
        return checksum.value
    }
}
