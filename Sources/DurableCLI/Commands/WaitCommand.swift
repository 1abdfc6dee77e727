import ArgumentParser
import DurableBackend
import DurableClient
import DurableCore
import DurableJSON

struct WaitCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "wait", abstract: "Wait until an instance has ended, and print its output.",
        discussion: """
            Waits through changes of owners and reconnects. The output of a completed instance goes to standard \
            output as it is.

              dtq wait o-1881
              dtq wait o-1881 --timeout 5m && echo shipped

            Exit codes: 0 completed, 1 failed, terminated or not ended in time, 2 wrong usage, 3 no such instance.
            """)

    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var output: OutputOptions

    @Argument(help: "Instance ID.")
    var id: String

    @Option(help: ArgumentHelp("How long to wait, such as 30s or 5m (default: for ever).", valueName: "duration"))
    var timeout: String?

    mutating func run() async throws {
        let environment = CommandEnvironment.current
        let timeout = try timeout.map { try ArgumentText.duration($0, option: "--timeout") }
        try await connection.withClient(environment) { client in
            try await WaitReport(isJSON: output.json, submission: nil).run(
                client, InstanceID(id), timeout: timeout, environment)
        }
    }
}

/// Waits for an instance's end and reports it.
struct WaitReport {
    var isJSON: Bool
    /// Set when the instance was submitted by the same command.
    var submission: Submission?

    /// - Throws: Exit code 1 when it did not complete.
    func run(
        _ client: HubClient, _ id: InstanceID, timeout: Duration?, _ environment: CommandEnvironment
    ) async throws {
        let result = try await client.wait(for: id, timeout: timeout, isSubmitted: submission != nil) { silence in
            environment.printError(silence.text)
        }
        guard case .ended(let sealed) = result else {
            environment.printError(
                "Instance \(TerminalText.safe(id.value)) has not ended within \(HumanText.duration(timeout ?? .zero)); "
                    + "it goes on. Wait again, or look at it with: dtq status \(TerminalText.safe(id.value))")
            throw ExitCode.failure
        }
        let snapshot = await client.opened(sealed)
        let report = InstanceReport(
            snapshot: snapshot, partition: client.partition(of: id), now: environment.clock.now())
        if isJSON {
            let json =
                submission.map { .object(SubmissionReport(submission: $0).members + [.init("instance", report.json)]) }
                ?? report.json
            environment.print(json.text)
        } else if snapshot.status == .completed {
            if let output = snapshot.output {
                environment.print(output.sealedDescription.map { "(\($0))" } ?? output.text)
            }
        } else {
            let reason =
                snapshot.failure.map { ": " + TerminalText.safe($0.description) }
                ?? snapshot.output.map { ": " + TerminalText.payload($0) } ?? ""
            environment.printError("Instance \(TerminalText.safe(id.value)) is \(snapshot.status)\(reason)")
        }
        if snapshot.status != .completed { throw ExitCode.failure }
    }
}
