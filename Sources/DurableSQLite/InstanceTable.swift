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
    }

    static func row(of id: InstanceID, _ database: Database) throws -> Entry? {
        let statement = try database.cachedStatement(
            sql: """
                SELECT number, status, name, created_at, next_due, is_held, history_count FROM instances WHERE id = ?
                """)
        return try statement.first([id.value]) { row in
            Entry(
                number: try row.integer(0), status: try row.status(1), name: try row.text(2),
                createdAt: try row.time(3), nextDue: (row[4] as Int64?).map(Timestamp.init(millisecondsSinceEpoch:)),
                isHeld: try row.integer(5) == 1, historyCount: Int(try row.integer(6)))
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
            if isWhole, let number = try insert(state, stateBytes, endedAt, database) {
                try HistoryTable.append(instance, to: number, holding: 0, database)
            } else if let old = try row(of: state.id, database) {
                try update(old, state, stateBytes, endedAt, database)
                try HistoryTable.append(instance, to: old.number, holding: old.historyCount, database)
                counts[old.status, default: 0] -= 1
            } else {
                throw RowDamage("instance \(state.id) is not there, and its history begins at \(instance.firstIndex)")
            }
            counts[state.status, default: 0] += 1
        }
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

    /// - Returns: The new instance's number; nil: it is there already, and was left alone.
    private static func insert(
        _ state: InstanceState, _ bytes: [UInt8], _ endedAt: LogPosition?, _ database: Database
    ) throws -> Int64? {
        try database.cachedStatement(
            sql: """
                INSERT INTO instances (id, name, status, created_at, updated_at, next_due, is_held, history_count,
                    state, checksum, ended_position) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                ON CONFLICT (id) DO NOTHING
                """
        ).execute(arguments: [
            state.id.value, state.name, state.status.rawValue, state.createdAt.millisecondsSinceEpoch,
            state.lastUpdatedAt.millisecondsSinceEpoch, state.nextDue?.millisecondsSinceEpoch, state.hold != nil,
            state.historyCount, Data(bytes), checksum(bytes), state.status.isTerminal ? endedAt?.value.column : nil,
        ])
        return database.changesCount == 0 ? nil : database.lastInsertedRowID
    }

    /// Leaves columns alone that did not change: SQLite rewrites every index a statement names a column of.
    private static func update(
        _ old: Entry, _ state: InstanceState, _ bytes: [UInt8], _ endedAt: LogPosition?, _ database: Database
    ) throws {
        let isIndexed =
            old.status != state.status || old.nextDue != state.nextDue
            || old.isHeld != (state.hold != nil) || old.createdAt != state.createdAt || old.name != state.name
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
            state.status.isTerminal ? endedAt?.value.column : nil,
        ]
        try database.cachedStatement(
            sql: """
                UPDATE instances SET name = ?, status = ?, created_at = ?, next_due = ?, is_held = ?,
                    ended_position = ?, updated_at = ?, history_count = ?, state = ?, checksum = ? WHERE number = ?
                """
        ).execute(arguments: indexed + common)
    }

    private static func checksum(_ state: [UInt8]) -> Int64 {
        var checksum = Checksum()
        checksum.add(state)
        return checksum.value
    }
}
