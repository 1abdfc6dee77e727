import DurableCore
import DurableSchedules
import DurableTestKit
import Testing

@testable import nightly_schedule

@Suite("Example nightly-schedule") struct NightlyScheduleTests {
    @Test("Every night of a year has one report, at half past two in Berlin")
    func year() async throws {
        let environment = try TestOrchestrationEnvironment(report, Schedules())
        environment.mock(writeReport) { _ in }
        let id = try environment.start(
            Schedules.orchestration, input: ScheduleInput(try nightly(Report(file: "reports"))),
            id: Schedules.instanceID("nightly"))
        try await environment.advance(by: .seconds(365 * 86_400))
        let nights = try environment.calls(of: writeReport).map { "\($0.input.night)" }
        #expect(nights.count == 365)
        #expect(nights.first == "2026-01-01T01:30:00.000Z")
        #expect(nights.filter { $0.hasPrefix("2026-03-29") } == ["2026-03-29T01:00:00.000Z"])
        #expect(nights.filter { $0.hasPrefix("2026-10-25") } == ["2026-10-25T00:30:00.000Z"])
        #expect(try environment.status(of: id) == .running)
    }
}
