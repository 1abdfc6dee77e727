import ArgumentParser
import DurableCore

/// Which instances are meant.
struct FilterOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Only this status; may be repeated.", valueName: "status"))
    var status: [String] = []

    @Option(help: ArgumentHelp("Only instances of this orchestration.", valueName: "name"))
    var name: String?

    @Option(help: ArgumentHelp("Only IDs that begin with this.", valueName: "text"))
    var prefix: String?

    @Option(help: ArgumentHelp("Only those created at or after this time.", valueName: "time"))
    var from: String?

    @Option(help: ArgumentHelp("Only those created before this time.", valueName: "time"))
    var to: String?

    /// - Parameter now: What durations are counted back from.
    func filter(at now: Timestamp) throws -> ListFilter {
        ListFilter(
            statuses: try ArgumentText.statuses(status), name: name, idPrefix: prefix,
            createdFrom: try from.map { try ArgumentText.time($0, option: "--from", .past, now: now) },
            createdTo: try to.map { try ArgumentText.time($0, option: "--to", .past, now: now) })
    }
}
