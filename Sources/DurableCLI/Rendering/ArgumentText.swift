import DurableClient
import DurableCore

/// What users type: durations, times, statuses, cursors.
enum ArgumentText {
    /// `500ms`, `30s`, `5m`, `1h30m`, `2d`; a bare number counts seconds.
    static func duration(_ text: String, option: String) throws -> Duration {
        let wrong = ClientError.usage(
            "\(option) is a duration such as 500ms, 30s, 5m, 1h30m or 2d, this is not: \(TerminalText.safe(text)).")
        var total = Duration.zero
        var rest = Substring(text)
        if rest.isEmpty { throw wrong }
        while !rest.isEmpty {
            let digits = rest.prefix { ("0"..."9").contains($0) }
            guard let number = Int64(digits), number <= 1_000_000_000 else { throw wrong }
            rest = rest.dropFirst(digits.count)
            let unit = rest.prefix { $0.isLetter }
            rest = rest.dropFirst(unit.count)
            switch unit {
            case "ms": total += .milliseconds(number)
            case "s": total += .seconds(number)
            case "m": total += .seconds(number * 60)
            case "h": total += .seconds(number * 3600)
            case "d": total += .seconds(number * 86_400)
            case "" where rest.isEmpty && total == .zero: total += .seconds(number)
            default: throw wrong
            }
        }
        return total
    }

    enum Direction { case past, future }

    /// ISO 8601, or a duration before (`past`) or after (`future`) `now`.
    static func time(_ text: String, option: String, _ direction: Direction, now: Timestamp) throws -> Timestamp {
        if let time = Timestamp(iso8601: text) { return time }
        let bare = text.hasPrefix("+") && direction == .future ? String(text.dropFirst()) : text
        guard let span = try? duration(bare, option: option) else {
            throw ClientError.usage(
                "\(option) is a time such as 2026-11-24T09:30:00Z, or a duration such as 10m "
                    + "(\(direction == .past ? "ago" : "from now")), this is neither: \(TerminalText.safe(text)).")
        }
        return direction == .past ? now - span : now + span
    }

    /// `key=value` each.
    static func tags(_ texts: [String]) throws -> [ExecutionStarted.Tag] {
        var tags: [String: String] = [:]
        for text in texts {
            guard let tag = split(text), let value = tag.value else {
                throw ClientError.usage("--tag is key=value here, this is not: \(TerminalText.safe(text)).")
            }
            if tags.updateValue(value, forKey: tag.key) != nil {
                throw ClientError.usage("--tag \(TerminalText.safe(tag.key)) is given twice: an instance has one.")
            }
        }
        return [ExecutionStarted.Tag](tags)
    }

    /// `key` or `key=value`.
    static func tagFilter(_ text: String) throws -> TagFilter {
        guard let tag = split(text) else {
            throw ClientError.usage("--tag is key or key=value, this is neither: \(TerminalText.safe(text)).")
        }
        return tag
    }

    private static func split(_ text: String) -> TagFilter? {
        let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        guard let key = parts.first, !key.isEmpty else { return nil }
        return TagFilter(key: key, value: parts.count == 2 ? parts[1] : nil)
    }

    /// `never`, or a duration.
    static func retention(_ text: String) throws -> HubAdministration.Retention {
        if text == "never" { return .never }
        let span = try duration(text, option: "--retention")
        guard span > .zero else {
            throw ClientError.usage("--retention is longer than nothing, or never; this is \(TerminalText.safe(text)).")
        }
        return .after(span)
    }

    /// Words as `list` prints them, several separated by commas.
    static func statuses(_ texts: [String]) throws -> [OrchestrationStatus] {
        try texts.flatMap { $0.split(separator: ",") }.map { word in
            guard let status = OrchestrationStatus(word: String(word)) else {
                let known = OrchestrationStatus.allCases.map(\.description).sorted().joined(separator: ", ")
                throw ClientError.usage("--status is one of \(known), this is not: \(TerminalText.safe(String(word))).")
            }
            return status
        }
    }
}

extension ListCursor {
    /// Opaque to users: creation time and ID, both hexadecimal.
    var token: String {
        String(createdAt.millisecondsSinceEpoch, radix: 16) + "-"
            + id.value.utf8.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
    }

    init(token: String) throws {
        let wrong = ClientError.usage("--cursor takes what the page before printed, this is something else.")
        guard let dash = token.lastIndex(of: "-"), let milliseconds = Int64(token[..<dash], radix: 16) else {
            throw wrong
        }
        let digits = token[token.index(after: dash)...].map(\.hexDigitValue)
        guard digits.count.isMultiple(of: 2) else { throw wrong }
        var bytes: [UInt8] = []
        for index in stride(from: 0, to: digits.count, by: 2) {
            guard let high = digits[index], let low = digits[index + 1] else { throw wrong }
            bytes.append(UInt8(high << 4 | low))
        }
        guard let id = String(validating: bytes, as: UTF8.self) else { throw wrong }
        self.init(createdAt: Timestamp(millisecondsSinceEpoch: milliseconds), id: InstanceID(id))
    }
}
