import DurableCore
import DurableTask
import FoundationEssentials
import Testing

@testable import DurableSchedules

@Suite("Schedules as values") struct SpecificationTests {
    private static func time(_ text: String) throws -> Timestamp { try #require(Timestamp(iso8601: text)) }

    private static func decode<Value: Decodable & Sendable>(
        _ json: String, as type: Value.Type = Value.self
    ) throws -> Value {
        try PayloadCoding.decode(type, from: Payload(Array(json.utf8)), as: "test")
    }

    private static func encode(_ value: some Encodable) throws -> String {
        String(decoding: try #require(try PayloadCoding.encode(value, as: "test")).bytes, as: UTF8.self)
    }

    @Test("An interval's times are multiples from the epoch on, moved by its phase")
    func interval() throws {
        let specification = ScheduleSpecification(
            intervals: [ScheduleInterval(every: .seconds(3600), phase: .seconds(900))])
        for (time, next) in [
            ("2026-11-27T10:14:59.999Z", "2026-11-27T10:15:00Z"), ("2026-11-27T10:15:00Z", "2026-11-27T11:15:00Z"),
            ("1969-12-31T23:30:00Z", "1970-01-01T00:15:00Z"),
        ] {
            #expect(try specification.next(after: Self.time(time)) == Self.time(next))
        }
    }

    @Test("Of several expressions and intervals each time comes once, in order")
    func union() throws {
        let specification = ScheduleSpecification(
            cron: [try CronExpression("0 12 * * *"), try CronExpression("0 */6 * * *")],
            intervals: [
                ScheduleInterval(every: .seconds(43_200)),
                ScheduleInterval(every: .seconds(86_400), phase: .seconds(60)),
            ])
        let found = try ScheduleTimes.find(
            ScheduleTimesRequest(
                specification: specification, after: try Self.time("2026-11-27T00:00:00Z"),
                through: try Self.time("2026-11-28T00:00:00Z"), limit: 100))
        let hours = found.times.map { $0.description.dropFirst(11).prefix(5) }
        #expect(hours == ["00:01", "06:00", "12:00", "18:00", "00:00"])
        #expect(try found.following.first == Self.time("2026-11-28T00:01:00Z"))
    }

    @Test("Nothing comes before the start, and nothing after the end")
    func limits() throws {
        var specification = ScheduleSpecification(
            cron: [try CronExpression("0 * * * *")], startAt: try Self.time("2026-11-27T10:00:00Z"),
            endAt: try Self.time("2026-11-27T11:00:00Z"))
        #expect(try specification.next(after: Self.time("2020-01-01T00:00:00Z")) == specification.startAt)
        #expect(try specification.next(after: Self.time("2026-11-27T10:00:00Z")) == specification.endAt)
        #expect(try specification.next(after: Self.time("2026-11-27T11:00:00Z")) == nil)
        specification.startAt = .distantFuture
        #expect(try specification.next(after: Self.time("2026-11-27T11:00:00Z")) == nil)
    }

    @Test(
        "An interval or window that cannot be used is refused",
        arguments: [
            (#"{"intervals":[{"everySeconds":0.5}]}"#, "an interval is 1 s to 100 years"),
            (#"{"intervals":[{"everySeconds":60,"phaseSeconds":60}]}"#, "less than the interval"),
            (#"{"intervals":[{"everySeconds":60,"phaseSeconds":-1}]}"#, "0 s or more"),
            (#"{"timeZone":"UTC"}"#, "neither"),
        ])
    func defects(json: String, reason: String) throws {
        let specification: ScheduleSpecification = try Self.decode(json)
        let error = try #require(throws: InvalidSchedule.self) { try specification.validate() }
        #expect(error.description.contains(reason), "\(error)")
    }

    @Test("A window too short for any time to be seen in, and an action without a name, are refused")
    func scheduleDefects() throws {
        let hourly = ScheduleSpecification(intervals: [ScheduleInterval(every: .seconds(3600))])
        try Schedule(hourly, ScheduleAction("Report"), catchUpWindow: .seconds(10)).validate()
        #expect(throws: InvalidSchedule.self) {
            try Schedule(hourly, ScheduleAction("Report"), catchUpWindow: .milliseconds(9999)).validate()
        }
        #expect(throws: InvalidSchedule.self) { try Schedule(hourly, ScheduleAction("")).validate() }
    }

    @Test("Times before the catch-up window are counted, not given, and of very many some are not even counted")
    func missed() throws {
        let now = try Self.time("2026-11-27T10:00:30Z")
        var request = ScheduleTimesRequest(
            specification: ScheduleSpecification(cron: [try CronExpression("* * * * *")]),
            after: now - .seconds(3600), through: now, earliest: now - .seconds(120), limit: 100)
        var found = try ScheduleTimes.find(request)
        #expect(found.times.map { $0.description.dropFirst(11).prefix(5) } == ["09:59", "10:00"])
        #expect(found.missedCount == 58)
        request.after = now - .seconds(86_400 * 365)
        found = try ScheduleTimes.find(request)
        #expect(found.times.count == 2)
        #expect(found.missedCount == ScheduleTimes.missedLimit)
    }

    @Test("A schedule has the JSON that its documentation says, and what is left out has its default")
    func json() throws {
        let schedule: Schedule = try Self.decode(
            #"{"specification":{"cron":["30 2 * * *"],"timeZone":"Europe/Berlin"},"action":{"orchestration":"Report"}}"#
        )
        #expect(
            schedule
                == Schedule(
                    ScheduleSpecification(cron: [try CronExpression("30 2 * * *")], timeZone: "Europe/Berlin"),
                    ScheduleAction("Report"), overlap: .skip, catchUpWindow: .seconds(86_400)))
        let text = try Self.encode(schedule)
        #expect(
            text
                == #"{"action":{"orchestration":"Report"},"catchUpWindowSeconds":86400,"isPaused":false,"overlap":"skip","#
                + #""specification":{"cron":["30 2 * * *"],"intervals":[],"timeZone":"Europe/Berlin"}}"#)
        #expect(try Self.decode(text, as: Schedule.self) == schedule)
        #expect(throws: PayloadError.self) {
            try Self.decode(#"{"cron":["61 * * * *"]}"#, as: ScheduleSpecification.self)
        }
    }

    @Test("Commands may be written by hand, and what has a default may be left out")
    func commands() throws {
        #expect(try Self.decode(#"{"pause":{}}"#) == ScheduleCommand.pause())
        #expect(try Self.decode(#"{"pause":{"note":"audit"}}"#) == ScheduleCommand.pause(note: "audit"))
        #expect(try Self.decode(#"{"trigger":{"overlap":"allowAll"}}"#) == ScheduleCommand.trigger(overlap: .allowAll))
        let from = try Self.time("2026-11-01T00:00:00Z")
        #expect(
            try Self.decode(#"{"backfill":{"from":"2026-11-01T00:00:00Z","through":"2026-11-01T00:00:00Z"}}"#)
                == ScheduleCommand.backfill(from: from, through: from))
        #expect(try Self.decode(#"{"delete":{}}"#) == ScheduleCommand.delete)
    }

    @Test(
        "An input is handed on as it was given",
        arguments: [
            #"{"a":[1,-2.5,true,null,"x",{"b":[]}],"c_d":{}}"#, "0.1", "9007199254740993", "123456789012345678901",
            "1e+300",
            "null", "false", #""text""#,
        ])
    func input(json: String) throws {
        let input: JSONInput = try Self.decode(json)
        #expect(try Self.encode(input) == json)
    }
}
