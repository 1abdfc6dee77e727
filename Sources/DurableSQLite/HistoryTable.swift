internal import DurableBackend
internal import DurableCore
internal import DurableWire
internal import Foundation
internal import GRDB

/// Histories in rows of several events each; what a flush adds to one instance is a row, or more when it is large.
enum HistoryTable {
    /// Most events and about the most bytes in a row, so that a page of history need not read much more than asked.
    static let rowLimit = (events: 256, bytes: 64 * 1024)

    /// - Parameter held: Events the tables hold of the instance; all of them belong to one execution.
    static func append(
        _ instance: StoreFlush.InstanceFlush, to number: Int64, holding held: Int, _ database: Database
    ) throws {
        let (id, total) = (instance.state.id, instance.state.historyCount)
        var held = held
        let count = instance.eventCount
        // A new execution (continue-as-new) begins at 0 again: what the old one did is over.
        if held > 0, instance.firstIndex == 0 && count > 0 || total == 0 {
            try database.cachedStatement(sql: "DELETE FROM history WHERE instance = ?").execute(arguments: [number])
            held = 0
        }
        guard count == 0 || instance.firstIndex == held, held + count == total else {
            throw RowDamage(
                "instance \(id) has \(held) events here; \(count) from index "
                    + "\(instance.firstIndex) do not make \(total)")
        }
        let statement = try database.cachedStatement(
            sql: "INSERT INTO history (instance, first_index, event_count, events, checksum) VALUES (?, ?, ?, ?, ?)")
        if let encoded = instance.encoded {
            if count == 0 { return }
            return try statement.execute(arguments: [
                number, instance.firstIndex, count, Data(encoded.history),
                checksum(number, instance.firstIndex, count, encoded.history),
            ])
        }
        for events in rows(of: instance.newHistory) {
            let bytes = HistoryCodec.encode(Array(events))
            let first = instance.firstIndex + events.startIndex
            try statement.execute(arguments: [
                number, first, events.count, Data(bytes), checksum(number, first, events.count, bytes),
            ])
        }
    }

    /// Events of `range`, from its first on: whole rows, at least one event and about `byteLimit` bytes.
    static func read(
        _ instance: Int64, _ range: Range<Int>, byteLimit: Int, _ database: Database
    ) throws -> [HistoryEvent] {
        if range.isEmpty { return [] }
        let statement = try database.cachedStatement(
            sql: """
                SELECT first_index, event_count, events, checksum FROM history
                WHERE instance = ?1 AND first_index >= coalesce(
                    (SELECT max(first_index) FROM history WHERE instance = ?1 AND first_index <= ?2), 0)
                ORDER BY first_index
                """)
        let rows = try Row.fetchCursor(statement, arguments: [instance, range.lowerBound])
        var events: [HistoryEvent] = []
        var (next, byteCount) = (range.lowerBound, 0)
        while next < range.upperBound, byteCount < byteLimit || events.isEmpty {
            let missing = RowDamage(
                "event \(next) of the \(range.upperBound) of instance number \(instance) is missing")
            guard let row = try rows.next() else { throw missing }
            let (start, count) = (Int(try row.integer(0)), Int(try row.integer(1)))
            let bytes = try row.bytes(2)
            guard try row.integer(3) == checksum(instance, start, count, bytes) else {
                throw RowDamage("history from index \(start) of instance number \(instance) has a wrong checksum")
            }
            guard start <= next, next < start + count, start == next || events.isEmpty else { throw missing }
            let decoded = try HistoryCodec.decode(bytes)
            guard decoded.count == count, start + count <= range.upperBound else { throw missing }
            events += decoded[(next - start)...]
            byteCount += bytes.count
            next = start + count
        }
        return events
    }

    private static func rows(of events: [HistoryEvent]) -> [ArraySlice<HistoryEvent>] {
        var rows: [ArraySlice<HistoryEvent>] = []
        var (start, byteCount) = (0, 0)
        for index in events.indices {
            byteCount += events[index].approximateByteCount
            if index + 1 - start == rowLimit.events || byteCount >= rowLimit.bytes || index + 1 == events.count {
                rows.append(events[start...index])
                (start, byteCount) = (index + 1, 0)
            }
        }
        return rows
    }

    private static func checksum(_ number: Int64, _ first: Int, _ count: Int, _ events: [UInt8]) -> Int64 {
        var checksum = Checksum()
        checksum.add(number)
        checksum.add(Int64(first))
        checksum.add(Int64(count))
        checksum.add(events)
        return checksum.value
    }
}

extension HistoryEvent {
    /// Near enough to split rows by: the payload and a little for the rest.
    fileprivate var approximateByteCount: Int { 64 + (payloadBytes ?? 0) }
}
