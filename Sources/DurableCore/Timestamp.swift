/// A point in time as data: whole milliseconds since the Unix epoch, UTC.
public struct Timestamp: Hashable, Comparable, Sendable, Codable {
    /// Negative before 1970-01-01T00:00:00Z.
    public var millisecondsSinceEpoch: Int64

    /// Any number; negative before 1970-01-01T00:00:00Z.
    public init(millisecondsSinceEpoch: Int64) { self.millisecondsSinceEpoch = millisecondsSinceEpoch }

    /// Reads the text that `encode` writes, or any that `init(iso8601:)` takes.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        guard let timestamp = Timestamp(iso8601: try container.decode(String.self)) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "expected an ISO 8601 time")
        }
        self = timestamp
    }

    /// As ISO 8601 text, `2026-11-24T09:30:00.000Z`.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }

    /// Before all others.
    public static let distantPast = Timestamp(millisecondsSinceEpoch: .min)
    /// After all others.
    public static let distantFuture = Timestamp(millisecondsSinceEpoch: .max)

    public static func < (left: Self, right: Self) -> Bool {
        left.millisecondsSinceEpoch < right.millisecondsSinceEpoch
    }

    /// Later by `duration`, rounded up to the next millisecond; stops at the ends of the range.
    public static func + (time: Self, duration: Duration) -> Self {
        let (seconds, attoseconds) = duration.components
        let (whole, overflow) = seconds.multipliedReportingOverflow(by: 1000)
        if overflow { return seconds < 0 ? .distantPast : .distantFuture }
        let fraction = Int64((Double(attoseconds) / 1e15).rounded(.up))
        let (span, spanOverflow) = whole.addingReportingOverflow(fraction)
        let (sum, sumOverflow) = time.millisecondsSinceEpoch.addingReportingOverflow(span)
        if spanOverflow || sumOverflow { return seconds < 0 ? .distantPast : .distantFuture }
        return Timestamp(millisecondsSinceEpoch: sum)
    }

    /// Earlier by `duration`, rounded up to the next millisecond; stops at the ends of the range.
    public static func - (time: Self, duration: Duration) -> Self { time + (.zero - duration) }

    /// How long after `other` this is; negative when before.
    public func since(_ other: Timestamp) -> Duration {
        let (difference, overflow) = millisecondsSinceEpoch.subtractingReportingOverflow(other.millisecondsSinceEpoch)
        if overflow { return .milliseconds(self < other ? Int64.min : Int64.max) }
        return .milliseconds(difference)
    }
}

extension Timestamp: CustomStringConvertible {
    /// ISO 8601 with milliseconds, `2026-11-24T09:30:00.000Z`. Years beyond 0 to 9999 have a sign and at least six
    /// digits, `+010000-01-01T00:00:00.000Z`.
    public var description: String {
        let (day, millisecondOfDay) = Self.floorDivide(millisecondsSinceEpoch, 86_400_000)
        let (year, month, dayOfMonth) = Self.civil(fromDays: day)
        func pad(_ number: Int64, _ width: Int) -> String {
            let digits = String(number)
            return String(repeating: "0", count: max(0, width - digits.count)) + digits
        }
        let second = millisecondOfDay / 1000
        let sign = (0...9999).contains(year) ? "" : year < 0 ? "-" : "+"
        return sign + pad(abs(year), sign.isEmpty ? 4 : 6) + "-" + pad(month, 2) + "-" + pad(dayOfMonth, 2) + "T"
            + pad(second / 3600, 2) + ":" + pad(second / 60 % 60, 2) + ":" + pad(second % 60, 2)
            + "." + pad(millisecondOfDay % 1000, 3) + "Z"
    }

    /// Reads ISO 8601: `2026-11-24T09:30:00Z`, with optional fraction, and `Z` or an offset such as `+01:00`; with a sign
    /// also years of six to nine digits. nil: it is something else, or further away than milliseconds count.
    public init?(iso8601 text: String) {
        let bytes = Array(text.utf8)
        var position = 0
        func number(_ digits: Int) -> Int64? {
            guard position + digits <= bytes.count else { return nil }
            var value: Int64 = 0
            for byte in bytes[position..<position + digits] {
                guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else { return nil }
                value = value * 10 + Int64(byte - UInt8(ascii: "0"))
            }
            position += digits
            return value
        }
        func skip(_ character: Unicode.Scalar) -> Bool {
            guard position < bytes.count, bytes[position] == UInt8(ascii: character) else { return false }
            position += 1
            return true
        }
        func year() -> Int64? {
            let isNegative = skip("-")
            guard isNegative || skip("+") else { return number(4) }
            let digits = bytes[position...].prefix { $0 != UInt8(ascii: "-") }.count
            guard (6...9).contains(digits), let year = number(digits), !isNegative || year > 0 else { return nil }
            return isNegative ? -year : year
        }
        guard let year = year(), skip("-"), let month = number(2), skip("-"), let day = number(2),
            skip("T") || skip(" "), let hour = number(2), skip(":"), let minute = number(2),
            (1...12).contains(month), (1...31).contains(day), hour < 24, minute < 60
        else { return nil }
        var second: Int64 = 0
        if skip(":") {
            guard let value = number(2), value < 61 else { return nil }
            second = value
        }
        var millisecond: Int64 = 0
        if skip(".") {
            var scale: Int64 = 100
            let start = position
            while let digit = number(1) {
                millisecond += digit * scale
                scale /= 10
            }
            guard position > start else { return nil }
        }
        var offsetMinutes: Int64 = 0
        if !skip("Z") {
            let sign: Int64
            if skip("+") { sign = 1 } else if skip("-") { sign = -1 } else { return nil }
            guard let hours = number(2) else { return nil }
            _ = skip(":")
            guard let minutes = number(2) else { return nil }
            offsetMinutes = sign * (hours * 60 + minutes)
        }
        guard position == bytes.count else { return nil }
        let days = Self.days(fromCivil: year, month, day)
        let (_, _, checkedDay) = Self.civil(fromDays: days)
        guard checkedDay == day else { return nil }
        let seconds = days * 86_400 + hour * 3600 + (minute - offsetMinutes) * 60 + second
        guard let milliseconds = Int64(exactly: Int128(seconds) * 1000 + Int128(millisecond)) else { return nil }
        self.init(millisecondsSinceEpoch: milliseconds)
    }

    private static func floorDivide(_ value: Int64, _ divisor: Int64) -> (quotient: Int64, remainder: Int64) {
        let (quotient, remainder) = value.quotientAndRemainder(dividingBy: divisor)
        return remainder < 0 ? (quotient - 1, remainder + divisor) : (quotient, remainder)
    }

    /// Proleptic Gregorian date of a day number (0 is 1970-01-01); years are counted from March inside.
    package static func civil(fromDays days: Int64) -> (year: Int64, month: Int64, day: Int64) {
        let (era, dayOfEra) = floorDivide(days + 719_468, 146_097)
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * shiftedMonth + 2) / 5 + 1)
    }

    /// Day number (0 is 1970-01-01) of a proleptic Gregorian date; a day past the month's end is one of the next month.
    package static func days(fromCivil year: Int64, _ month: Int64, _ day: Int64) -> Int64 {
        let shiftedYear = month <= 2 ? year - 1 : year
        let (era, yearOfEra) = floorDivide(shiftedYear, 400)
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }
}
