import ArgumentParser
import DurableClient
import DurableCore
import DurableJSON

/// A message to one instance, with a reason.
struct MessageOptions: ParsableArguments {
    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var output: OutputOptions

    @Argument(help: "Instance ID.")
    var id: String

    @Option(help: ArgumentHelp("Why, kept in the history.", valueName: "text"))
    var reason: String?

    /// Sends what `body` sends, and reports what became of it.
    func send(
        _ environment: CommandEnvironment,
        _ body: @Sendable (HubClient, InstanceID, _ reason: Payload?) async throws -> Submission
    ) async throws {
        let (id, isJSON) = (InstanceID(id), output.json)
        let reason = reason.map { Payload(JSONValue.string($0).text) }
        try await connection.withClient(environment) { client in
            try MessageReport.finish(try await body(client, id, reason), isJSON: isJSON, client, environment)
        }
    }
}

/// Reports what became of a message to an instance.
enum MessageReport {
    /// - Throws: Exit code 3 when there is no such instance, 1 when it has ended.
    static func finish(
        _ submission: Submission, isJSON: Bool, _ client: HubClient, _ environment: CommandEnvironment
    ) throws {
        let report = SubmissionReport(submission: submission)
        if isJSON { environment.print(JSONValue.object(report.members).text) }
        switch submission.outcome {
        case .verdict(.notFound):
            if isJSON { throw ExitCode.notFound }
            throw client.notFound(submission.instanceID)
        case .verdict(.ended), .verdict(.unexpected):
            if !isJSON {
                environment.printError(
                    "Instance \(TerminalText.safe(submission.instanceID.value)) has ended before; nothing was changed.")
            }
            throw ExitCode.failure
        case .verdict(let verdict) where verdict == .notFailed || verdict == .notRewindable:
            if !isJSON {
                let id = TerminalText.safe(submission.instanceID.value)
                environment.printError(
                    verdict == .notFailed
                        ? "Instance \(id) has not failed; nothing was changed."
                        : "Instance \(id) cannot be rewound: its code asked for something in the step in which it failed, or "
                            + "it was told to end before. Nothing was changed. dtq restart starts it again.")
            }
            throw ExitCode.failure
        case .acceptedNoVerdict(let silence):
            if !isJSON {
                environment.print(report.line)
                environment.printError(silence.text)
            }
        case .verdict:
            if !isJSON { environment.print(report.line) }
        }
    }
}
