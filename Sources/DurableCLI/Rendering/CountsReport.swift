import DurableCore
import DurableJSON

/// Numbers of instances by status, as text and as JSON.
struct CountsReport {
    var hub: HubName
    /// Without zeros.
    var counts: [QueryAnswer.StatusCount]

    func lines(_ style: TerminalStyle) -> [String] {
        var table = TextTable([.init("STATUS"), .init("INSTANCES", .right)])
        for count in counts { table.append([count.status.description, HumanText.grouped(count.count)]) }
        table.decorate = { row, column, text in column == 0 ? style.paint(text, as: counts[row].status) : text }
        return table.lines(style)
    }

    var json: JSONValue {
        // Every status, so that scripts need not ask whether a key is there.
        let members = OrchestrationStatus.allCases.map { status in
            JSONValue.Member(status.description, .integer(counts.first { $0.status == status }?.count ?? 0))
        }
        return [
            "hub": .string(hub.value), "total": .integer(counts.reduce(0) { $0 + $1.count }),
            "counts": .object(members),
        ]
    }
}
