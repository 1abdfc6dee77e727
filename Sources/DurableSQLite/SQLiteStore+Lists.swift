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

    package func list(
        _ filter: ListFilter, after: ListCursor?, limit: Int
    ) throws(StoreError) -> [InstanceState] {
        // No instance has an empty ID: (time, "") comes before all of that time.
        let from = ListCursor(createdAt: filter.createdFrom ?? .distantPast, id: InstanceID(""))
        let search = InstanceSearch(filter)
        return try file.read { database in
            let statement = try database.cachedStatement(sql: search.listSQL)
            let arguments = search.arguments(after: max(from, after ?? from), limit: limit)
            return try statement.map(arguments, InstanceTable.state)
        }
    }
}
