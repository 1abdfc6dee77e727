import DurableBackend
import DurableCore
import DurableEngine
import DurableMemory
import DurableSQLite
import DurableTask
import DurableWorker
import Testing

@Suite("Time is data") struct TimerTests {
    @Test func monthLongTimerFiresAtItsTimeAfterAnotherWorkerTookOver() async throws {
        let hub = try await EngineHarness()
        let flow = Orchestration("Flow") { (context: OrchestrationContext) -> [Int64] in
            let before = context.now
            try await context.sleep(for: .seconds(30 * 86_400))
            return [before.millisecondsSinceEpoch, context.now.millisecondsSinceEpoch]
        }
        let first = try hub.startWorker("w1", [flow])
        try await hub.start("Flow", id: "a")
        try await hub.wait(for: "a", .running)
        let started = hub.clock.now()
        try await first.stop()
        hub.clock.advance(by: .seconds(20 * 86_400))
        let second = try hub.startWorker("w2", [flow])
        try await hub.wait(for: "a", .running)
        hub.clock.advance(to: started + .seconds(30 * 86_400 - 60))
        #expect(try await hub.snapshot("a")?.status == .running)
        try await hub.wait(for: "a", .completed, moving: .seconds(1))
        try await second.stop()
    }

    @Test func manyTimersFireInOrderThoughFewAreInMemory() async throws {
        let hub = try await EngineHarness()
        let flow = Orchestration("Flow") { (seconds: Int, context: OrchestrationContext) -> Int64 in
            try await context.sleep(for: .seconds(seconds))
            return context.now.millisecondsSinceEpoch
        }
        let worker = try hub.startWorker("w1", [flow]) { $0.engine.timerLimit = 4 }
        for number in 0..<40 { try await hub.start("Flow", id: "t-\(number)", input: "\(1000 - number * 20)") }
        for number in 0..<40 { try await hub.wait(for: "t-\(number)", .running, moving: .zero) }
        var ends: [Int64] = []
        for number in (0..<40).reversed() {
            let snapshot = try await hub.wait(for: "t-\(number)", .completed, moving: .milliseconds(500))
            ends.append(Int64(snapshot.output?.text ?? "") ?? 0)
        }
        #expect(ends == ends.sorted())
        try await worker.stop()
    }

    @Test func laterStartWaitsForItsTime() async throws {
        let hub = try await EngineHarness()
        let flow = Orchestration("Flow") { (context: OrchestrationContext) -> String in "done" }
        let worker = try hub.startWorker("w1", [flow])
        try await hub.start("Flow", id: "a", startAt: hub.clock.now() + .seconds(3600))
        try await hub.wait(for: "a", .pending)
        hub.clock.advance(by: .seconds(1800))
        #expect(try await hub.snapshot("a")?.status == .pending)
        try await hub.wait(for: "a", .completed, moving: .seconds(60))
        try await worker.stop()
    }

    @Test func eventRacedWithATimerLeavesNoTimerBehind() async throws {
        let hub = try await EngineHarness()
        let flow = Orchestration("Flow") { (context: OrchestrationContext) -> String in
            do {
                return try await context.waitForExternalEvent("answer", as: String.self, timeout: .seconds(60))
            } catch is ExternalEventTimeout {
                return "nobody"
            }
        }
        let worker = try hub.startWorker("w1", [flow])
        try await hub.start("Flow", id: "answered")
        try await hub.start("Flow", id: "ignored")
        try await hub.wait(for: "answered", .running, moving: .zero)
        try await hub.raise("answer", to: "answered", "\"yes\"", message: "m")
        #expect(try await hub.wait(for: "answered", .completed, moving: .zero).output == Payload("\"yes\""))
        #expect(try await hub.wait(for: "ignored", .completed, moving: .seconds(1)).output == Payload("\"nobody\""))
        try await worker.stop()
    }

    @Test func replaySeesTheRecordedTimeRandomnessAndIDs() async throws {
        let hub = try await EngineHarness()
        let flow = Orchestration("Flow") { (context: OrchestrationContext) -> [String] in
            let first = ["\(context.now)", "\(context.newUUID())"]
            try await context.waitForExternalEvent("go")
            return first + ["\(context.now)", "\(context.newUUID())"]
        }
        let worker = try hub.startWorker("w1", [flow])
        try await hub.start("Flow", id: "a")
        try await hub.wait(for: "a", .running)
        try await worker.stop()
        hub.clock.advance(by: .seconds(1000))
        // Another worker rebuilds the instance from history; checksReplay compares cached code with replay as well.
        let second = try hub.startWorker("w2", [flow])
        try await hub.raise("go", to: "a", message: "go")
        let snapshot = try await hub.wait(for: "a", .completed)
        let events = try await hub.history("a")
        let values = snapshot.output?.text.split(separator: "\"").map(String.init) ?? []
        #expect(values.contains("\(events[0].timestamp)"))
        #expect(Set(values.filter { $0.count == 36 }).count == 2)
        try await second.stop()
    }
}
