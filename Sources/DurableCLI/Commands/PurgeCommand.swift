import ArgumentParser
import DurableClient
import DurableCore
import DurableJSON

struct PurgeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "purge", abstract: "Remove an instance that has ended, with its history, for good.",
        discussion: """
            The sub-orchestrations that it called go with it, and theirs, unless --no-recurse; those that have not ended \
            are left. One that has not ended is refused (DTQ2013). Safe to repeat. Asks first unless --yes. To remove \
            many: dtq bulk purge. A hub removes instances by itself when they were kept long enough: see \
            dtq hub create --retention.

              dtq purge o-1881
              dtq purge o-1881 --no-recurse --yes

            Exit codes: 0 purged, 1 failed, not confirmed, or it has not ended, 2 wrong usage, 3 no such instance or hub.
            """)

    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var output: OutputOptions
    @OptionGroup var confirmation: ConfirmationOptions

    @Argument(help: "Instance ID.")
    var id: String

    @Flag(inversion: .prefixedNo, help: "Remove the sub-orchestrations it called, too.")
    var recurse = true

    mutating func run() async throws {
        let environment = CommandEnvironment.current
        let (id, recurse, isJSON, confirmation) = (InstanceID(id), recurse, output.json, confirmation)
        try await connection.withClient(environment) { client in
            try await confirmation.confirm(
                "This removes instance \(TerminalText.safe(id.value)) with its history for good.", expecting: "yes",
                environment)
            guard let outcome = try await client.purge(id, recursive: recurse) else {
                if isJSON { environment.print(Self.json(id, nil).text) }
                throw isJSON ? ExitCode.notFound : client.notFound(id) as any Error
            }
            if isJSON { return environment.print(Self.json(id, outcome).text) }
            environment.print(
                "\(TerminalText.safe(id.value))  purged: \(HumanText.count(outcome.instances, "instance")), "
                    + HumanText.count(outcome.events, "event"))
            for child in outcome.running {
                environment.printError("\(TerminalText.safe(child.value)) has not ended; it was left.")
            }
        }
    }

    private static func json(_ id: InstanceID, _ outcome: PurgeOutcome?) -> JSONValue {
        [
            "id": .string(id.value), "purged": .boolean(outcome != nil), "instances": .integer(outcome?.instances ?? 0),
            "events": .integer(outcome?.events ?? 0),
            "running": .array((outcome?.running ?? []).map { .string($0.value) }),
        ]
    }
}
