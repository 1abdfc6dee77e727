import ArgumentParser
import DurableBackend
import DurableClient
import DurableCore
import DurableJSON

struct DeadCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "dead", abstract: "Look at messages that were set aside.", subcommands: [DeadListCommand.self])
}

struct DeadListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List dead letters with their reasons, oldest first.",
        discussion: """
            Messages that could not be decoded or may not be sent end here, with the reason. Looking does not remove \
            them. What a code means stands in ops/errors.

              dtq dead list
              dtq dead list --limit 10 --json

            Exit codes: 0 listed (also when there is none), 1 failed, 2 wrong usage, 3 no such hub.
            """)

    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var output: OutputOptions

    @Option(help: ArgumentHelp("At most this many, 1 to 1,000.", valueName: "count"))
    var limit = 50

    mutating func run() async throws {
        let environment = CommandEnvironment.current
        guard (1...1000).contains(limit) else { throw ClientError.usage("--limit is 1 to 1,000, this is \(limit).") }
        let (limit, isJSON) = (limit, output.json)
        try await connection.withClient(environment) { client in
            let (letters, total) = try await client.deadLetters(limit: limit)
            let reports = letters.map(DeadLetterReport.init)
            if isJSON {
                let json: JSONValue = [
                    "hub": .string(client.hub.value), "total": .integer(total),
                    "letters": .array(reports.map(\.json)),
                ]
                environment.print(json.text)
                return
            }
            if reports.isEmpty { return environment.printError("No dead letters in hub \"\(client.hub)\".") }
            var table = TextTable([
                .init("TIME"), .init("CODE"), .init("TYPE"), .init("INSTANCE"), .init("QUEUE"), .init("REASON"),
            ])
            for report in reports { table.append(report.cells) }
            for line in table.lines(environment.style) { environment.print(line) }
            if total > reports.count {
                environment.printError("\(reports.count) of \(HumanText.grouped(total)); more with --limit.")
            }
        }
    }
}

/// One dead letter. The broker's own dead-lettering leaves its headers instead of ours.
struct DeadLetterReport {
    private let properties: MessageProperties
    private let byteCount: Int

    init(_ delivery: Delivery) {
        properties = delivery.properties
        byteCount = delivery.body.count
    }

    private var code: String? { text("dtq-code") }
    private var reason: String? { text("dtq-reason") ?? text("x-first-death-reason").map { "by the broker: \($0)" } }
    private var queue: String? { text("dtq-queue") ?? text("x-first-death-queue") }

    private func text(_ header: String) -> String? {
        guard case .string(let text)? = properties.header(header) else { return nil }
        return text
    }

    var cells: [String] {
        [
            properties.timestamp.map(HumanText.time) ?? "-", code ?? "-", properties.type ?? "-",
            properties.correlationID ?? "-", queue ?? "-", reason ?? "-",
        ]
    }

    var json: JSONValue {
        func string(_ text: String?) -> JSONValue { .optional(text) { .string($0) } }
        return [
            "messageID": string(properties.messageID), "type": string(properties.type),
            "instance": string(properties.correlationID),
            "sentAt": string(properties.timestamp?.description), "code": string(code), "reason": string(reason),
            "queue": string(queue), "bytes": .integer(byteCount),
        ]
    }
}
