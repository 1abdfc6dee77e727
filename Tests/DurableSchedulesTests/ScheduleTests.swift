import DurableCore
import DurableTask
import DurableTestKit
import Testing

@testable import DurableSchedules

let work = Activity("Work") { (night: String, _: ActivityContext) in night }

/// Takes as long as the activity's mock says, and returns the time it is for.
let job = Orchestration("Job") { (context: OrchestrationContext) -> String in
    try await context.callActivity(work, context.scheduledTime.map { "\($0)" } ?? "none")
}

/// A schedule of `job` at every full hour, from 2026-01-01T00:00:00Z on, in virtual time.
struct ScheduleBench {
    let environment: TestOrchestrationEnvironment
    let id = Schedules.instanceID("s")
    /// As it was given.
    let schedule: Schedule

    init(
        _ overlap: ScheduleOverlapPolicy = .skip, jobTakes minutes: Int = 0, change: (inout Schedule) -> Void = { _ in }
    ) throws {
        environment = try TestOrchestrationEnvironment(job, Schedules())
        environment.mock(work, taking: .seconds(minutes * 60)) { $0 }
        var schedule = Schedule(
            ScheduleSpecification(cron: [try CronExpression("0 * * * *")]), starting: job, overlap: overlap)
        change(&schedule)
        self.schedule = schedule
        try environment.start(Schedules.orchestration, input: ScheduleInput(schedule), id: id)
    }

    func send(_ command: ScheduleCommand, afterMinutes minutes: Int) {
        environment.schedule(after: .seconds(minutes * 60)) { [id] in
            try $0.raiseEvent(ScheduleCommand.eventName, to: id, command)
        }
    }

    func advance(minutes: Int) async throws { try await environment.advance(by: .seconds(minutes * 60)) }

    /// Day, hour and minute of what runs are for, in order of their begin.
    var runs: [String] { get throws { try environment.calls(of: work).map { Self.short($0.input) } } }

    /// Day, hour and minute at which runs began.
    var begins: [String] { get throws { try environment.calls(of: work).map { Self.short($0.time.description) } } }

    func description() throws -> ScheduleDescription {
        try #require(try environment.customStatus(of: id, as: ScheduleDescription.self))
    }

    private static func short(_ time: String) -> String { String(time.dropFirst(8).prefix(8)) }
}

@Suite("Schedules") struct ScheduleTests {
    @Test("Each time is started once, under an ID made of schedule and time, and knows its time")
    func starts() async throws {
        let bench = try ScheduleBench()
        try await bench.advance(minutes: 181)
        #expect(try bench.runs == ["01T01:00", "01T02:00", "01T03:00"])
        #expect(try bench.begins == bench.runs)
        let ids = bench.environment.instances.map(\.value).filter { $0 != bench.id.value }
        #expect(ids == (1...3).map { "schedule:s/2026-01-01T0\($0):00:00Z" })
        let description = try bench.description()
        #expect(description.counts.started == 3)
        #expect(description.recentStarts.map(\.outcome) == [.completed, .completed, .completed])
        #expect(description.nextTimes.first == bench.environment.now + .seconds(59 * 60))
        #expect(description.nextTimes.count == 5)
        try bench.environment.assertReplaySafe()
    }

    @Test("A year of nights, clock changes among them, is a year of runs with a short history")
    func year() async throws {
        let bench = try ScheduleBench { schedule in
            guard let nights = try? CronExpression("30 2 * * *") else { return }
            schedule.specification = ScheduleSpecification(cron: [nights], timeZone: "Europe/Berlin")
        }
        try await bench.advance(minutes: 365 * 24 * 60)
        let runs = try bench.runs
        #expect(runs.count == 365)
        #expect(Set(runs.map { $0.dropFirst(3) }) == ["01:30", "00:30", "01:00"])
        #expect(try bench.environment.calls(of: work).filter { $0.input.hasPrefix("2026-03-29") }.count == 1)
        #expect(try bench.environment.history(of: bench.id).events.count < 400)
        #expect(try bench.description().counts.started == 365)
    }

    @Test("Skip leaves out what comes while a run goes on")
    func skip() async throws {
        let bench = try ScheduleBench(.skip, jobTakes: 150)
        try await bench.advance(minutes: 250)
        #expect(try bench.begins == ["01T01:00", "01T04:00"])
        #expect(try bench.description().counts.skipped == 2)
        #expect(try bench.description().running == InstanceID("schedule:s/2026-01-01T04:00:00Z"))
        try bench.environment.assertReplaySafe()
    }

    @Test("Buffer one starts the first such time when the run has ended, and leaves out the others")
    func bufferOne() async throws {
        let bench = try ScheduleBench(.bufferOne, jobTakes: 150)
        try await bench.advance(minutes: 6 * 60 + 5)
        #expect(try bench.runs == ["01T01:00", "01T02:00", "01T04:00"])
        // The time at which the run ends is still one that came while it went on.
        #expect(try bench.begins == ["01T01:00", "01T03:30", "01T06:00"])
        #expect(try bench.description().counts.skipped == 3)
        try bench.environment.assertReplaySafe()
    }

    @Test("Buffer all starts every time, one after the other, however late")
    func bufferAll() async throws {
        let bench = try ScheduleBench(.bufferAll, jobTakes: 90) { $0.catchUpWindow = .seconds(600) }
        try await bench.advance(minutes: 9 * 60)
        #expect(try bench.runs == (1...6).map { "01T0\($0):00" })
        #expect(try bench.begins == ["01T01:00", "01T02:30", "01T04:00", "01T05:30", "01T07:00", "01T08:30"])
        #expect(try bench.description().counts.missed == 0)
        try bench.environment.assertReplaySafe()
    }

    @Test("Times that wait for a run are not missed because they could not be computed at once")
    func bufferAllTriedAgain() async throws {
        let bench = try ScheduleBench(.bufferAll, jobTakes: 150) { $0.catchUpWindow = .seconds(600) }
        bench.environment.schedule(after: .seconds(200 * 60)) {
            try $0.fail(
                ScheduleTimes.activity, with: FailureDetails(errorType: "Broken", message: "no zone data"), next: 1)
        }
        try await bench.advance(minutes: 220)
        #expect(try bench.description().counts.missed == 0)
        #expect(try bench.runs == ["01T01:00", "01T02:00"])
    }

    @Test("Allow all starts each time beside what runs")
    func allowAll() async throws {
        let bench = try ScheduleBench(.allowAll, jobTakes: 150)
        try await bench.advance(minutes: 190)
        #expect(try bench.begins == ["01T01:00", "01T02:00", "01T03:00"])
        #expect(try bench.description().running == nil)
        #expect(try bench.description().recentStarts.map(\.outcome) == [.started, .started, .started])
        try bench.environment.assertReplaySafe()
    }

    @Test("A failed run is counted and stops nothing")
    func failure() async throws {
        let bench = try ScheduleBench()
        bench.environment.fail(work, next: 1)
        try await bench.advance(minutes: 130)
        #expect(try bench.runs.count == 2)
        #expect(try bench.description().counts.failed == 1)
        #expect(try bench.description().recentStarts.map(\.outcome) == [.failed, .completed])
    }

    @Test(
        "Times that nobody saw are made up for within the catch-up window, older ones are missed",
        arguments: [true, false])
    func catchUp(isOneByOne: Bool) async throws {
        let bench = try ScheduleBench(isOneByOne ? .bufferAll : .allowAll) { $0.catchUpWindow = .seconds(2 * 3600) }
        try await bench.advance(minutes: 90)
        // A worker that is not there looks like this too: timers wait, and fire late.
        try bench.environment.suspend(bench.id)
        try await bench.advance(minutes: 5 * 60)
        try bench.environment.resume(bench.id)
        try await bench.advance(minutes: 1)
        #expect(try bench.runs == ["01T01:00", "01T05:00", "01T06:00"])
        #expect(try bench.description().counts.missed == 3)
        try await bench.advance(minutes: 30)
        #expect(try bench.runs.last == "01T07:00")
        try bench.environment.assertReplaySafe()
    }

    @Test("With skip, of several times that nobody saw one is run")
    func catchUpSkip() async throws {
        let bench = try ScheduleBench(.skip)
        try bench.environment.suspend(bench.id)
        try await bench.advance(minutes: 5 * 60 + 30)
        try bench.environment.resume(bench.id)
        try await bench.advance(minutes: 40)
        // It began when it was resumed: what was before is not its own.
        #expect(try bench.runs == ["01T06:00"])
        try bench.environment.suspend(bench.id)
        try await bench.advance(minutes: 3 * 60)
        try bench.environment.resume(bench.id)
        try await bench.advance(minutes: 1)
        #expect(try bench.runs == ["01T06:00", "01T07:00"])
        #expect(try bench.description().counts.skipped == 2)
    }

    @Test("Far more times than a page holds are started once each")
    func manyPages() async throws {
        let bench = try ScheduleBench(.allowAll) { $0.catchUpWindow = .seconds(30 * 86_400) }
        try await bench.advance(minutes: 1)
        try bench.environment.suspend(bench.id)
        try await bench.advance(minutes: 20 * 24 * 60)
        try bench.environment.resume(bench.id)
        try await bench.advance(minutes: 1)
        let runs = try bench.runs
        #expect(runs.count == 480)
        #expect(Set(runs).count == 480)
        #expect(try bench.description().counts.started == 480)
    }

    @Test("After its last time a schedule ends, and its output says what it did")
    func end() async throws {
        let bench = try ScheduleBench(jobTakes: 90) {
            $0.specification.endAt = Timestamp(iso8601: "2026-01-01T03:00:00Z")
        }
        let last = try await bench.environment.output(of: Schedules.orchestration, bench.id)
        #expect(last.counts.started == 2)
        #expect(last.counts.skipped == 1)
        #expect(last.nextTimes.isEmpty)
    }

    @Test("Input and version reach each run")
    func action() async throws {
        let echo = Orchestration("Echo") { (input: [String: [Int]], context: OrchestrationContext) in
            "\(input["a"] ?? []) \(context.version ?? "")"
        }
        let environment = try TestOrchestrationEnvironment(echo, Schedules())
        for overlap in ScheduleOverlapPolicy.allCases {
            let schedule = try Schedule(
                ScheduleSpecification(
                    intervals: [ScheduleInterval(every: .seconds(60))], endAt: environment.now + .seconds(60)),
                starting: echo, input: ["a": [1, 2]], version: "v7", overlap: overlap)
            let id = Schedules.instanceID(overlap.rawValue)
            try environment.start(Schedules.orchestration, input: ScheduleInput(schedule), id: id)
            let end = try await environment.output(of: Schedules.orchestration, id)
            let run = try #require(end.recentStarts.first).instanceID
            #expect(try await environment.output(of: echo, run) == "[1, 2] v7")
        }
    }
}
