import DurableClient
import DurableCore
import DurableJSON

/// One instance as text and as JSON.
struct InstanceReport {
    var snapshot: InstanceSnapshot
    var partition: PartitionID
    var now: Timestamp

    func lines(_ style: TerminalStyle) -> [String] {
        var fields = FieldList()
        fields.add("instance", TerminalText.safe(snapshot.id.value))
        fields.add("name", TerminalText.safe(snapshot.name))
        fields.add("version", snapshot.version.map(TerminalText.safe))
        fields.add("status", style.status(snapshot.status))
        fields.add("created", moment(snapshot.createdAt))
        fields.add("updated", moment(snapshot.lastUpdatedAt))
        fields.add("starts", snapshot.startAt.map(moment))
        fields.add("parent", snapshot.parent.map { TerminalText.safe($0.value) })
        fields.add("execution", TerminalText.safe(snapshot.executionID.value))
        fields.add("partition", partition.description)
        fields.add("history", HumanText.count(snapshot.historyCount, "event"))
        fields.add("open", open)
        fields.add("custom", snapshot.customStatus.map { TerminalText.payload($0) })
        fields.add("input", snapshot.input.map { TerminalText.payload($0) })
        fields.add("output", snapshot.output.map { TerminalText.payload($0) })
        fields.add("failure", snapshot.failure.map { TerminalText.safe($0.description) })
        for cause in snapshot.failure?.cause ?? [] { fields.add("cause", TerminalText.safe(cause.description)) }
        for tag in snapshot.tags { fields.add("tag", TerminalText.safe("\(tag.key)=\(tag.value)")) }
        fields.add("held", snapshot.holdText.map { style.warning(TerminalText.safe($0)) })
        return fields.lines
    }

    private func moment(_ time: Timestamp) -> String {
        "\(HumanText.time(time)) UTC (\(HumanText.age(of: time, at: now)))"
    }

    private var open: String? {
        let parts = [
            (snapshot.openTaskCount, "activity", "activities"), (snapshot.openTimerCount, "timer", "timers"),
            (snapshot.openChildCount, "sub-orchestration", "sub-orchestrations"),
            (snapshot.openUpdateCount, "update", "updates"),
            (snapshot.inboxCount, "unhandled message", "unhandled messages"),
        ].filter { $0.0 > 0 }.map { HumanText.count($0.0, $0.1, $0.2) }
        return parts.isEmpty ? nil : parts.joined(separator: ", ")
    }

    var json: JSONValue {
        var members = Self.summary(snapshot, partition)
        members += [
            .init("startAt", .optional(snapshot.startAt) { .string($0.description) }),
            .init("openTasks", .integer(snapshot.openTaskCount)),
            .init("openTimers", .integer(snapshot.openTimerCount)),
            .init("openChildren", .integer(snapshot.openChildCount)),
            .init("openUpdates", .integer(snapshot.openUpdateCount)),
            .init("unhandledMessages", .integer(snapshot.inboxCount)),
            .init("customStatus", .payload(snapshot.customStatus)),
            .init("input", .payload(snapshot.input)),
            .init("output", .payload(snapshot.output)),
            .init("failure", .optional(snapshot.failure, JSONValue.failure)),
            .init(
                "hold",
                .optional(snapshot.holdCode) { ["code": .string($0), "text": .string(snapshot.holdText ?? "")] }),
        ]
        return .object(members)
    }

    /// What lists show.
    static func summary(_ snapshot: InstanceSnapshot, _ partition: PartitionID) -> [JSONValue.Member] {
        [
            .init("id", .string(snapshot.id.value)),
            .init("name", .string(snapshot.name)),
            .init("status", .string(snapshot.status.description)),
            .init("createdAt", .string(snapshot.createdAt.description)),
            .init("updatedAt", .string(snapshot.lastUpdatedAt.description)),
            .init("execution", .string(snapshot.executionID.value)),
            .init("partition", .integer(partition.index)),
            .init("historyEvents", .integer(snapshot.historyCount)),
            .init("tags", .object(snapshot.tags.map { .init($0.key, .string($0.value)) })),
            .init("parent", .optional(snapshot.parent) { .string($0.value) }),
        ]
    }
}
