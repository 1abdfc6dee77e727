import ArgumentParser
import DurableClient
import DurableCore
import DurableJSON

struct ReleaseCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "release", abstract: "Let an instance that is held try again.",
        discussion: """
            Held instances try again by themselves when other code takes their partition over. This lets one try at \
            once, with the code that is there: after what it needs was mended from outside, or when its workers were \
            killed by something else (DTQ2008). Should the code still not fit, it is held again at once. Should it still \
            end its worker, nobody answers (DTQ5001), and the instance is still held.

              dtq release o-1881

            Exit codes: 0 released, 1 failed or not held, 2 wrong usage, 3 no such instance or hub.
            """)

    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var output: OutputOptions

    @Argument(help: "Instance ID.")
    var id: String

    mutating func run() async throws {
        let environment = CommandEnvironment.current
        let (id, isJSON) = (InstanceID(id), output.json)
        try await connection.withClient(environment) { client in
            guard let hold = try await client.release(id) else {
                if isJSON { environment.print(Self.json(id, nil).text) }
                throw isJSON ? ExitCode.notFound : client.notFound(id) as any Error
            }
            if isJSON { environment.print(Self.json(id, hold).text) }
            guard let hold else {
                if !isJSON {
                    environment.printError(
                        "Instance \(TerminalText.safe(id.value)) is not held; nothing was changed.")
                }
                throw ExitCode.failure
            }
            if !isJSON {
                environment.print("\(TerminalText.safe(id.value))  released")
                environment.printError("It was held for: \(TerminalText.safe(hold.text))")
            }
        }
    }

    private static func json(_ id: InstanceID, _ hold: Hold?) -> JSONValue {
        [
            "id": .string(id.value), "released": .boolean(hold != nil),
            "hold": .optional(hold) { ["code": .string($0.code), "text": .string($0.text)] },
        ]
    }
}
