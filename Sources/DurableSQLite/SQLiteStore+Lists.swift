package import DurableBackend
package import DurableCore
internal import Foundation
internal import GRDB

extension SQLiteStore {
    package func due(after: DueInstance?, through: Timestamp, limit: Int) throws(StoreError) -> [DueInstance] {
        try file.read { database in
            // No instance has an empty ID: (earliest time, "") comes before all.
            let statement = try database.cachedStatement(
                sql: """
                    SELECT next_due, id FROM instances INDEXED BY instances_by_due
                    WHERE next_due IS NOT NULL AND next_due <= ? AND (next_due, id) > (?, ?)
                    ORDER BY next_due, id LIMIT ?
                    """)
            let after = after ?? DueInstance(due: .distantPast, id: InstanceID(""))
            return try statement.map([
                through.millisecondsSinceEpoch, after.due.millisecondsSinceEpoch, after.id.value, limit,
            ]) { row in DueInstance(due: try row.time(0), id: InstanceID(try row.text(1))) }
        }
    }

    package func held(after: InstanceID?, limit: Int) throws(StoreError) -> [InstanceID] {
        try file.read { database in
            let statement = try database.cachedStatement(
                sql: """
                    SELECT id FROM instances INDEXED BY instances_held WHERE is_held = 1 AND id > ? ORDER BY id LIMIT ?
                    """)
            return try statement.map([after?.value ?? "", limit]) { InstanceID(try $0.text(0)) }
        }
    }

    /// With an ID prefix: the IDs that have it, sorted. Without: one range of the index for each status asked for,
    /// merged; both read no more states than they return.
    package func list(
        _ filter: ListFilter, after: ListCursor?, limit: Int
    ) throws(StoreError) -> [InstanceState] {
        let statuses = OrchestrationStatus.allCases.filter { filter.statuses.isEmpty || filter.statuses.contains($0) }
        // No instance has an empty ID: (time, "") comes before all of that time.
        let from = ListCursor(createdAt: filter.createdFrom ?? .distantPast, id: InstanceID(""))
        let start = max(from, after ?? from)
        let columns = "SELECT created_at, id, number FROM instances"
        let common = """
            (created_at, id) > (:afterTime, :afterID) AND created_at < :to AND (:name IS NULL OR name = :name)
            """
        let matches: String
        let prefix = filter.idPrefix.flatMap { $0.isEmpty ? nil : $0 }
        if prefix == nil {
            matches = statuses.map { status in
                "\(columns) INDEXED BY instances_by_status WHERE status = \(status.rawValue) AND \(common)"
            }.joined(separator: " UNION ALL ")
        } else {
            let list = statuses.map { String($0.rawValue) }.joined(separator: ", ")
            matches = """
                \(columns) INDEXED BY instances_by_id
                WHERE id >= :prefix AND id < CAST(:prefixEnd AS TEXT) AND status IN (\(list)) AND \(common)
                """
        }
        return try file.read { database in
            let statement = try database.cachedStatement(
                sql: """
                    SELECT i.id, i.state, i.checksum
                    FROM (\(matches) ORDER BY created_at, id LIMIT :limit) AS m JOIN instances AS i USING (number)
                    ORDER BY m.created_at, m.id
                    """)
            var arguments: StatementArguments = [
                "afterTime": start.createdAt.millisecondsSinceEpoch, "afterID": start.id.value,
                "to": (filter.createdTo ?? .distantFuture).millisecondsSinceEpoch, "name": filter.name, "limit": limit,
            ]
            if let prefix {
                arguments += ["prefix": prefix, "prefixEnd": Data(Self.end(ofPrefix: prefix))]
            }
            return try statement.map(arguments, InstanceTable.state)
        }
    }
    /// The lowest bytes above everything that begins with `prefix`; UTF-8 has no byte 255.
    private static func end(ofPrefix prefix: String) -> [UInt8] {
        var bytes = Array(prefix.utf8)
        bytes[bytes.count - 1] += 1
        return bytes
    }
}
