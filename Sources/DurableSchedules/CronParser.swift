/// Why a text is no cron expression, without the text.
struct CronFault: Error {
    var text: String
}

/// A field of an expression, and what may stand in it.
enum CronField: String {
    case minute = "minute"
    case hour = "hour"
    case dayOfMonth = "day of the month"
    case month = "month"
    case dayOfWeek = "day of the week"

    var range: ClosedRange<Int> {
        switch self {
        case .minute: 0...59
        case .hour: 0...23
        case .dayOfMonth: 1...31
        case .month: 1...12
        case .dayOfWeek: 0...7
        }
    }

    /// From the range's beginning.
    private var names: [String] {
        switch self {
        case .minute, .hour, .dayOfMonth: []
        case .month: ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
        case .dayOfWeek: ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]
        }
    }

    private var allowed: String {
        let numbers = "\(range.lowerBound) to \(range.upperBound)"
        return switch self {
        case .minute, .hour: numbers
        case .dayOfMonth: "\(numbers), L for the last"
        case .month: "\(numbers), JAN to DEC"
        case .dayOfWeek: "\(numbers) (0 and 7 are Sunday), SUN to SAT, FRI#2 for the second Friday, FRIL for the last"
        }
    }

    func fault(_ item: some StringProtocol, _ reason: String) -> CronFault {
        CronFault(
            text: "the \(rawValue) \"\(item)\" \(reason); allowed are \(allowed), * for all, ranges a-b, steps */n and "
                + "a-b/n, and lists of these with commas")
    }

    func number(_ text: some StringProtocol, in item: some StringProtocol) throws(CronFault) -> Int {
        if let index = names.firstIndex(of: text.uppercased()) { return range.lowerBound + index }
        guard Self.isNumber(text), let number = Int(text) else { throw fault(item, "cannot be read") }
        guard range.contains(number) else { throw fault(item, "is out of range") }
        return number
    }

    static func isNumber(_ text: some StringProtocol) -> Bool {
        !text.isEmpty && text.utf8.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
    }
}

enum CronParser {
    struct Parsed {
        var minutes = NumberSet()
        var hours = NumberSet()
        var days = CronDays()
        var months = NumberSet()
    }

    private static let macros = [
        "@hourly": "0 * * * *", "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@weekly": "0 0 * * 0",
        "@monthly": "0 0 1 * *", "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *",
    ]

    static func parse(_ text: String) throws(CronFault) -> Parsed {
        let words = text.split(whereSeparator: \.isWhitespace).map(String.init)
        if words.count == 1, words[0].hasPrefix("@") {
            guard let expression = macros[words[0].lowercased()] else {
                throw CronFault(text: "of words there are \(macros.keys.sorted().joined(separator: ", "))")
            }
            return try parse(expression)
        }
        guard words.count == 5 else {
            throw CronFault(
                text:
                    "it has \(words.count) field\(words.count == 1 ? "" : "s"), and must have 5: minute, hour, day of "
                    + "the month, month, day of the week")
        }
        var parsed = Parsed()
        parsed.minutes = try numbers(words[0], .minute)
        parsed.hours = try numbers(words[1], .hour)
        parsed.months = try numbers(words[3], .month)
        try readDays(words[2], words[4], into: &parsed.days)
        return parsed
    }

    private static func readDays(_ month: String, _ week: String, into days: inout CronDays) throws(CronFault) {
        days.monthIsOpen = month == "*" || month == "?"
        days.weekIsOpen = week == "*" || week == "?"
        for item in days.monthIsOpen ? [] : items(month) {
            if item.uppercased() == "L" {
                days.hasLastOfMonth = true
            } else {
                try insert(item, .dayOfMonth, into: &days.ofMonth)
            }
        }
        var ofWeek = NumberSet()
        for item in days.weekIsOpen ? [] : items(week) {
            if let numbered = try numberedWeekday(item) {
                days.numberedOfWeek.insert(numbered)
            } else {
                try insert(item, .dayOfWeek, into: &ofWeek)
            }
        }
        for weekday in 0...7 where ofWeek.contains(weekday) { days.ofWeek.insert(weekday % 7) }
    }

    /// `FRI#2` and `FRIL`.
    private static func numberedWeekday(_ item: String) throws(CronFault) -> Int? {
        let field = CronField.dayOfWeek
        if let mark = item.firstIndex(of: "#") {
            let weekday = try field.number(item[..<mark], in: item)
            guard let number = Int(item[item.index(after: mark)...]), (1...5).contains(number) else {
                throw field.fault(item, "has no number from 1 to 5 after its #")
            }
            return weekday % 7 * 6 + number
        }
        guard item.count > 1, item.uppercased().hasSuffix("L") else { return nil }
        return try field.number(item.dropLast(), in: item) % 7 * 6
    }

    private static func numbers(_ text: String, _ field: CronField) throws(CronFault) -> NumberSet {
        var numbers = NumberSet()
        for item in items(text) { try insert(item, field, into: &numbers) }
        return numbers
    }

    private static func items(_ text: String) -> [String] {
        text.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    }

    private static func insert(_ item: String, _ field: CronField, into numbers: inout NumberSet) throws(CronFault) {
        let parts = item.split(separator: "/", omittingEmptySubsequences: false)
        guard let base = parts.first, parts.count <= 2 else { throw field.fault(item, "cannot be read") }
        var step = 1
        if parts.count == 2 {
            guard CronField.isNumber(parts[1]), let number = Int(parts[1]), number > 0 else {
                throw field.fault(item, "has no number from 1 after its /")
            }
            step = number
        }
        let range: ClosedRange<Int>
        if base == "*" {
            // Sunday once.
            range = field == .dayOfWeek ? 0...6 : field.range
        } else if let dash = base.firstIndex(of: "-") {
            let first = try field.number(base[..<dash], in: item)
            var last = try field.number(base[base.index(after: dash)...], in: item)
            if field == .dayOfWeek, last == 0, first > 0 { last = 7 }
            guard first <= last else { throw field.fault(item, "goes backwards") }
            range = first...last
        } else {
            let first = try field.number(base, in: item)
            let end = field == .dayOfWeek ? max(first, 6) : field.range.upperBound
            range = first...(parts.count == 2 ? end : first)
        }
        // A step past the range's end takes its first number only.
        for number in stride(from: range.lowerBound, through: range.upperBound, by: min(step, 64)) {
            numbers.insert(number)
        }
    }
}
