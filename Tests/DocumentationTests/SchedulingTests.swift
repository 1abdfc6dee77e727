import Durable
import DurableTestKit
import Testing

// Code of the article "Start on a schedule".

let writeReport = Activity("WriteReport") { (night: Timestamp, _: ActivityContext) in }

let report = Orchestration("Report") { (context: OrchestrationContext) in
    try await context.callActivity(writeReport, context.scheduledTime ?? context.now)
}

func makeSchedule(_ client: TaskHubClient) async throws {
    let nights = ScheduleSpecification(cron: [try CronExpression("30 2 * * *")], timeZone: "Europe/Berlin")
    try await client.createSchedule("nightly", Schedule(nights, starting: report, overlap: .bufferOne))
}

func lookAfterSchedule(_ client: TaskHubClient) async throws -> [Timestamp] {
    try await client.pauseSchedule("nightly", note: "the archive moves")
    try await client.resumeSchedule("nightly")
    try await client.triggerSchedule("nightly")
    return try await client.describeSchedule("nightly")?.nextTimes ?? []
}

@Suite("Article: start on a schedule") struct SchedulingTests {
    @Test("A run works on the time it is for")
    func scheduledTime() async throws {
        let environment = try TestOrchestrationEnvironment(writeReport)
        _ = try await environment.run(report, input: NoValue(), id: InstanceID("schedule:nightly/2026-11-27T01:30:00Z"))
        #expect(try environment.calls(of: writeReport).map(\.input.description) == ["2026-11-27T01:30:00.000Z"])
    }
}
