import DurableBackend
import DurableCore
import DurableEngine
import DurableMemory
import DurableSQLite
import DurableTask
import DurableWorker
import Testing

@Suite("Instances whose code does not fit are held, and nothing of them is lost") struct HoldTests {
    private let work = Activity("Work") { (value: Int, _: ActivityContext) in value + 1 }
    private let other = Activity("Other") { (value: Int, _: ActivityContext) in value + 100 }

    private func flow(calling first: Activity<Int, Int>) -> Orchestration<Int, Int> {
        Orchestration("Flow") { (value: Int, context: OrchestrationContext) in
            let once = try await context.callActivity(first, value)
            try await context.waitForExternalEvent("go")
            return once
        }
    }

    @Test func divergingCodeIsHeldUntilCodeThatFitsComesBack() async throws {
        let hub = try await EngineHarness()
        let good = try hub.startWorker("w1", [work, other, flow(calling: work)])
        try await hub.start("Flow", id: "a", input: "1")
        try await hub.eventually("the activity's result") { try await hub.snapshot("a")?.historyCount == 5 }
        try await good.stop()
        let history = try await historyLater(hub, "a")

        let bad = try hub.startWorker("w2", [work, other, flow(calling: other)])
        try await hub.raise("go", to: "a", message: "go")
        try await hub.eventually("the hold") { try await hub.snapshot("a")?.holdCode == "DTQ2003" }
        let held = try #require(try await hub.snapshot("a"))
        #expect(held.status == .running)
        #expect(held.inboxCount == 1)
        #expect(held.holdText?.contains("\"Work\"") == true && held.holdText?.contains("\"Other\"") == true)
        #expect(try await hub.history("a") == history)
        // Others of the partition go on.
        try await hub.start("Flow", id: "b", input: "1")
        try await hub.raise("go", to: "b", message: "go-b")
        #expect(try await hub.wait(for: "b", .completed).output == Payload("101"))
        try await bad.stop()

        let fixed = try hub.startWorker("w3", [work, other, flow(calling: work)])
        #expect(try await hub.wait(for: "a", .completed).output == Payload("2"))
        #expect(try await hub.snapshot("a")?.holdCode == nil)
        try await fixed.stop()
    }

    private func historyLater(_ hub: EngineHarness, _ id: String) async throws -> [HistoryEvent] {
        let reader = try hub.startWorker("reader", [work, other, flow(calling: work)])
        let events = try await hub.history(id)
        try await reader.stop()
        return events
    }

    @Test func orchestrationWithoutCodeWaitsForAWorkerThatHasIt() async throws {
        let hub = try await EngineHarness()
        let without = try hub.startWorker("w1", [work])
        try await hub.start("Flow", id: "a", input: "1")
        try await hub.raise("go", to: "a", message: "go")
        try await hub.eventually("the hold") { try await hub.snapshot("a")?.holdCode == "DTQ2005" }
        #expect(try await hub.snapshot("a")?.status == .pending)
        try await without.stop()
        let with = try hub.startWorker("w2", [work, flow(calling: work)])
        #expect(try await hub.wait(for: "a", .completed).output == Payload("2"))
        try await with.stop()
    }

    @Test func nonDurableAwaitIsHeldWithItsRemedy() async throws {
        let hub = try await EngineHarness()
        let sleeper = Orchestration("Sleeper") { (context: OrchestrationContext) -> Int in
            try await Task.sleep(for: .seconds(3600))
            return 1
        }
        let worker = try hub.startWorker("w1", [sleeper])
        try await hub.start("Sleeper", id: "a")
        try await hub.eventually("the hold") { try await hub.snapshot("a")?.holdCode == "DTQ2001" }
        #expect(try await hub.snapshot("a")?.holdText?.contains("ops/errors/DTQ2001.md") == true)
        try await worker.stop()
    }

    @Test func nonDurableAwaitBesideADurableOneIsFoundWhenItComesBack() async throws {
        let hub = try await EngineHarness()
        let both = Orchestration("Both") { (context: OrchestrationContext) -> Int in
            async let durable: Void = context.waitForExternalEvent("never")
            async let sleeping: Void = Task.sleep(for: .milliseconds(20))
            _ = try await (durable, sleeping)
            return 1
        }
        let worker = try hub.startWorker("w1", [both])
        try await hub.start("Both", id: "a")
        try await hub.eventually("the hold") { try await hub.snapshot("a")?.holdCode == "DTQ2001" }
        #expect(try await hub.snapshot("a")?.historyCount == 2)
        try await worker.stop()
    }

    @Test func heldInstanceCanBeTerminated() async throws {
        let hub = try await EngineHarness()
        let worker = try hub.startWorker("w1", [work])
        try await hub.start("Flow", id: "a", input: "1")
        try await hub.eventually("the hold") { try await hub.snapshot("a")?.holdCode != nil }
        try await hub.terminate("a", message: "t")
        try await hub.wait(for: "a", .terminated)
        try await worker.stop()
    }

    @Test func undecodableInputFailsTheInstance() async throws {
        let hub = try await EngineHarness()
        let worker = try hub.startWorker("w1", [work, flow(calling: work)])
        try await hub.start("Flow", id: "a", input: "{not json")
        let failed = try await hub.wait(for: "a", .failed)
        #expect(failed.failure?.isNonRetryable == true)
        #expect(failed.failure?.message.contains("input of orchestration \"Flow\"") == true)
        try await worker.stop()
    }
}
