import DurableCore
import Testing

@testable import DurableSchedules

@Suite("Cron expressions") struct CronExpressionTests {
    private static func times(_ text: String, after: String, count: Int) throws -> [String] {
        let clock = try WallClock("UTC")
        let expression = try CronExpression(text)
        var second = try #require(Timestamp(iso8601: after)).millisecondsSinceEpoch / 1000
        var times: [String] = []
        while times.count < count, let next = expression.next(after: second, on: clock) {
            times.append(String(Timestamp(millisecondsSinceEpoch: next * 1000).description.prefix(16)))
            second = next
        }
        return times
    }

    @Test(
        "An expression gives the times that its fields say",
        arguments: [
            // 2026-11-27 is a Friday.
            ("30 2 * * *", ["2026-11-28T02:30", "2026-11-29T02:30"]),
            ("*/20 * * * *", ["2026-11-27T10:20", "2026-11-27T10:40", "2026-11-27T11:00"]),
            ("10-40/15 10 * * *", ["2026-11-27T10:10", "2026-11-27T10:25", "2026-11-27T10:40", "2026-11-28T10:10"]),
            ("50/5 * * * *", ["2026-11-27T10:50", "2026-11-27T10:55", "2026-11-27T11:50"]),
            ("0 9-10,17 * * MON-WED", ["2026-11-30T09:00", "2026-11-30T10:00", "2026-11-30T17:00"]),
            ("0 0 * * FRI-SUN", ["2026-11-28T00:00", "2026-11-29T00:00", "2026-12-04T00:00"]),
            ("0 0 * * 0", ["2026-11-29T00:00", "2026-12-06T00:00"]),
            ("0 0 * * 7", ["2026-11-29T00:00", "2026-12-06T00:00"]),
            ("0 0 * * 6/1", ["2026-11-28T00:00", "2026-12-05T00:00"]),
            ("0 0 13 * FRI", ["2026-12-04T00:00", "2026-12-11T00:00", "2026-12-13T00:00"]),
            ("0 0 ? jan,Mar mon", ["2027-01-04T00:00", "2027-01-11T00:00"]),
            ("0 0 */10 * *", ["2026-12-01T00:00", "2026-12-11T00:00", "2026-12-21T00:00", "2026-12-31T00:00"]),
            ("0 22 L * *", ["2026-11-30T22:00", "2026-12-31T22:00", "2027-01-31T22:00", "2027-02-28T22:00"]),
            ("0 0 * * FRI#2", ["2026-12-11T00:00", "2027-01-08T00:00"]),
            ("0 0 * * 5L", ["2026-12-25T00:00", "2027-01-29T00:00", "2027-02-26T00:00"]),
            ("0 0 29 2 *", ["2028-02-29T00:00", "2032-02-29T00:00"]),
            ("0 0 * 2 TUE#5", ["2028-02-29T00:00", "2056-02-29T00:00"]),
            ("@monthly", ["2026-12-01T00:00", "2027-01-01T00:00"]),
            ("@WEEKLY", ["2026-11-29T00:00"]),
        ])
    func fields(text: String, expected: [String]) throws {
        #expect(try Self.times(text, after: "2026-11-27T10:00:00Z", count: expected.count) == expected)
    }

    @Test("A time is after the one asked about, never that one itself")
    func strictlyAfter() throws {
        #expect(try Self.times("0 10 * * *", after: "2026-11-27T10:00:00Z", count: 1) == ["2026-11-28T10:00"])
        #expect(try Self.times("0 10 * * *", after: "2026-11-27T09:59:59Z", count: 1) == ["2026-11-27T10:00"])
    }

    @Test(
        "What is no expression is refused with the field, what stands there, and what is allowed",
        arguments: [
            ("60 * * * *", #"the minute "60" is out of range; allowed are 0 to 59"#),
            ("* 24 * * *", #"the hour "24" is out of range"#),
            ("* * 0 * *", #"the day of the month "0" is out of range; allowed are 1 to 31, L for the last"#),
            ("* * * 13 *", #"the month "13" is out of range; allowed are 1 to 12, JAN to DEC"#),
            ("* * * * 8", #"the day of the week "8" is out of range; allowed are 0 to 7 (0 and 7 are Sunday)"#),
            ("* * * * FRX", #"the day of the week "FRX" cannot be read"#),
            ("* * * * FRI#6", #"the day of the week "FRI#6" has no number from 1 to 5 after its #"#),
            ("30-10 * * * *", #"the minute "30-10" goes backwards"#),
            ("*/0 * * * *", #"the minute "*/0" has no number from 1 after its /"#),
            ("*/2/2 * * * *", #"the minute "*/2/2" cannot be read"#),
            ("1,,2 * * * *", #"the minute "" cannot be read"#),
            ("-5 * * * *", #"the minute "-5" cannot be read"#),
            ("+5 * * * *", #"the minute "+5" cannot be read"#),
            ("? * * * *", #"the minute "?" cannot be read"#),
            ("* * * *", "it has 4 fields, and must have 5: minute, hour"),
            ("0 * * * * *", "it has 6 fields"),
            ("", "it has 0 fields"),
            ("@noon", "of words there are @annually, @daily"),
            ("0 0 30 2 *", "no date fits"),
            ("0 0 31 4,6,9,11 *", "no date fits"),
        ])
    func refused(text: String, reason: String) throws {
        let error = try #require(throws: InvalidSchedule.self) { try CronExpression(text) }
        #expect(error.description.hasPrefix("\"\(text)\" is no cron expression: "))
        #expect(error.description.contains(reason), "\(error)")
    }
}
