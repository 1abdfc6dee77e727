import ArgumentParser
import DurableClient
import DurableCore
import DurableJSON

struct HistoryCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "history", abstract: "Show an instance's history, event by event.",
        discussion: """
            Payloads are shown as sizes unless --payloads asks for them.

              dtq history o-1881
              dtq history o-1881 --payloads
              dtq history o-1881 --json
              dtq history o-1881 --json --payloads > fixture.json   # for DurableTestKit, see docs/testing.md

            Exit codes: 0 shown, 1 failed (DTQ5001: no worker can answer), 2 wrong usage, 3 no such instance or hub.
            """)

    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var output: OutputOptions

    @Argument(help: "Instance ID.")
    var id: String

    @Flag(help: "Show inputs, results and event data.")
    var payloads = false

    mutating func run() async throws {
        let environment = CommandEnvironment.current
        let id = InstanceID(id)
        let showsPayloads = payloads
        let isJSON = output.json
        try await connection.withClient(environment) { client in
            guard var events = try await client.history(of: id) else { throw client.notFound(id) }
            if showsPayloads { events = await client.opened(events) }
            if isJSON {
                environment.print(HistoryJSON.json(of: events, id, showsPayloads: showsPayloads).text)
                return
            }
            var table = TextTable([
                .init("#", .right), .init("TIME"), .init("EVENT"), .init("ID", .right), .init("DETAIL"),
            ])
            for (index, event) in events.enumerated() {
                table.append(EventReport(index: index, event: event, showsPayloads: showsPayloads).cells)
            }
            for line in table.lines(environment.style) { environment.print(line) }
        }
    }
}

/// One event of a history as a line of the table.
struct EventReport {
    var index: Int
    var event: HistoryEvent
    var showsPayloads: Bool

    var cells: [String] {
        let time = String(event.timestamp.description.dropFirst(11).prefix(12))
        let details = event.fields.filter { !$0.isDetail }.compactMap { field -> String? in
            switch field.value {
            case .text(let text): return field.name == "name" ? text : "\(field.name) \(text)"
            case .number(let number): return "\(field.name) \(number)"
            case .payload(nil), .flag, .json: return nil
            case .payload(let payload?):
                let text =
                    showsPayloads || payload.isInEnvelope
                    ? TerminalText.payload(payload) : HumanText.count(payload.count, "byte")
                return "\(field.name) \(text)"
            case .failure(let failure): return failure.description
            }
        }
        return [
            "\(index)", time, event.typeName, event.eventID == .none ? "" : "\(event.eventID)",
            details.joined(separator: ", "),
        ]
    }
}
