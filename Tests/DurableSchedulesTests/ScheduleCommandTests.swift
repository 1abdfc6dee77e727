import DurableCore
import DurableTask
import DurableTestKit
import Testing

@testable import DurableSchedules

@Suite("Commands to schedules") struct ScheduleCommandTests {
    private static let midnight = Timestamp(millisecondsSinceEpoch: 1_767_225_600_000)

    @Test("While a schedule is paused its times pass, and are not made up for")
    func pause() async throws {
        let bench = try ScheduleBench()
        bench.send(.pause(note: "audit"), afterMinutes: 90)
        bench.send(.resume(), afterMinutes: 210)
        try await bench.advance(minutes: 180)
        var description = try bench.description()
        #expect(description.schedule.isPaused)
        #expect(description.schedule.note == "audit")
        #expect(description.nextTimes == [])
        try await bench.advance(minutes: 120)
        #expect(try bench.runs == ["01T01:00", "01T04:00", "01T05:00"])
        description = try bench.description()
        #expect(!description.schedule.isPaused)
        #expect(description.schedule.note == nil)
        try bench.environment.assertReplaySafe()
    }

    @Test("A schedule may be made paused; a trigger starts a run all the same, another one is another run")
    func trigger() async throws {
        let bench = try ScheduleBench { $0.isPaused = true }
        bench.send(.trigger(), afterMinutes: 70)
        bench.send(.trigger(), afterMinutes: 71)
        try await bench.advance(minutes: 200)
        #expect(try bench.runs == ["01T01:10", "01T01:11"])
        #expect(
            bench.environment.instances.map(\.value).suffix(2) == [
                "schedule:s/2026-01-01T01:10:00Z/trigger-1", "schedule:s/2026-01-01T01:11:00Z/trigger-2",
            ])
        try bench.environment.assertReplaySafe()
    }

    @Test(
        "A trigger while a run goes on follows the policy, its own before the schedule's",
        arguments: [
            (ScheduleOverlapPolicy?.none, ["01:00"], 2), (.bufferOne, ["01:00", "01:50"], 1),
            (.bufferAll, ["01:00", "01:50", "02:40"], 0), (.allowAll, ["01:00", "01:20", "01:20"], 0),
        ])
    func triggerOverlap(overlap: ScheduleOverlapPolicy?, begins: [String], skipped: Int) async throws {
        let bench = try ScheduleBench(.skip, jobTakes: 50) { schedule in
            schedule.specification.endAt = Timestamp(iso8601: "2026-01-01T01:00:00Z")
        }
        bench.send(.trigger(overlap: overlap), afterMinutes: 80)
        bench.send(.trigger(overlap: overlap), afterMinutes: 80)
        try await bench.advance(minutes: 300)
        #expect(try bench.begins.map { String($0.dropFirst(3)) } == begins)
        #expect(try bench.description().counts.skipped == skipped)
        try bench.environment.assertReplaySafe()
    }

    @Test("A backfill starts what was never started, both ends included, one after the other and after what is due")
    func backfill() async throws {
        let bench = try ScheduleBench(.bufferOne, jobTakes: 25) { $0.isPaused = true }
        bench.send(.resume(), afterMinutes: 210)
        bench.send(
            .backfill(from: Self.midnight + .seconds(7200), through: Self.midnight + .seconds(86_400)),
            afterMinutes: 250)
        try await bench.advance(minutes: 400)
        // 02:00 and 03:00 passed while it was paused; 04:00 has run.
        #expect(try bench.runs == ["01T04:00", "01T02:00", "01T03:00", "01T05:00", "01T06:00"])
        #expect(try bench.begins == ["01T04:00", "01T04:25", "01T04:50", "01T05:15", "01T06:00"])
        #expect(try bench.description().openBackfillCount == 0)
        #expect(try bench.description().counts.started == 5)
        try bench.environment.assertReplaySafe()
    }

    @Test("A concurrent backfill of hundreds of times starts each once, at once")
    func concurrentBackfill() async throws {
        let bench = try ScheduleBench(.skip, jobTakes: 25) { $0.isPaused = true }
        let start = Self.midnight - .seconds(300 * 3600)
        let last = Self.midnight - .seconds(3600)
        bench.send(.backfill(from: start, through: last, isConcurrent: true), afterMinutes: 10)
        try await bench.advance(minutes: 11)
        #expect(try bench.runs.count == 300)
        #expect(Set(try bench.environment.calls(of: work).map(\.input)).count == 300)
        #expect(try bench.environment.history(of: bench.id).events.count < 500)
        try bench.environment.assertReplaySafe()
    }

    @Test("A backfill whose times cannot be computed is tried again, and started whole")
    func backfillTriedAgain() async throws {
        let bench = try ScheduleBench { $0.isPaused = true }
        try bench.environment.fail(
            ScheduleTimes.activity, with: FailureDetails(errorType: "InvalidSchedule", message: "no such zone"), next: 1
        )
        bench.send(
            .backfill(from: Self.midnight - .seconds(7200), through: Self.midnight - .seconds(3600)), afterMinutes: 10)
        try await bench.advance(minutes: 10)
        #expect(try bench.description().problem == "no such zone")
        #expect(try bench.description().openBackfillCount == 1)
        try await bench.advance(minutes: 2)
        #expect(try bench.runs == ["31T22:00", "31T23:00"])
        #expect(try bench.description().openBackfillCount == 0)
    }

    @Test("A backfill's runs cost no regular time")
    func backfillGivesWay() async throws {
        let bench = try ScheduleBench(.skip, jobTakes: 40)
        bench.send(
            .backfill(from: Self.midnight - .seconds(7200), through: Self.midnight - .seconds(3600)),
            afterMinutes: 165)
        try await bench.advance(minutes: 240)
        // The backfill's first run goes on over 03:00.
        #expect(try bench.runs == ["01T01:00", "01T02:00", "31T22:00", "01T03:00"])
        #expect(try bench.description().counts.skipped == 0)
    }

    @Test("A schedule that cannot be used fails with its reason; as an update it is left out")
    func invalid() async throws {
        let start = try ScheduleBench { $0.catchUpWindow = .seconds(1) }
        try await start.environment.runUntilIdle()
        #expect(try start.environment.history(of: start.id).failure?.errorType == "InvalidSchedule")

        let bench = try ScheduleBench()
        var other = bench.schedule
        other.action.orchestration = ""
        bench.send(.update(schedule: other), afterMinutes: 10)
        try await bench.advance(minutes: 70)
        #expect(try bench.description().problem?.hasPrefix("an update was left out: ") == true)
        #expect(try bench.runs == ["01T01:00"])

        let json = #"{"schedule":{"specification":{"cron":["61 * * * *"]},"action":{"orchestration":"Job"}}}"#
        let error = #expect(throws: PayloadError.self) {
            try PayloadCoding.decode(ScheduleInput.self, from: Payload(json), as: "the input")
        }
        #expect(error?.description.contains("minute") == true, "\(error?.description ?? "")")
    }

    @Test("A backfill of what has run starts nothing, and says so")
    func backfillAgain() async throws {
        let bench = try ScheduleBench()
        bench.send(.backfill(from: Self.midnight, through: Self.midnight + .seconds(86_400)), afterMinutes: 150)
        try await bench.advance(minutes: 151)
        // Midnight itself was before the schedule.
        #expect(try bench.runs == ["01T01:00", "01T02:00", "01T00:00"])
        let description = try bench.description()
        #expect(description.counts.started == 3)
        #expect(description.recentStarts.map(\.outcome) == [.completed, .completed, .completed, .existed, .existed])
    }

    @Test("An update holds from then on; whether it is paused does not change by it")
    func update() async throws {
        let bench = try ScheduleBench()
        var other = Schedule(
            ScheduleSpecification(cron: [try CronExpression("15 * * * *")]), starting: job, overlap: .allowAll)
        other.isPaused = true
        bench.send(.update(schedule: other), afterMinutes: 130)
        try await bench.advance(minutes: 200)
        #expect(try bench.runs == ["01T01:00", "01T02:00", "01T02:15", "01T03:15"])
        #expect(try bench.description().schedule.isPaused == false)
        try bench.environment.assertReplaySafe()
    }

    @Test("An update during a run to a policy that lets runs overlap no longer waits for it")
    func updateDuringRun() async throws {
        let bench = try ScheduleBench(.skip, jobTakes: 600)
        var other = bench.schedule
        other.overlap = .allowAll
        bench.send(.update(schedule: other), afterMinutes: 130)
        try await bench.advance(minutes: 190)
        #expect(try bench.begins == ["01T01:00", "01T03:00"])
        #expect(try bench.description().recentStarts.map(\.outcome) == [.started, .started])
        try bench.environment.assertReplaySafe()
    }

    @Test("A deleted schedule ends, and the run that is under way goes on", arguments: [90, 75])
    func delete(afterMinutes minutes: Int) async throws {
        let bench = try ScheduleBench(.skip, jobTakes: 20)
        bench.send(.delete, afterMinutes: minutes)
        try await bench.advance(minutes: 400)
        #expect(try bench.environment.status(of: bench.id) == .completed)
        #expect(try bench.runs == ["01T01:00"])
        #expect(try bench.environment.status(of: InstanceID("schedule:s/2026-01-01T01:00:00Z")) == .completed)
        try bench.environment.assertReplaySafe()
    }

    @Test("What is no command is left out, shown, and forgotten with the next that is one")
    func unreadable() async throws {
        let bench = try ScheduleBench(.skip, jobTakes: 30)
        for minutes in [10, 70] {
            bench.environment.schedule(after: .seconds(minutes * 60)) { [id = bench.id] in
                try $0.raiseEvent(ScheduleCommand.eventName, to: id, "explode")
            }
        }
        bench.send(.pause(), afterMinutes: 140)
        try await bench.advance(minutes: 135)
        #expect(try bench.description().problem?.hasPrefix("a command was left out: ") == true)
        #expect(try bench.runs == ["01T01:00", "01T02:00"])
        try await bench.advance(minutes: 10)
        #expect(try bench.description().problem == nil)
        try bench.environment.assertReplaySafe()
    }

    @Test("A specification that workers cannot use is shown and tried again, and an update mends it")
    func problem() async throws {
        let bench = try ScheduleBench { $0.specification.timeZone = "Europe/Atlantis" }
        var mended = bench.schedule
        mended.specification.timeZone = "UTC"
        bench.send(.update(schedule: mended), afterMinutes: 180)
        try await bench.advance(minutes: 179)
        #expect(try bench.description().problem?.contains("Europe/Atlantis") == true)
        #expect(try bench.environment.history(of: bench.id).events.count < 300)
        try await bench.advance(minutes: 62)
        #expect(try bench.description().problem == nil)
        #expect(try bench.runs == ["01T04:00"])
        try bench.environment.assertReplaySafe()
    }

    @Test("Commands that come together are taken in order, none is lost, also across executions")
    func manyCommands() async throws {
        let bench = try ScheduleBench(.allowAll) { $0.isPaused = true }
        for _ in 0..<150 { bench.send(.trigger(), afterMinutes: 10) }
        bench.send(.delete, afterMinutes: 10)
        try await bench.advance(minutes: 11)
        #expect(try bench.runs.count == 150)
        #expect(try bench.environment.status(of: bench.id) == .completed)
        try bench.environment.assertReplaySafe()
    }

    @Test("Names that cannot be used are refused", arguments: ["", "a\u{1}", String(repeating: "x", count: 201)])
    func names(name: String) {
        #expect(throws: InvalidSchedule.self) { try Schedules.validate(name: name) }
    }
}
