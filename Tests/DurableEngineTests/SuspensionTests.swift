import DurableCore
import DurableMemory
import DurableTask
import Testing

@Suite("Suspended instances") struct SuspensionTests {
    private let nap = Orchestration("Nap") { (context: OrchestrationContext) -> String in
        try await context.sleep(for: .seconds(10))
        return try await context.waitForExternalEvent("go")
    }

    private func send(_ kind: HistoryEvent.Kind, _ message: String, to id: String, in hub: EngineHarness) async throws {
        try await hub.send(kind, to: id, message: message)
    }

    @Test("A suspended instance stands still over a worker's end, and goes on with all that came") func stands()
        async throws
    {
        let hub = try await EngineHarness()
        let first = try hub.startWorker("w1", [nap])
        try await hub.start("Nap", id: "a")
        try await hub.start("Nap", id: "b")
        try await hub.wait(for: "a", .running)
        try await send(.executionSuspended(reason: nil), "s-1", to: "a", in: hub)
        try await hub.wait(for: "a", .suspended)
        try await hub.raise("go", to: "a", "\"a\"", message: "go-a")
        try await hub.raise("go", to: "b", "\"b\"", message: "go-b")
        hub.kill(first)
        let second = try hub.startWorker("w2", [nap])
        // Its neighbour's timer is due later than its own.
        #expect(try await hub.wait(for: "b", .completed, moving: .seconds(1)).output == Payload(#""b""#))
        let standing = try await hub.wait(for: "a", .suspended)
        #expect(standing.inboxCount == 2)
        #expect(standing.openTimerCount == 1)
        try await send(.executionResumed(reason: nil), "s-2", to: "a", in: hub)
        #expect(try await hub.wait(for: "a", .completed).output == Payload(#""a""#))
        #expect(
            try await hub.history("a").map(\.typeName) == [
                "OrchestratorStarted", "ExecutionStarted", "TimerCreated",
                "OrchestratorStarted", "ExecutionSuspended", "EventRaised", "ExecutionResumed",
                "TimerFired", "ExecutionCompleted",
            ])
        try await second.stop()
    }

    @Test("What came while it was suspended goes through several executions under the next owner")
    func laterExecutions()
        async throws
    {
        let loop = Orchestration("Loop") { (left: Int, context: OrchestrationContext) -> Int in
            if left == 0 { return 0 }
            try await context.waitForExternalEvent("next")
            try context.continueAsNew(left - 1)
        }
        let hub = try await EngineHarness()
        let first = try hub.startWorker("w1", [loop])
        try await hub.start("Loop", id: "a", input: "2")
        try await send(.executionSuspended(reason: nil), "s-1", to: "a", in: hub)
        try await hub.wait(for: "a", .suspended)
        for number in 1...2 { try await hub.raise("next", to: "a", message: "n-\(number)") }
        try await first.stop()
        let second = try hub.startWorker("w2", [loop])
        try await send(.executionResumed(reason: nil), "s-2", to: "a", in: hub)
        #expect(try await hub.wait(for: "a", .completed).executionID == ExecutionID("start-a~2"))
        try await second.stop()
    }
}
