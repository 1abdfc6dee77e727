internal import DurableCore
internal import Foundation
internal import GRDB

/// How the instances that fit a filter are found: by the index that leaves the fewest to look at, and in its order where
/// it has that of lists, so that a page reads no more than it returns.
struct InstanceSearch {
    /// What is searched, such as "instances AS i INDEXED BY instances_by_id"; several: one range each, merged.
    private var sources: [Source]
    /// Names of the columns that the order is taken from.
    private var (time, id) = ("i.created_at", "i.id")
    /// What else must hold.
    private var conditions: [String] = []
    private(set) var arguments: StatementArguments = [:]

    private struct Source {
        var table: String
        var condition: String?
    }

    init(_ filter: ListFilter) {
        let statuses = OrchestrationStatus.allCases.filter { filter.statuses.isEmpty || filter.statuses.contains($0) }
        var tags = filter.tags
        sources = []
        if let parent = filter.parent {
            sources = [Source(table: "instances AS i INDEXED BY instances_by_parent", condition: "i.parent = :parent")]
            arguments += ["parent": parent.value]
        } else if let first = tags.firstIndex(where: { $0.value != nil }) ?? tags.indices.first {
            let tag = tags.remove(at: first)
            var condition = "t.key = :key"
            arguments += ["key": tag.key]
            if let value = tag.value {
                condition += " AND t.value = :value"
                arguments += ["value": value]
            }
            let index = tag.value == nil ? "INDEXED BY tags_by_key " : ""
            sources = [
                Source(
                    table: "tags AS t \(index)CROSS JOIN instances AS i ON i.number = t.instance", condition: condition)
            ]
            (time, id) = ("t.created_at", "t.id")
        }
        if let prefix = filter.idPrefix, !prefix.isEmpty {
            conditions.append("i.id >= :prefix AND i.id < CAST(:prefixEnd AS TEXT)")
            arguments += ["prefix": prefix, "prefixEnd": Data(Self.end(ofPrefix: prefix))]
            if sources.isEmpty { sources = [Source(table: "instances AS i INDEXED BY instances_by_id")] }
        }
        if let name = filter.name {
            conditions.append("i.name = :name")
            arguments += ["name": name]
        }
        if sources.isEmpty {
            let index = filter.name == nil ? "instances_by_status" : "instances_by_name"
            sources = statuses.map {
                Source(table: "instances AS i INDEXED BY \(index)", condition: "i.status = \($0.rawValue)")
            }
        } else if !filter.statuses.isEmpty {
            let list = statuses.map { String($0.rawValue) }.joined(separator: ", ")
            conditions.append("i.status IN (\(list))")
        }
        for (number, tag) in tags.enumerated() {
            var condition = "u.key = :key\(number)"
            arguments += ["key\(number)": tag.key]
            if let value = tag.value {
                condition += " AND u.value = :value\(number)"
                arguments += ["value\(number)": value]
            }
            conditions.append(
                "EXISTS (SELECT 1 FROM tags AS u WHERE \(condition) AND u.created_at = i.created_at AND u.id = i.id)")
        }
        conditions.append("\(time) >= :from AND \(time) < :to")
        arguments += [
            "from": (filter.createdFrom ?? .distantPast).millisecondsSinceEpoch,
            "to": (filter.createdTo ?? .distantFuture).millisecondsSinceEpoch,
        ]
    }

    private func matches(_ columns: String, _ more: [String] = []) -> String {
        sources.map { source in
            let all = [source.condition].compactMap(\.self) + more + conditions
            return "SELECT \(columns) FROM \(source.table) WHERE \(all.joined(separator: " AND "))"
        }.joined(separator: " UNION ALL ")
    }

    /// ID, state, checksum; in the order of lists.
    var listSQL: String {
        let columns = "\(time) AS created_at, \(id) AS id, i.number AS number"
        return """
            SELECT i.id, i.state, i.checksum
            FROM (\(matches(columns, ["(\(time), \(id)) > (:afterTime, :afterID)"]))
                ORDER BY created_at, id LIMIT :limit) AS m JOIN instances AS i USING (number)
            ORDER BY m.created_at, m.id
            """
    }

    /// Arguments of `listSQL`.
    func arguments(after: ListCursor, limit: Int) -> StatementArguments {
        let place: StatementArguments = [
            "afterTime": after.createdAt.millisecondsSinceEpoch, "afterID": after.id.value, "limit": limit,
        ]
        return arguments + place
    }

    /// Status and number, of those there are, in order.
    var countSQL: String {
        "SELECT status, count(*) FROM (\(matches("i.status AS status"))) GROUP BY status ORDER BY status"
    }

    /// The lowest bytes above everything that begins with `prefix`; UTF-8 has no byte 255.
    private static func end(ofPrefix prefix: String) -> [UInt8] {
        var bytes = Array(prefix.utf8)
        bytes[bytes.count - 1] += 1
        return bytes
    }
}
