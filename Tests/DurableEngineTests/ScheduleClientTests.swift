import Durable
import DurableClient
import DurableCore
import DurableSchedules
import DurableTask
import Foundation
import Testing

@Suite("Schedules through the client") struct ScheduleClientTests {
    private let report = Orchestration("Report") { (kind: String, context: OrchestrationContext) -> String in
        "\(kind) \(context.scheduledTime == nil ? "of no time" : "in time")"
    }

    @Test("A schedule is made, triggered, changed and deleted, and its last word tells all of it")
    func wholeLife() async throws {
        let path = FileManager.default.temporaryDirectory.path + "/dtq-schedule-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: path) }
        let hub = try await TaskHub.embedded(path: path, report, Schedules())
        let client = hub.client
        let yearly = ScheduleSpecification(cron: [try CronExpression("0 0 29 2 *")])
        let schedule = try Schedule(yearly, starting: report, input: "first", overlap: .bufferAll)
        #expect(try await client.createSchedule("rare", schedule).answer == .created)
        #expect(try await client.createSchedule("rare", schedule).answer == .exists)
        try await client.triggerSchedule("rare")
        try await client.pauseSchedule("rare", note: "audit")
        var second = try Schedule(yearly, starting: report, input: "second", overlap: .bufferAll)
        second.note = "new"
        try await client.updateSchedule("rare", to: second)
        try await client.triggerSchedule("rare")
        try await client.resumeSchedule("rare", note: "done")
        try await client.deleteSchedule("rare")
        let last = try await client.output(of: Schedules.instanceID("rare"), as: ScheduleDescription.self)
        #expect(last.counts.started == 2)
        #expect(try await client.describeSchedule("rare") == last)
        let runs = last.recentStarts.map(\.instanceID)
        var outputs: [String] = []
        for run in runs { outputs.append(try await client.output(of: run)) }
        #expect(outputs == ["first in time", "second in time"])
        #expect(try await client.describeSchedule("nobody's") == nil)
        await #expect(throws: InvalidSchedule.self) { try await client.createSchedule("", schedule) }
        _ = try await hub.shutDown()
    }
}
