package import DurableCore

/// Histories as JSON: what `dtq history --json` prints, and what a test reads again. With payloads the form holds all
/// that an event holds; a payload that its JSON alone would not bring back byte for byte is there in base64 too.
package enum HistoryJSON {
    /// - Parameter showsPayloads: Without them a history can be looked at, but not replayed.
    package static func json(of events: [HistoryEvent], _ id: InstanceID, showsPayloads: Bool) -> JSONValue {
        ["id": .string(id.value), "events": .array(json(of: events, showsPayloads: showsPayloads))]
    }

    /// The same document with one event a line, so that differences can be read.
    package static func text(of events: [HistoryEvent], _ id: InstanceID) -> String {
        let lines = json(of: events, showsPayloads: true).map(\.text).joined(separator: ",\n")
        return "{\"id\":\(JSONValue.string(id.value).text),\"events\":[\n\(lines)\n]}\n"
    }

    private static func json(of events: [HistoryEvent], showsPayloads: Bool) -> [JSONValue] {
        events.enumerated().map { json(of: $1, at: $0, showsPayloads: showsPayloads) }
    }

    private static func json(of event: HistoryEvent, at index: Int, showsPayloads: Bool) -> JSONValue {
        var members: [JSONValue.Member] = [
            .init("index", .integer(index)), .init("time", .string(event.timestamp.description)),
            .init("type", .string(event.typeName)),
            .init("eventID", event.eventID == .none ? .null : .integer(event.eventID.value)),
        ]
        for field in event.fields {
            switch field.value {
            case .text(let text): members.append(.init(field.name, .string(text)))
            case .number(let number): members.append(.init(field.name, .integer(number)))
            case .flag(let flag): members.append(.init(field.name, .boolean(flag)))
            case .json(let value): members.append(.init(field.name, value))
            case .failure(let failure): members.append(.init(field.name, .failure(failure)))
            case .payload(let payload):
                members.append(.init(field.name + "Bytes", .optional(payload) { .integer($0.count) }))
                guard showsPayloads else { continue }
                let value = JSONValue.payload(payload)
                members.append(.init(field.name, value))
                if let payload, payload != Payload(value.text) {
                    members.append(.init(field.name + "Base64", .string(Base64.encode(payload.bytes))))
                }
            }
        }
        return .object(members)
    }
}

/// Why a document is no history, and where.
package struct HistoryJSONError: Error, Hashable, CustomStringConvertible {
    /// In the list of events; nil: of the document itself.
    package var index: Int?
    package var reason: String
    package var description: String { index.map { "event \($0): \(reason)" } ?? reason }
}
