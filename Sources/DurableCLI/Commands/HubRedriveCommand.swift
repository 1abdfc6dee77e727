import ArgumentParser
import DurableBackend
import DurableClient
import DurableCore
import DurableJSON

struct HubRedriveCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "redrive", abstract: "Send again everything that is pending, after queues were purged or lost.",
        discussion: """
            Asks each partition's owner to send again its open activities, the messages that other partitions \
            have not applied, and its alarm, from its log. Receivers drop what they had; an activity whose task was not lost may \
            run once more. Start workers first, and declare what is missing with dtq hub create.

              dtq hub create --hub orders && dtq hub redrive --hub orders --yes

            Exit codes: 0 all partitions, 1 some partition has no owner, not confirmed or failed, 2 wrong usage, 3 no such \
            hub.
            """)

    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var output: OutputOptions
    @OptionGroup var confirmation: ConfirmationOptions

    mutating func run() async throws {
        let environment = CommandEnvironment.current
        let (isJSON, confirmation) = (output.json, confirmation)
        let outcomes = try await connection.withClient(environment) { client in
            try await confirmation.confirm(
                "This sends every open activity of hub \"\(client.hub)\" again; those that were not lost may run once more.",
                expecting: client.hub.value, environment)
            let outcomes = try await client.redrive()
            if isJSON {
                let json: JSONValue = [
                    "hub": .string(client.hub.value), "partitions": .array(outcomes.map(\.json)),
                ]
                environment.print(json.text)
                return outcomes
            }
            var table = TextTable([
                .init("PARTITION", .right), .init("TASKS", .right), .init("MESSAGES", .right), .init("TIMERS", .right),
            ])
            for outcome in outcomes {
                let sent = outcome.redriven
                table.append(
                    ["\(outcome.partition)"]
                        + [sent?.tasks, sent?.messages, sent?.timers].map { $0.map { HumanText.grouped($0) } ?? "-" })
            }
            for line in table.lines(environment.style) { environment.print(line) }
            for notice in outcomes.compactMap(\.notice) { environment.printError(TerminalText.safe(notice)) }
            return outcomes
        }
        if outcomes.contains(where: { $0.redriven == nil }) { throw ExitCode.failure }
    }
}

extension RedriveOutcome {
    fileprivate var json: JSONValue {
        [
            "partition": .integer(partition.index), "outcome": redriven == nil ? "unanswered" : "redriven",
            "tasks": .optional(redriven) { .integer($0.tasks) },
            "messages": .optional(redriven) { .integer($0.messages) },
            "timers": .optional(redriven) { .integer($0.timers) }, "notice": .optional(notice) { .string($0) },
        ]
    }
}
