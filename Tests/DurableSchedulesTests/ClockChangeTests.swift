import DurableCore
import Testing

@testable import DurableSchedules

@Suite("Times where clocks change") struct ClockChangeTests {
    private static func times(_ text: String, in zone: String, after: String, through: String) throws -> [String] {
        let specification = ScheduleSpecification(cron: [try CronExpression(text)], timeZone: zone)
        let end = try #require(Timestamp(iso8601: through))
        var time = try #require(Timestamp(iso8601: after))
        var times: [String] = []
        while let next = try specification.next(after: time), next <= end {
            times.append(String(next.description.dropFirst(5).prefix(11)))
            time = next
        }
        return times
    }

    @Test("A local time that is skipped runs at the first instant after the gap")
    func gap() throws {
        // Berlin goes from 02:00 to 03:00 (01:00Z) on 2026-03-29.
        #expect(
            try Self.times(
                "30 2 * * *", in: "Europe/Berlin", after: "2026-03-27T12:00:00Z", through: "2026-03-30T12:00:00Z")
                == ["03-28T01:30", "03-29T01:00", "03-30T00:30"])
    }

    @Test("Several that are skipped, and the one right after the gap, run once together")
    func gapOfSeveral() throws {
        #expect(
            try Self.times(
                "*/15 2-3 * * *", in: "Europe/Berlin", after: "2026-03-29T00:00:00Z", through: "2026-03-29T12:00:00Z")
                == ["03-29T01:00", "03-29T01:15", "03-29T01:30", "03-29T01:45"])
    }

    @Test("A local time that comes twice runs once, the first time")
    func fold() throws {
        // Berlin goes from 03:00 back to 02:00 (01:00Z) on 2026-10-25; New York from 02:00 to 01:00 (06:00Z) on 11-01.
        #expect(
            try Self.times(
                "30 2 * * *", in: "Europe/Berlin", after: "2026-10-24T12:00:00Z", through: "2026-10-26T12:00:00Z")
                == ["10-25T00:30", "10-26T01:30"])
        #expect(
            try Self.times(
                "*/30 1 * * *", in: "America/New_York", after: "2026-11-01T00:00:00Z", through: "2026-11-01T12:00:00Z")
                == ["11-01T05:00", "11-01T05:30"])
    }

    @Test("Asked between the two, it does not run the second time")
    func insideFold() throws {
        #expect(
            try Self.times(
                "30 2 * * *", in: "Europe/Berlin", after: "2026-10-25T01:10:00Z", through: "2026-10-26T12:00:00Z")
                == ["10-26T01:30"])
    }

    @Test("An expression for every hour follows elapsed time")
    func hourly() throws {
        #expect(
            try Self.times(
                "30 * * * *", in: "Europe/Berlin", after: "2026-10-24T23:00:00Z", through: "2026-10-25T03:00:00Z")
                == ["10-24T23:30", "10-25T00:30", "10-25T01:30", "10-25T02:30"])
        #expect(
            try Self.times(
                "30 * * * *", in: "Europe/Berlin", after: "2026-03-29T00:00:00Z", through: "2026-03-29T03:00:00Z")
                == ["03-29T00:30", "03-29T01:30", "03-29T02:30"])
    }

    @Test("Zones with half hours, and clocks that change at midnight or by half an hour")
    func otherZones() throws {
        #expect(
            try Self.times(
                "0 6 * * *", in: "Asia/Kolkata", after: "2026-01-01T00:00:00Z", through: "2026-01-02T01:00:00Z")
                == ["01-01T00:30", "01-02T00:30"])
        // Havana goes from 00:00 to 01:00 (05:00Z) on 2025-03-09.
        #expect(
            try Self.times(
                "0 0 * * *", in: "America/Havana", after: "2025-03-08T12:00:00Z", through: "2025-03-10T12:00:00Z")
                == ["03-09T05:00", "03-10T04:00"])
        // Lord Howe goes from 02:00 to 02:30 (15:30Z the day before) on 2026-10-04.
        #expect(
            try Self.times(
                "15 2 * * *", in: "Australia/Lord_Howe", after: "2026-10-02T16:00:00Z", through: "2026-10-05T00:00:00Z")
                == ["10-03T15:30", "10-04T15:15"])
    }

    @Test("A whole day that is skipped, as in Samoa, runs at the first instant of the next")
    func skippedDay() throws {
        // Apia had no 2011-12-30: from the 29th, 24:00 at UTC-10, to the 31st at UTC+14 (10:00Z).
        #expect(
            try Self.times(
                "0 6 * * *", in: "Pacific/Apia", after: "2011-12-29T12:00:00Z", through: "2011-12-31T12:00:00Z")
                == ["12-29T16:00", "12-30T10:00", "12-30T16:00"])
    }

    @Test("A time zone that is not known is refused by name")
    func unknownZone() throws {
        let specification = ScheduleSpecification(intervals: [.init(every: .seconds(60))], timeZone: "Europe/Atlantis")
        let error = try #require(throws: InvalidSchedule.self) { try specification.validate() }
        #expect(error.description.hasPrefix("\"Europe/Atlantis\" is no time zone: use a name of the IANA database"))
    }
}

/// Compares with what minutes say when they are looked at one by one.
@Suite("Times, minute by minute") struct MinuteByMinuteTests {
    struct Generator: RandomNumberGenerator {
        var state: UInt64
        mutating func next() -> UInt64 {
            state &+= 0x9e37_79b9_7f4a_7c15
            var mixed = (state ^ (state >> 30)) &* 0xbf58_476d_1ce4_e5b9
            mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
            return mixed ^ (mixed >> 31)
        }
    }

    private static func field(_ range: ClosedRange<Int>, _ random: inout Generator, open: Int) -> String {
        if Int.random(in: 0..<100, using: &random) < open { return "*" }
        let items = (0..<Int.random(in: 1...2, using: &random)).map { _ in
            let (one, other) = (Int.random(in: range, using: &random), Int.random(in: range, using: &random))
            return switch Int.random(in: 0...3, using: &random) {
            case 0: "\(min(one, other))-\(max(one, other))"
            case 1: "\(min(one, other))-\(max(one, other))/\(Int.random(in: 1...20, using: &random))"
            case 2: "*/\(Int.random(in: 1...20, using: &random))"
            default: "\(one)"
            }
        }
        return items.joined(separator: ",")
    }

    private static func expression(_ random: inout Generator) -> String {
        [
            field(0...59, &random, open: 10), field(0...23, &random, open: 30), field(1...28, &random, open: 60),
            field(1...12, &random, open: 80), field(0...7, &random, open: 60),
        ].joined(separator: " ")
    }

    /// What runs in the minute that ends at `second`, looked at by itself.
    private static func runs(_ expression: CronExpression, at second: Int64, on clock: WallClock) -> Bool {
        let (offset, before) = (clock.offset(at: second), clock.offset(at: second - 60))
        let local = second + offset
        if expression.isHourly { return expression.matches(localSecond: local) }
        if offset > before {
            let skipped = stride(from: second + before, through: local, by: 60)
            return skipped.contains { expression.matches(localSecond: $0) }
        }
        // Shown before, within the last three hours.
        let earlier = stride(from: second - 180 * 60, to: second, by: 60)
        return expression.matches(localSecond: local) && !earlier.contains { $0 + clock.offset(at: $0) == local }
    }

    @Test(
        "Random expressions have the times that a walk over all minutes finds",
        arguments: ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Havana", "UTC"])
    func walk(zone: String) throws {
        let clock = try WallClock(zone)
        // Ten days round each change of Berlin and New York, Lord Howe and Havana.
        let starts = ["2026-03-03", "2026-03-22", "2026-03-30", "2026-10-01", "2026-10-20", "2026-10-28"]
        var random = Generator(state: 7)
        var found = 0
        for _ in 0..<12 {
            let text = Self.expression(&random)
            guard let expression = try? CronExpression(text) else { continue }
            let start =
                try #require(Timestamp(iso8601: "\(starts.randomElement(using: &random) ?? "")T00:00:00Z"))
                .millisecondsSinceEpoch / 1000
            let end = start + 10 * 86_400
            let walked = stride(from: start + 60, through: end, by: 60)
                .filter { Self.runs(expression, at: $0, on: clock) }
            var computed: [Int64] = []
            var second = start
            while let next = expression.next(after: second, on: clock), next <= end {
                computed.append(next)
                second = next
            }
            #expect(computed == walked, "\"\(text)\" in \(zone) from \(start)")
            found += walked.count
        }
        #expect(found > 100)
    }
}
