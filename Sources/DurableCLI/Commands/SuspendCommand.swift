import ArgumentParser
import DurableClient

struct SuspendCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "suspend", abstract: "Have an instance run nothing until it is resumed.",
        discussion: """
            What arrives is kept, timers that come due wait; activities that run already go on. It may be terminated.

              dtq suspend o-1881 --reason "waits for the auditors"
              dtq resume o-1881

            Exit codes: 0 accepted, 1 failed or the instance had ended, 2 wrong usage, 3 no such instance or hub.
            """)

    @OptionGroup var message: MessageOptions

    mutating func run() async throws {
        try await message.send(.current) { client, id, reason in try await client.suspend(id, reason: reason) }
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

    @OptionGroup var message: MessageOptions

    mutating func run() async throws {
        try await message.send(.current) { client, id, reason in try await client.resume(id, reason: reason) }
    }
}
