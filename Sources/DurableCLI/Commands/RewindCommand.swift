import ArgumentParser
import DurableClient

struct RewindCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rewind", abstract: "Have a failed instance go on.",
        discussion: """
            It goes back to where its code last asked for something (an activity, a timer, a sub-orchestration, an event). \
            Activities that have failed since run again, sub-orchestrations that have failed or were ended with it are \
            rewound too, and what succeeded is kept. Mend first what it failed of. An instance whose code asked for \
            something in the very step in which it failed, or was told to end before, cannot be rewound: see restart.

              dtq rewind o-1881 --reason "the payment provider is back"
              dtq bulk rewind --name ShipOrder --from 2h

            Exit codes: 0 accepted, 1 failed, not confirmed, or it cannot be rewound, 2 wrong usage, \
            3 no such instance or hub.
            """)

    @OptionGroup var message: MessageOptions

    mutating func run() async throws {
        try await message.send(.current) { client, id, reason in try await client.rewind(id, reason: reason) }
    }
}
