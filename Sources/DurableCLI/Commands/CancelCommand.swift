import ArgumentParser
import DurableClient

struct CancelCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cancel", abstract: "Ask an instance to end.",
        discussion: """
            Its code is cancelled, as a Swift task is: what it waits for (timers, activities, sub-orchestrations) is \
            cancelled too, compensations run, and it ends as its code has it, mostly as canceled. One whose start time has \
            not come ends at once. See also terminate, which does not ask.

              dtq cancel o-1881 --reason "the customer changed her mind"

            Exit codes: 0 accepted, 1 failed, not confirmed, or the instance had ended, 2 wrong usage, \
            3 no such instance or hub.
            """)

    @OptionGroup var message: MessageOptions

    mutating func run() async throws {
        try await message.send(.current) { client, id, reason in try await client.cancel(id, reason: reason) }
    }
}
