import ArgumentParser
import DurableBackend
import DurableClient
import DurableCore
import DurableJSON

struct UpdateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "update", abstract: "Have an instance change its state, and print the result.",
        discussion: """
            The instance's code lets the update in or rejects it; then its handler runs, once for each update ID, \
            whatever crashes. Asking again under the same ID gives the same answer.

              dtq update o-1881 addItem --input '{"name":"tea","count":2}'
              dtq update o-1881 pay --id payment-77 --timeout 30s

            Exit codes: 0 completed, 1 rejected, failed or not ended in time, 2 wrong usage, 3 no such instance or hub.
            """)

    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var output: OutputOptions

    @Argument(help: "Instance ID.")
    var instance: String

    @Argument(help: "Name of the update.")
    var name: String

    @Option(help: ArgumentHelp("Input: JSON, @FILE, or - for standard input.", valueName: "json"))
    var input: String?

    @Option(help: ArgumentHelp("Update ID, which runs once (default: a UUID).", valueName: "id"))
    var id: String?

    @Option(help: ArgumentHelp("How long to wait, such as 30s or 5m (default: for ever).", valueName: "duration"))
    var timeout: String?

    mutating func run() async throws {
        let environment = CommandEnvironment.current
        let timeout = try timeout.map { try ArgumentText.duration($0, option: "--timeout") }
        let request = UpdateRequest(
            id: UpdateID(id ?? RandomID.make()), name: name,
            input: try await PayloadArgument.read(input, option: "--input", environment))
        let (instance, isJSON) = (InstanceID(instance), output.json)
        try await connection.withClient(environment) { client in
            let result = try await client.update(request, of: instance, timeout: timeout) { silence in
                environment.printError(silence.text)
            }
            guard case .ended(let outcome) = result else {
                environment.printError(
                    "Update \(TerminalText.safe(request.name)) has not ended within "
                        + "\(HumanText.duration(timeout ?? .zero)); it goes on. Ask again with: dtq update "
                        + "\(TerminalText.safe(instance.value)) \(TerminalText.safe(request.name)) "
                        + "--id \(TerminalText.safe(request.id.value))")
                throw ExitCode.failure
            }
            try UpdateReport(request: request, outcome: outcome, instance: instance).print(isJSON, environment)
        }
    }
}

/// What became of an update.
private struct UpdateReport {
    var request: UpdateRequest
    var outcome: UpdateOutcome
    var instance: InstanceID

    /// - Throws: Exit code 1 unless it completed.
    func print(_ isJSON: Bool, _ environment: CommandEnvironment) throws {
        let failure = UpdateFailure(outcome, of: request, instance)
        if isJSON {
            environment.print(json.text)
        } else if case .completed(let result) = outcome {
            if let result { environment.print(result.text) }
        } else if let failure {
            environment.printError("\(TerminalText.safe(failure.description))")
        }
        if failure != nil { throw ExitCode.failure }
    }

    private var json: JSONValue {
        var members: [JSONValue.Member] = [
            .init("id", .string(instance.value)), .init("update", .string(request.name)),
            .init("updateID", .string(request.id.value)), .init("outcome", .string(word)),
        ]
        if case .completed(let result) = outcome { members.append(.init("result", .payload(result))) }
        switch outcome {
        case .failed(let failure), .rejected(let failure): members.append(.init("failure", .failure(failure)))
        case .completed, .notBegun, .notFinished, .forgotten: break
        }
        return .object(members)
    }

    private var word: String {
        switch outcome {
        case .completed: "completed"
        case .failed: "failed"
        case .rejected: "rejected"
        case .notBegun: "notBegun"
        case .notFinished: "notFinished"
        case .forgotten: "resultNotKept"
        }
    }
}
