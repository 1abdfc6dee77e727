import ArgumentParser
import DurableClient
import DurableCore
import DurableJSON

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
