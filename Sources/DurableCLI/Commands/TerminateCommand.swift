import ArgumentParser
import DurableClient

struct TerminateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "terminate", abstract: "End an instance from outside.",
        discussion: """
            Its code does not run again, unless it asked to undo what it did (withCompensation including termination); \
            then a second termination ends it at once. Activities that run are cancelled. The sub-orchestrations it waits \
            for end with it, unless --no-recurse. Asks first unless --yes. See also cancel.

              dtq terminate o-1881 --reason "ordered twice"
              dtq terminate o-1881 --no-recurse --yes

            Exit codes: 0 accepted, 1 failed, not confirmed, or the instance had ended, 2 wrong usage, \
            3 no such instance or hub.
            """)

    @OptionGroup var message: MessageOptions
    @OptionGroup var confirmation: ConfirmationOptions

    @Flag(inversion: .prefixedNo, help: "End the sub-orchestrations it waits for, too.")
    var recurse = true

    mutating func run() async throws {
        let environment = CommandEnvironment.current
        let recurse = recurse
        try await confirmation.confirm(
            "This ends instance \(TerminalText.safe(message.id)) for good.", expecting: "yes", environment)
        try await message.send(environment) { client, id, reason in
            try await client.terminate(id, reason: reason, recurse: recurse)
        }
    }
}
