import DurableCore

/// Text from outside as it may stand on a terminal.
package enum TerminalText {
    /// Control characters (escape sequences among them) as `\u{..}`.
    package static func safe(_ text: String) -> String {
        guard text.unicodeScalars.contains(where: isControl) else { return text }
        var result = ""
        for scalar in text.unicodeScalars {
            if isControl(scalar) {
                result += "\\u{\(String(scalar.value, radix: 16))}"
            } else {
                result.unicodeScalars.append(scalar)
            }
        }
        return result
    }

    /// A payload on one line, cut after `limit` characters.
    static func payload(_ payload: Payload, limit: Int = 200) -> String {
        if let sealed = payload.sealedDescription { return safe(sealed) }
        guard let text = String(validating: payload.bytes, as: UTF8.self) else {
            return HumanText.count(payload.count, "byte") + " that are no text"
        }
        let line = safe(text)
        return line.count <= limit ? line : "\(line.prefix(limit))... (\(HumanText.count(payload.count, "byte")))"
    }

    private static func isControl(_ scalar: Unicode.Scalar) -> Bool {
        scalar.value < 0x20 || (0x7f...0x9f).contains(scalar.value)
    }
}

/// Colors for states, where they are wanted.
struct TerminalStyle {
    var isColored: Bool

    func status(_ status: OrchestrationStatus) -> String { paint(status.description, as: status) }

    func paint(_ text: String, as status: OrchestrationStatus) -> String {
        switch status {
        case .completed: wrap(text, "32")
        case .failed, .terminated, .canceled: wrap(text, "31")
        case .suspended: wrap(text, "33")
        case .running, .pending, .continuedAsNew: text
        }
    }

    func heading(_ text: String) -> String { wrap(text, "1") }
    func warning(_ text: String) -> String { wrap(text, "33") }

    private func wrap(_ text: String, _ code: String) -> String { isColored ? "\u{1B}[\(code)m\(text)\u{1B}[0m" : text }
}
