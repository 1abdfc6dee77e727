package import DurableBackend

extension TopologyFragment {
    /// The topology as broker definitions, JSON for `rabbitmqctl import_definitions` and the management API.
    ///
    /// The same bytes for the same topology: entries in order of declaration, keys in a fixed order, a line each.
    ///
    /// - Parameter virtualHost: Where the entries go; must exist at the broker.
    package func brokerDefinitions(virtualHost: String = "/") -> String {
        let place = (key: "vhost", value: JSON.string(virtualHost))
        let durable: [(key: String, value: JSON)] = [("durable", .boolean(true)), ("auto_delete", .boolean(false))]
        let exchangeEntries = exchanges.map {
            JSON.object(
                [("name", .string($0.name)), place, ("type", .string($0.kind.rawValue))] + durable
                    + [("internal", .boolean(false)), ("arguments", .object([]))])
        }
        let queueEntries = queues.map {
            JSON.object(
                [("name", .string($0.name)), place] + durable
                    + [("arguments", .object($0.arguments.map { ($0.name, JSON($0.value)) }))])
        }
        let bindingEntries = bindings.map {
            JSON.object([
                ("source", .string($0.exchange)), place, ("destination", .string($0.queue)),
                ("destination_type", .string("queue")), ("routing_key", .string($0.routingKey)),
                ("arguments", .object([])),
            ])
        }
        let sections = [("exchanges", exchangeEntries), ("queues", queueEntries), ("bindings", bindingEntries)]
        let lines = sections.map { name, entries in
            "  \"\(name)\": [\n" + entries.map { "    " + $0.text }.joined(separator: ",\n") + "\n  ]"
        }
        return "{\n" + lines.joined(separator: ",\n") + "\n}\n"
    }
}

/// As much of JSON as definitions need, written in the order given.
private enum JSON {
    case string(String)
    case integer(Int64)
    case boolean(Bool)
    case object([(key: String, value: JSON)])

    init(_ value: MessageHeader.Value) {
        switch value {
        case .string(let text): self = .string(text)
        case .integer(let number): self = .integer(number)
        case .boolean(let flag): self = .boolean(flag)
        }
    }

    var text: String {
        switch self {
        case .string(let text): return Self.quoted(text)
        case .integer(let number): return String(number)
        case .boolean(let flag): return flag ? "true" : "false"
        case .object(let members):
            return "{" + members.map { "\(Self.quoted($0.key)): \($0.value.text)" }.joined(separator: ", ") + "}"
        }
    }

    private static func quoted(_ text: String) -> String {
        var quoted = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": quoted += "\\\""
            case "\\": quoted += "\\\\"
            case _ where scalar.value < 0x20:
                let digits = String(scalar.value, radix: 16)
                quoted += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: quoted.unicodeScalars.append(scalar)
            }
        }
        return quoted + "\""
    }
}
