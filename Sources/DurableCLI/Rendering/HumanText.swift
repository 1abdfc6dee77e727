import DurableCore
import DurableJSON

/// Numbers and times for people.
package enum HumanText {
    /// Two units at most: `850ms`, `3s`, `2m 3s`, `1h 5m`, `3d 4h`.
    static func duration(_ duration: Duration) -> String {
        let (seconds, attoseconds) = duration.components
        if seconds < 0 { return "0s" }
        if seconds == 0 {
            let milliseconds = attoseconds / 1_000_000_000_000_000
            return milliseconds == 0 ? "0s" : "\(milliseconds)ms"
        }
        func pair(_ big: Int64, _ bigUnit: String, _ small: Int64, _ smallUnit: String) -> String {
            small == 0 ? "\(big)\(bigUnit)" : "\(big)\(bigUnit) \(small)\(smallUnit)"
        }
        switch seconds {
        case ..<60: return "\(seconds)s"
        case ..<3600: return pair(seconds / 60, "m", seconds % 60, "s")
        case ..<86_400: return pair(seconds / 3600, "h", seconds / 60 % 60, "m")
        default: return pair(seconds / 86_400, "d", seconds / 3600 % 24, "h")
        }
    }

    static func age(of time: Timestamp, at now: Timestamp) -> String {
        let age = now.since(time)
        return age < .zero ? "in " + duration(.zero - age) : duration(age) + " ago"
    }

    /// `2026-11-24 09:30:00`, UTC.
    static func time(_ time: Timestamp) -> String {
        let text = time.description
        return String(text.prefix(19)).replacing("T", with: " ")
    }

    /// `1 message`, `2 messages`.
    package static func count(_ count: Int, _ singular: String, _ plural: String? = nil) -> String {
        "\(grouped(count)) \(count == 1 ? singular : plural ?? singular + "s")"
    }

    /// `12,345`.
    static func grouped(_ number: some BinaryInteger) -> String {
        let digits = String(number.magnitude)
        var text = ""
        for (index, digit) in digits.enumerated() {
            if index > 0 && (digits.count - index) % 3 == 0 { text += "," }
            text.append(digit)
        }
        return (number < 0 ? "-" : "") + text
    }

    /// Rounded to `digits` after the point, without needless zeros.
    static func decimal(_ value: Double, digits: Int = 1) -> String {
        var scale = 1.0
        for _ in 0..<digits { scale *= 10 }
        let scaled = (value * scale).rounded()
        guard scaled.magnitude < 9e15 else { return "\(value)" }
        let whole = Int64(scaled)
        let unit = Int64(scale)
        var fraction = String(whole.magnitude % UInt64(unit))
        fraction = String(repeating: "0", count: digits - fraction.count) + fraction
        while fraction.last == "0" { fraction.removeLast() }
        return (whole < 0 ? "-" : "") + "\(whole.magnitude / UInt64(unit))" + (fraction.isEmpty ? "" : "." + fraction)
    }

    /// With its sign, for changes a second.
    static func signed(_ value: Double) -> String { (value > 0 ? "+" : "") + decimal(value) }
}

extension JSONValue {
    /// With at most `digits` after the point.
    static func decimal(_ value: Double, digits: Int = 1) -> JSONValue {
        value.isFinite ? .number(HumanText.decimal(value, digits: digits)) : .null
    }
}
