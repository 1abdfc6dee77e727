internal import DurableBackend
internal import DurableCore
internal import DurableWire
internal import Foundation
internal import GRDB

/// Rows of instances: what is searched for stands in columns, all of it in the encoded state.
enum InstanceTable {
    /// What a flush compares and changes.
    struct Entry {
        var number: Int64
        var status: OrchestrationStatus
        var name: String
        var createdAt: Timestamp
        var nextDue: Timestamp?
        var isHeld: Bool
        var historyCount: Int
        var parent: String?
        var tags: Int64?
        /// Position by which it had ended, if that is known exactly.
        var endedAt: LogPosition?
        var end: Timestamp?
    }

    static func row(of id: InstanceID, _ database: Database) throws -> Entry? {
        let statement = try database.cachedStatement(
            sql: """
                SELECT number, status, name, created_at, next_due, is_held, history_count, parent, tags,
                    iif(end_is_exact = 1, ended_position, NULL), ended_at
                FROM instances WHERE id = ?
                """)
        return try statement.first([id.value]) { row in
            Entry(
                number: try row.integer(0), status: try row.status(1), name: try row.text(2),
                createdAt: try row.time(3), nextDue: (row[4] as Int64?).map(Timestamp.init(millisecondsSinceEpoch:)),
                isHeld: try row.integer(5) == 1, historyCount: Int(try row.integer(6)), parent: row[7], tags: row[8],
                endedAt: row.hasNull(atIndex: 9) ? nil : try row.position(9),
                end: (row[10] as Int64?).map(Timestamp.init(millisecondsSinceEpoch:)))
        }
    }

    static func numberAndState(
        of id: InstanceID, _ database: Database
    ) throws -> (number: Int64, state: InstanceState)? {
        let statement = try database.cachedStatement(
            sql: "SELECT id, state, checksum, number FROM instances WHERE id = ?")
        return try statement.first([id.value]) { row in (try row.integer(3), try state(row)) }
    }

    /// Reads a row of ID, state, checksum.
    static func state(_ row: Row) throws -> InstanceState {
        let (id, bytes) = (try row.text(0), try row.bytes(1))
        guard try row.integer(2) == checksum(bytes) else {
            throw RowDamage("the state of instance \(id) has a wrong checksum")
        }
        let state = try InstanceState(wire: bytes)
        guard state.id.value == id else { throw RowDamage("the row of instance \(id) holds another one's state") }
        return state
    }

    /// Whether an instance of an archive is not there, or the piece of its history that comes next.
    static func lacks(
        _ instance: StoreFlush.InstanceFlush, endedAt: LogPosition, _ database: Database
    ) throws -> Bool {
        let statement = try database.cachedStatement(
            sql: "SELECT coalesce(ended_position, -1), history_count FROM instances WHERE id = ?")
        let row = try statement.first([instance.state.id.value]) { (try $0.integer(0), Int(try $0.integer(1))) }
        guard let (position, count) = row else { return true }
        return instance.firstIndex > 0 && position == endedAt.value.column && count == instance.firstIndex
    }

    /// - Parameter endedAt: Noted for those that have ended; nil: nothing is, since there is no archive.
    static func write(
        _ instances: [StoreFlush.InstanceFlush], endedAt: LogPosition?, _ database: Database
    ) throws {
        var counts: [OrchestrationStatus: Int] = [:]
        for instance in instances {
            let state = instance.state
            guard !state.id.value.utf8.contains(0) else { throw RowDamage("an instance ID has a NUL character") }
            let stateBytes = instance.encoded?.state ?? state.wireBytes
            // One that brings all of its history is new as a rule: to insert it finds out.
            let isWhole = instance.firstIndex == 0 && instance.eventCount == state.historyCount
            let end = endedAt.map { (position: instance.endedAt ?? $0, isExact: instance.endedAt != nil) }
            if isWhole, let number = try insert(state, stateBytes, end, database) {
                try HistoryTable.append(instance, to: number, holding: 0, database)
            } else if let old = try row(of: state.id, database) {
                try update(old, state, stateBytes, end, database)
                try HistoryTable.append(instance, to: old.number, holding: old.historyCount, database)
                counts[old.status, default: 0] -= 1
            } else {
                throw RowDamage("instance \(state.id) is not there, and its history begins at \(instance.firstIndex)")
            }
            counts[state.status, default: 0] += 1
        }
        try count(counts, database)
    }

    private static func count(_ counts: [OrchestrationStatus: Int], _ database: Database) throws {
        for status in OrchestrationStatus.allCases {
            guard let change = counts[status], change != 0 else { continue }
            try database.cachedStatement(
                sql: """
                    INSERT INTO counts (status, instances) VALUES (?, ?)
                    ON CONFLICT (status) DO UPDATE SET instances = instances + excluded.instances
                    """
            ).execute(arguments: [status.rawValue, change])
        }
    }

    typealias End = (position: LogPosition, isExact: Bool)

    /// Position by which it had ended, whether that is exact, when it ended.
    private static func columns(_ end: End?, _ state: InstanceState) -> StatementArguments {
        guard state.status.isTerminal else { return [nil, 0, nil] }
        return [end?.position.value.column, end?.isExact == true ? 1 : 0, state.lastUpdatedAt.millisecondsSinceEpoch]
    }

    /// - Returns: The new instance's number; nil: it is there already, and was left alone.
    private static func insert(
        _ state: InstanceState, _ bytes: [UInt8], _ end: End?, _ database: Database
    ) throws -> Int64? {
        let tags = mark(of: state)
        try database.cachedStatement(
            sql: """
                INSERT INTO instances (id, name, status, created_at, updated_at, next_due, is_held, history_count,
                    state, checksum, ended_position, end_is_exact, ended_at, parent, tags)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                ON CONFLICT (id) DO NOTHING
                """
        ).execute(
            arguments: [
                state.id.value, state.name, state.status.rawValue, state.createdAt.millisecondsSinceEpoch,
                state.lastUpdatedAt.millisecondsSinceEpoch, state.nextDue?.millisecondsSinceEpoch, state.hold != nil,
                state.historyCount, Data(bytes), checksum(bytes),
            ] + columns(end, state) + [state.parent?.instanceID.value, tags])
        if database.changesCount == 0 { return nil }
        let number = database.lastInsertedRowID
        if tags != nil { try insertTags(of: state, number, database) }
        return number
    }

    /// Leaves columns alone that did not change: SQLite rewrites every index a statement names a column of.
    private static func update(
        _ old: Entry, _ state: InstanceState, _ bytes: [UInt8], _ end: End?, _ database: Database
    ) throws {
        try updateTags(old, state, database)
        let isIndexed =
            old.status != state.status || old.nextDue != state.nextDue
            || old.isHeld != (state.hold != nil) || old.createdAt != state.createdAt || old.name != state.name
            // An entity that was empty, was used, and is empty again has another end.
            || state.entity != nil && state.status.isTerminal
            || hasEndedAgain(old, state, end)
        let common: StatementArguments = [
            state.lastUpdatedAt.millisecondsSinceEpoch, state.historyCount, Data(bytes), checksum(bytes), old.number,
        ]
        guard isIndexed else {
            return try database.cachedStatement(
                sql: "UPDATE instances SET updated_at = ?, history_count = ?, state = ?, checksum = ? WHERE number = ?"
            ).execute(arguments: common)
        }
        let indexed: StatementArguments = [
            state.name, state.status.rawValue, state.createdAt.millisecondsSinceEpoch,
            state.nextDue?.millisecondsSinceEpoch, state.hold != nil,
        ]
        try database.cachedStatement(
            sql: """
                UPDATE instances SET name = ?, status = ?, created_at = ?, next_due = ?, is_held = ?,
                    ended_position = ?, end_is_exact = ?, ended_at = ?, updated_at = ?, history_count = ?, state = ?, checksum = ? WHERE number = ?
                """
        ).execute(arguments: indexed + columns(end, state) + common)
    }

    /// Whether it has gone on after the end that is known here, and has ended again.
    private static func hasEndedAgain(_ old: Entry, _ state: InstanceState, _ end: End?) -> Bool {
        guard state.status.isTerminal else { return false }
        if let end, end.isExact, old.endedAt != end.position { return true }
        return old.end != state.lastUpdatedAt
    }

    // MARK: - Tags and parents

    /// Tells tags apart, and those of instances that were made at other times under the same ID; nil: there are none.
    private static func mark(of state: InstanceState) -> Int64? {
        if state.tags.isEmpty { return nil }
        var checksum = Checksum()
        checksum.add(state.createdAt.millisecondsSinceEpoch)
        for tag in state.tags {
            checksum.add(Array(tag.key.utf8) + [0])
            checksum.add(Array(tag.value.utf8) + [0])
        }
        return checksum.value
    }

    private static func insertTags(of state: InstanceState, _ number: Int64, _ database: Database) throws {
        let statement = try database.cachedStatement(
            sql: "INSERT OR REPLACE INTO tags (key, value, created_at, id, instance) VALUES (?, ?, ?, ?, ?)")
        for tag in state.tags {
            try statement.execute(arguments: [
                tag.key, tag.value, state.createdAt.millisecondsSinceEpoch, state.id.value, number,
            ])
        }
    }

    private static func deleteTags(of state: InstanceState, _ database: Database) throws {
        let statement = try database.cachedStatement(
            sql: "DELETE FROM tags WHERE key = ? AND value = ? AND created_at = ? AND id = ?")
        for tag in state.tags {
            try statement.execute(arguments: [
                tag.key, tag.value, state.createdAt.millisecondsSinceEpoch, state.id.value,
            ])
        }
    }

    /// They change when another instance takes the ID over. To be done before the state is.
    private static func updateTags(_ old: Entry, _ state: InstanceState, _ database: Database) throws {
        let (tags, parent) = (mark(of: state), state.parent?.instanceID.value)
        if tags == old.tags, parent == old.parent { return }
        if old.tags != nil, let (_, state) = try numberAndState(of: state.id, database) {
            try deleteTags(of: state, database)
        }
        try database.cachedStatement(sql: "UPDATE instances SET parent = ?, tags = ? WHERE number = ?")
            .execute(arguments: [parent, tags, old.number])
        if tags != nil { try insertTags(of: state, old.number, database) }
    }

    /// Puts what states have into the columns and tables of format 4.
    static func fillIn(_ database: Database) throws {
        var last: Int64 = -1
        while true {
            let statement = try database.cachedStatement(
                sql: "SELECT id, state, checksum, number FROM instances WHERE number > ? ORDER BY number LIMIT 1000")
            let page = try statement.map([last]) { row in (number: try row.integer(3), state: try state(row)) }
            for (number, state) in page where state.parent != nil || !state.tags.isEmpty {
                try database.cachedStatement(sql: "UPDATE instances SET parent = ?, tags = ? WHERE number = ?")
                    .execute(arguments: [state.parent?.instanceID.value, mark(of: state), number])
                try insertTags(of: state, number, database)
            }
            guard page.count == 1000, let end = page.last else { return }
            last = end.number
        }
    }

    // MARK: - Purging

    static func remove(_ expired: [InstanceID], _ database: Database) throws {
        // When each of them ended is of no interest.
        let some = expired.map { PurgedInstance(id: $0, position: LogPosition(0), endedAt: nil) }
        _ = try remove(some, database)
    }

    /// Deletes what there is of these.
    ///
    /// - Returns: The same, with what is known of when they ended.
    static func remove(_ purged: [PurgedInstance], _ database: Database) throws -> [PurgedInstance] {
        var counts: [OrchestrationStatus: Int] = [:]
        var known = purged
        for (index, instance) in purged.enumerated() {
            guard let old = try row(of: instance.id, database) else { continue }
            known[index].endedAt = instance.endedAt ?? old.endedAt
            if old.tags != nil, let (_, state) = try numberAndState(of: instance.id, database) {
                try deleteTags(of: state, database)
            }
            try database.cachedStatement(sql: "DELETE FROM history WHERE instance = ?").execute(arguments: [old.number])
            try database.cachedStatement(sql: "DELETE FROM instances WHERE number = ?")
                .execute(arguments: [old.number])
            counts[old.status, default: 0] -= 1
        }
        try count(counts, database)
        return known
    }

    private static func checksum(_ state: [UInt8]) -> Int64 {
        var checksum = Checksum()
        checksum.add(state)
        return checksum.value
    }
}
