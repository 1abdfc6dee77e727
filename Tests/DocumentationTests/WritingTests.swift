import Durable
import DurableTestKit
import Testing

// Code of the article "Write an orchestration".

let readMeter = Activity("ReadMeter") { (meter: String, _: ActivityContext) -> Int in
    meter.utf8.count
}

let readMeters = Orchestration("ReadMeters") { (meters: [String], context: OrchestrationContext) -> Int in
    var total = 0
    for meter in meters {
        total += try await context.callActivity(readMeter, meter)
        context.setCustomStatus("\(total) so far")
    }
    context.logger.info("read \(meters.count) meters by \(context.now)")
    return total
}

let readMetersAtOnce = Orchestration("ReadMetersAtOnce") { (meters: [String], context: OrchestrationContext) -> Int in
    try await withThrowingTaskGroup(of: Int.self) { group in
        for meter in meters {
            group.addTask { try await context.callActivity(readMeter, meter) }
        }
        return try await group.reduce(0, +)
    }
}

func start(_ client: TaskHubClient) async throws -> Int {
    let started = try await client.start(readMeters, input: ["north", "south"], id: InstanceID("meters-2026-11-27"))
    return try await client.output(of: readMeters, started.id)
}

@Suite("Article: write an orchestration") struct WritingTests {
    @Test("Meters are read one after the other, and at once")
    func meters() async throws {
        let environment = try TestOrchestrationEnvironment(readMeter)
        #expect(try await environment.run(readMeters, input: ["north", "west"]) == 9)
        #expect(try await environment.run(readMetersAtOnce, input: ["north", "west"]) == 9)
        try environment.assertReplaySafe()
    }
}
