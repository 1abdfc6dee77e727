import DurableCore

/// Minutes, hours, days of the month, months and days of the week, as in POSIX `crontab`.
///
/// ```text
/// 30 2 * * *           every day at 02:30
/// */15 9-17 * * MON-FRI
/// 0 6 1,15 * *
/// 0 22 L * *           the last day of each month; FRI#2 is the second Friday, FRIL the last
/// @daily               also @hourly, @weekly, @monthly, @yearly
/// ```
///
/// Five fields, each a list of numbers, names (`JAN`, `MON`), ranges (`9-17`) and steps (`*/15`, `10-40/10`, `5/20` from 5
/// on). Sunday is 0 or 7. Where both the day of the month and the day of the week are given (neither is `*`), a day that
/// fits either is taken, as POSIX has it. `?` is `*` in the two day fields, for those who come from Quartz.
///
/// Written in JSON as its text.
public struct CronExpression: Hashable, Sendable, Codable, CustomStringConvertible {
    /// As it was given.
    public let description: String
    let minutes: NumberSet
    let hours: NumberSet
    let days: CronDays
    let months: NumberSet

    /// - Throws: `InvalidSchedule`: names the field, what stands there and what is allowed; also for a date that never
    ///   comes, such as February 30.
    public init(_ text: String) throws(InvalidSchedule) {
        do throws(CronFault) {
            let parsed = try CronParser.parse(text)
            (minutes, hours, days, months) = (parsed.minutes, parsed.hours, parsed.days, parsed.months)
        } catch {
            throw InvalidSchedule("\"\(text)\" is no cron expression: \(error.text)")
        }
        description = text
        // All combinations of leap years and weekdays come within 28 years, of which none here ends a century.
        let start = Timestamp.days(fromCivil: 2001, 1, 1)
        guard (start..<start + 28 * 366).contains(where: matches(day:)) else {
            throw InvalidSchedule("\"\(text)\" is no cron expression: no date fits its day and month")
        }
    }

    public init(from decoder: any Decoder) throws {
        try self.init(try decoder.singleValueContainer().decode(String.self))
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }

    /// Runs in every hour, so that it follows elapsed time where clocks change.
    var isHourly: Bool { hours == NumberSet(0...23) }

    /// - Parameter day: Counted from 1970-01-01.
    package func matches(day: Int64) -> Bool {
        let (year, month, dayOfMonth) = Timestamp.civil(fromDays: day)
        guard months.contains(Int(month)) else { return false }
        let next = month == 12 ? (year + 1, Int64(1)) : (year, month + 1)
        let length = Timestamp.days(fromCivil: next.0, next.1, 1) - Timestamp.days(fromCivil: year, month, 1)
        // 1970-01-01 was a Thursday.
        let weekday = ((day + 4) % 7 + 7) % 7
        return days.contains(dayOfMonth: Int(dayOfMonth), of: Int(length), weekday: Int(weekday))
    }

    /// - Parameter localSecond: Of the wall clock, counted from 1970-01-01T00:00:00 there.
    package func matches(localSecond: Int64) -> Bool {
        let day = localSecond.flooredDivision(by: 86_400)
        let second = localSecond - day * 86_400
        return second % 60 == 0 && minutes.contains(Int(second / 60 % 60)) && hours.contains(Int(second / 3600))
            && matches(day: day)
    }
}

/// Which days an expression takes, by the month and by the week.
struct CronDays: Hashable, Sendable {
    var ofMonth = NumberSet()
    var hasLastOfMonth = false
    /// The field is `*`.
    var monthIsOpen = false
    var ofWeek = NumberSet()
    /// `FRI#2` as 5 * 6 + 2; the last Friday as 5 * 6.
    var numberedOfWeek = NumberSet()
    var weekIsOpen = false

    func contains(dayOfMonth day: Int, of length: Int, weekday: Int) -> Bool {
        let fitsMonth = ofMonth.contains(day) || (hasLastOfMonth && day == length)
        let fitsWeek =
            ofWeek.contains(weekday) || numberedOfWeek.contains(weekday * 6 + (day + 6) / 7)
            || (day + 7 > length && numberedOfWeek.contains(weekday * 6))
        if monthIsOpen { return fitsWeek || weekIsOpen }
        return weekIsOpen ? fitsMonth : fitsMonth || fitsWeek
    }
}

/// Numbers from 0 to 63.
struct NumberSet: Hashable, Sendable {
    private(set) var bits: UInt64 = 0

    init() {}

    init(_ range: ClosedRange<Int>) {
        for number in range { insert(number) }
    }

    mutating func insert(_ number: Int) { bits |= 1 << UInt64(number) }
    func contains(_ number: Int) -> Bool { bits >> UInt64(number) & 1 == 1 }

    /// The least that is not less than `number`.
    func first(from number: Int) -> Int? {
        guard number < 64 else { return nil }
        let left = bits >> UInt64(number)
        return left == 0 ? nil : number + left.trailingZeroBitCount
    }
}

extension Int64 {
    func flooredDivision(by divisor: Int64) -> Int64 {
        let (quotient, remainder) = quotientAndRemainder(dividingBy: divisor)
        return remainder < 0 ? quotient - 1 : quotient
    }
}
