import ArgumentParser
import DurableClient
import DurableCore
import DurableJSON

struct QueryCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "query", abstract: "Ask the code of an instance.",
        discussion: """
            Prints what the handler answers, from the instance's durable state. Nothing is changed, nothing is left in \
            the history; an instance that has ended can be asked too.

              dtq query o-1881 progress
              dtq query o-1881 price --input '{"currency":"NOK"}'

            Exit codes: 0 answered, 1 failed, 2 wrong usage, 3 no such instance or hub.
            """)

    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var output: OutputOptions

    @Argument(help: "Instance ID.")
    var id: String

    @Argument(help: "Name of the query.")
    var name: String

    @Option(help: ArgumentHelp("Input: JSON, @FILE, or - for standard input.", valueName: "json"))
    var input: String?

    mutating func run() async throws {
        let environment = CommandEnvironment.current
        let input = try await PayloadArgument.read(input, option: "--input", environment)
        let (id, name, isJSON) = (InstanceID(id), name, output.json)
        try await connection.withClient(environment) { client in
            do {
                let answer = try await client.query(name, of: id, input: input)
                if isJSON {
                    environment.print(
                        JSONValue.object([
                            .init("id", .string(id.value)), .init("query", .string(name)),
                            .init("answer", .payload(answer)), .init("failure", .null),
                        ]).text)
                } else if let answer {
                    environment.print(answer.text)
                }
            } catch let failure as FailureDetails {
                if isJSON {
                    environment.print(
                        JSONValue.object([
                            .init("id", .string(id.value)), .init("query", .string(name)), .init("answer", .null),
                            .init("failure", .failure(failure)),
                        ]).text)
                } else {
                    environment.printError(
                        "Query \(TerminalText.safe(name)) failed: \(TerminalText.safe(failure.description))")
                }
                throw ExitCode.failure
            }
        }
    }
}
