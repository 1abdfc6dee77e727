package import ArgumentParser
package import DurableCore

/// Which instances are meant.
package struct FilterOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Only this status; may be repeated.", valueName: "status"))
    package var status: [String] = []

    @Option(help: ArgumentHelp("Only instances of this orchestration.", valueName: "name"))
    package var name: String?

    @Option(help: ArgumentHelp("Only IDs that begin with this.", valueName: "text"))
    package var prefix: String?

    @Option(help: ArgumentHelp("Only those created at or after this time.", valueName: "time"))
    package var from: String?

    @Option(help: ArgumentHelp("Only those created before this time.", valueName: "time"))
    package var to: String?

    @Option(
        help: ArgumentHelp(
            "Only those with this tag, whatever its value or with that one; may be repeated: all of them.",
            valueName: "key[=value]"))
    package var tag: [String] = []

    @Option(help: ArgumentHelp("Only sub-orchestrations that this instance called.", valueName: "id"))
    package var parent: String?

    package init() {}

    /// Whether all instances are meant.
    package var isEmpty: Bool {
        status.isEmpty && name == nil && prefix == nil && from == nil && to == nil && tag.isEmpty && parent == nil
    }

    /// - Parameter now: What durations are counted back from.
    package func filter(at now: Timestamp) throws -> ListFilter {
        ListFilter(
            statuses: try ArgumentText.statuses(status), name: name, idPrefix: prefix,
            createdFrom: try from.map { try ArgumentText.time($0, option: "--from", .past, now: now) },
            createdTo: try to.map { try ArgumentText.time($0, option: "--to", .past, now: now) },
            tags: try tag.map(ArgumentText.tagFilter), parent: parent.map { InstanceID($0) })
    }
}
