import ArgumentParser
import DurableClient
import DurableCore
import DurableJSON

struct SuspendCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "suspend", abstract: "Have an instance run nothing until it is resumed.",
        discussion: """
            What arrives is kept, timers that come due wait; activities that run already go on. It may be terminated.

              dtq suspend o-1881 --reason "waits for the auditors"
              dtq resume o-1881

            Exit codes: 0 accepted, 1 failed or the instance had ended, 2 wrong usage, 3 no such instance or hub.
            """)

    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var output: OutputOptions

    @Argument(help: "Instance ID.")
    var id: String

    @Option(help: ArgumentHelp("Why, kept in the history.", valueName: "text"))
    var reason: String?

    mutating func run() async throws {
        let environment = CommandEnvironment.current
        let reason = reason.map { Payload(JSONValue.string($0).text) }
        let (id, isJSON) = (InstanceID(id), output.json)
        try await connection.withClient(environment) { client in
            let submission = try await client.suspend(id, reason: reason)
            try MessageReport.finish(submission, isJSON: isJSON, client, environment)
        }
    }
}

struct ResumeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "resume", abstract: "Let a suspended instance go on.",
        discussion: """
            It takes what arrived meanwhile in order. One that is not suspended is left as it is.

              dtq resume o-1881

            Exit codes: 0 accepted, 1 failed or the instance had ended, 2 wrong usage, 3 no such instance or hub.
            """)

    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var output: OutputOptions

    @Argument(help: "Instance ID.")
    var id: String

    @Option(help: ArgumentHelp("Why, kept in the history.", valueName: "text"))
    var reason: String?

    mutating func run() async throws {
        let environment = CommandEnvironment.current
        let reason = reason.map { Payload(JSONValue.string($0).text) }
        let (id, isJSON) = (InstanceID(id), output.json)
        try await connection.withClient(environment) { client in
            let submission = try await client.resume(id, reason: reason)
            try MessageReport.finish(submission, isJSON: isJSON, client, environment)
        }
    }
}
