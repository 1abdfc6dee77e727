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
