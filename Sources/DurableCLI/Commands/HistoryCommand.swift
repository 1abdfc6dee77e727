import ArgumentParser
import DurableClient
import DurableCore

struct HistoryCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "history", abstract: "Show an instance's history, event by event.",
        discussion: """
            Payloads are shown as sizes unless --payloads asks for them.

              dtq history o-1881
              dtq history o-1881 --payloads
              dtq history o-1881 --json

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
            guard let events = try await client.history(of: id) else { throw client.notFound(id) }
            let reports = events.enumerated().map {
                EventReport(index: $0, event: $1, showsPayloads: showsPayloads)
            }
            if isJSON {
                let json: JSONValue = ["id": .string(id.value), "events": .array(reports.map(\.json))]
                environment.print(json.text)
                return
            }
            var table = TextTable([
                .init("#", .right), .init("TIME"), .init("EVENT"), .init("ID", .right), .init("DETAIL"),
            ])
            for report in reports { table.append(report.cells) }
            for line in table.lines(environment.style) { environment.print(line) }
        }
    }
}

/// One event of a history as text and as JSON.
struct EventReport {
    var index: Int
    var event: HistoryEvent
    var showsPayloads: Bool

    var cells: [String] {
        let time = String(event.timestamp.description.dropFirst(11).prefix(12))
        let details = fields.compactMap { field -> String? in
            switch field.value {
            case .text(let text): return field.name == "name" ? text : "\(field.name) \(text)"
            case .number(let number): return "\(field.name) \(number)"
            case .payload(nil): return nil
            case .payload(let payload?):
                let text = showsPayloads ? TerminalText.payload(payload) : HumanText.count(payload.count, "byte")
                return "\(field.name) \(text)"
            case .failure(let failure): return failure.description
            }
        }
        return [
            "\(index)", time, event.typeName, event.eventID == .none ? "" : "\(event.eventID)",
            details.joined(separator: ", "),
        ]
    }

    var json: JSONValue {
        var members: [JSONValue.Member] = [
            .init("index", .integer(index)), .init("time", .string(event.timestamp.description)),
            .init("type", .string(event.typeName)),
            .init("eventID", event.eventID == .none ? .null : .integer(event.eventID.value)),
        ]
        for field in fields {
            switch field.value {
            case .text(let text): members.append(.init(field.name, .string(text)))
            case .number(let number): members.append(.init(field.name, .integer(number)))
            case .payload(let payload):
                members.append(.init(field.name + "Bytes", .optional(payload) { .integer($0.count) }))
                if showsPayloads { members.append(.init(field.name, .payload(payload))) }
            case .failure(let failure): members.append(.init(field.name, .failure(failure)))
            }
        }
        return .object(members)
    }

    private enum Value {
        case text(String)
        case number(Int32)
        case payload(Payload?)
        case failure(FailureDetails)
    }

    /// Names are the keys of the JSON form.
    private var fields: [(name: String, value: Value)] {
        switch event.kind {
        case .orchestratorStarted: []
        case .executionStarted(let start):
            [("name", .text(start.name))] + (start.version.map { [("version", .text($0))] } ?? [])
                + [("input", .payload(start.input))]
                + (start.scheduledStart.map { [("startAt", .text($0.description))] } ?? [])
        case .executionCompleted(let status, let result, let failure):
            [("status", .text(status.description)), ("result", .payload(result))]
                + (failure.map { [("failure", .failure($0))] } ?? [])
        case .executionTerminated(let reason, _), .executionSuspended(let reason), .executionResumed(let reason):
            [("reason", .payload(reason))]
        case .taskScheduled(let name, let input): [("name", .text(name)), ("input", .payload(input))]
        case .taskCompleted(let id, let result), .subOrchestrationCompleted(let id, let result):
            [("task", .number(id.value)), ("result", .payload(result))]
        case .taskFailed(let id, let failure), .subOrchestrationFailed(let id, let failure):
            [("task", .number(id.value)), ("failure", .failure(failure))]
        case .timerCreated(let fireAt): [("fireAt", .text(fireAt.description))]
        case .timerFired(let id, let fireAt): [("timer", .number(id.value)), ("fireAt", .text(fireAt.description))]
        case .eventSent(let instance, let name, let input):
            [("name", .text(name)), ("instance", .text(instance.value)), ("data", .payload(input))]
        case .eventRaised(let name, let input): [("name", .text(name)), ("data", .payload(input))]
        case .subOrchestrationCreated(let child):
            [("name", .text(child.name))] + (child.version.map { [("version", .text($0))] } ?? [])
                + [("instance", .text(child.instanceID.value)), ("input", .payload(child.input))]
        case .continueAsNew(let input): [("input", .payload(input))]
        }
    }
}
