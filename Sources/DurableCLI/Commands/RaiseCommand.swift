import ArgumentParser
import DurableClient
import DurableCore
import DurableJSON

struct RaiseCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "raise", abstract: "Send an external event to an instance.",
        discussion: """
            Events that come before the code waits for them are kept, several of one name in order.

              dtq raise o-1881 Approved --input '{"by":"eve"}'

            Exit codes: 0 accepted, 1 failed or the instance has ended, 2 wrong usage, 3 no such instance or hub.
            """)

    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var output: OutputOptions

    @Argument(help: "Instance ID.")
    var id: String

    @Argument(help: "Name of the event.")
    var name: String

    @Option(help: ArgumentHelp("Data: JSON, @FILE, or - for standard input.", valueName: "json"))
    var input: String?

    mutating func run() async throws {
        let environment = CommandEnvironment.current
        let data = try await PayloadArgument.read(input, option: "--input", environment)
        let (id, name, isJSON) = (InstanceID(id), name, output.json)
        try await connection.withClient(environment) { client in
            let submission = try await client.raiseEvent(name, to: id, data: data)
            try MessageReport.finish(submission, isJSON: isJSON, client, environment)
        }
    }
}

struct TerminateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "terminate", abstract: "End an instance from outside.",
        discussion: """
            Its code does not run again; activities that run already go on, their results are dropped. The \
            sub-orchestrations it waits for end with it, unless --no-recurse. Asks first unless --yes.

              dtq terminate o-1881 --reason "ordered twice"
              dtq terminate o-1881 --no-recurse --yes

            Exit codes: 0 accepted, 1 failed, not confirmed, or the instance had ended, 2 wrong usage, \
            3 no such instance or hub.
            """)

    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var output: OutputOptions
    @OptionGroup var confirmation: ConfirmationOptions

    @Argument(help: "Instance ID.")
    var id: String

    @Option(help: ArgumentHelp("Why, kept in the history.", valueName: "text"))
    var reason: String?

    @Flag(inversion: .prefixedNo, help: "End the sub-orchestrations it waits for, too.")
    var recurse = true

    mutating func run() async throws {
        let environment = CommandEnvironment.current
        let reason = reason.map { Payload(JSONValue.string($0).text) }
        try await confirmation.confirm(
            "This ends instance \(TerminalText.safe(id)) for good.", expecting: "yes", environment)
        let (id, isJSON, recurse) = (InstanceID(id), output.json, recurse)
        try await connection.withClient(environment) { client in
            let submission = try await client.terminate(id, reason: reason, recurse: recurse)
            try MessageReport.finish(submission, isJSON: isJSON, client, environment)
        }
    }
}

/// Reports what became of an event or a termination.
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
