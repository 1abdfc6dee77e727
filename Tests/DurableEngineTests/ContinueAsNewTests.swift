import DurableBackend
import DurableCore
import DurableEngine
import DurableMemory
import DurableSQLite
import DurableTask
import DurableWire
import DurableWorker
import Testing

@Suite("Continue as new") struct ContinueAsNewTests {
    /// Takes one number an execution and adds it up, until it is told to stop.
    private let adder = Orchestration("Adder") { (sum: Int, context: OrchestrationContext) -> Int in
        let number: Int = try await context.waitForExternalEvent("number")
        if number == 0 { return sum }
        try context.continueAsNew(sum + number)
    }
    private let countdown = Orchestration("Countdown") { (left: Int, context: OrchestrationContext) -> String in
        if left == 0 { return "done by \(context.executionID)" }
        try context.continueAsNew(left - 1)
    }

    @Test("Events that come faster than executions are taken once each, whatever happens to the worker")
    func events() async throws {
        let hub = try await EngineHarness()
        var worker = try hub.startWorker("w0", [adder])
        try await hub.start("Adder", id: "a", input: "0")
        for number in 1...40 {
            try await hub.raise("number", to: "a", "\(number)", message: "n-\(number)")
            if number % 10 == 0 {
                hub.kill(worker)
                worker = try hub.startWorker("w\(number)", [adder])
            }
        }
        try await hub.raise("number", to: "a", "0", message: "n-0")
        let snapshot = try await hub.wait(for: "a", .completed)
        #expect(snapshot.output == Payload("820"))
        #expect(snapshot.executionID == ExecutionID("start-a~40"))
        #expect(snapshot.historyCount <= 4 + 40)
        let history = try await hub.history("a")
        #expect(history.count == snapshot.historyCount)
        #expect(history.prefix(2).map(\.typeName) == ["OrchestratorStarted", "ExecutionStarted"])
        try await worker.stop()
        let open = try hub.storage.open(PartitionID(0))
        defer { open.store.close() }
        let stored = try open.store.history(of: InstanceID("a"), from: 0, byteLimit: 1 << 20)
        #expect(stored == history)
    }

    @Test("An instance that never waits goes on by itself, and its neighbours too") func withoutWaiting() async throws {
        let hub = try await EngineHarness()
        let worker = try hub.startWorker("w", [adder, countdown])
        try await hub.start("Countdown", id: "c", input: "300")
        try await hub.start("Adder", id: "a", input: "7")
        try await hub.raise("number", to: "a", "0", message: "n")
        #expect(try await hub.wait(for: "a", .completed).output == Payload("7"))
        let snapshot = try await hub.wait(for: "c", .completed)
        #expect(snapshot.output == Payload(#""done by start-c~300""#))
        #expect(snapshot.historyCount == 3)
        #expect(snapshot.startAt == nil)
        try await worker.stop()
    }

    @Test("One that goes on for ever without waiting leaves room for timers, neighbours, questions and the end")
    func endless() async throws {
        let endless = Orchestration("Endless") { (round: Int, context: OrchestrationContext) in
            try context.continueAsNew(round + 1)
        }
        let nap = Orchestration("Nap") { (context: OrchestrationContext) in
            try await context.sleep(for: .seconds(60))
        }
        let hub = try await EngineHarness(partitions: 2)
        let first = try hub.startWorker("w1", [endless, nap])
        // Both partitions share a thread.
        for id in ["a1", "a2", "a3", "a4"] { try await hub.start("Endless", id: id, input: "0") }
        for id in ["n1", "n2", "n3", "n4"] { try await hub.start("Nap", id: id) }
        for id in ["n1", "n2", "n3", "n4"] { try await hub.wait(for: id, .running) }
        // What is left by a worker that dies is taken up with caution, which must come to an end.
        hub.kill(first)
        let second = try hub.startWorker("w2", [endless, nap])
        for id in ["n1", "n2", "n3", "n4"] { try await hub.wait(for: id, .completed, moving: .seconds(1)) }
        try await hub.start("Nap", id: "late")
        try await hub.wait(for: "late", .completed, moving: .seconds(1))
        #expect(try await hub.snapshot("a1")?.status.isTerminal == false)
        try await second.stop()
    }

    @Test("An execution that leaves too much to the next one fails") func carryOverLimit() async throws {
        let hub = try await EngineHarness()
        let deaf = Orchestration("Deaf") { (round: Int, context: OrchestrationContext) in
            try await context.waitForExternalEvent("next")
            try context.continueAsNew(round + 1)
        }
        let worker = try hub.startWorker("w", [deaf]) { $0.engine.carryOverLimit = 1000 }
        try await hub.start("Deaf", id: "d", input: "0")
        for number in 0..<20 { try await hub.raise("noise", to: "d", "1", message: "m-\(number)") }
        try await hub.raise("next", to: "d", message: "next")
        #expect(try await hub.wait(for: "d", .failed).failure?.errorType == "TooManyEvents")
        #expect(try await hub.history("d").last?.isImposedEnd == true)
        try await worker.stop()
    }

    @Test("A timer that is due in the moment in which its execution began fires") func timerOfNoLength() async throws {
        let naps = Orchestration("Naps") { (left: Int, context: OrchestrationContext) -> String in
            try await context.sleep(for: .zero)
            if left == 0 { return "rested" }
            try context.continueAsNew(left - 1)
        }
        for cacheBytes in [0, 64 << 20] {
            let hub = try await EngineHarness()
            let worker = try hub.startWorker("w", [naps]) { $0.engine.cacheBytes = cacheBytes }
            try await hub.start("Naps", id: "n", input: "5")
            // The clock stands still.
            #expect(try await hub.wait(for: "n", .completed, moving: .zero).output == Payload(#""rested""#))
            try await worker.stop()
        }
    }

    @Test("It goes on although the clock was set back behind its creation") func clockSetBack() async throws {
        let hub = try await EngineHarness()
        let clock = AdjustedClock(hub.clock)
        let worker = try hub.startWorker("w", [adder], clock: clock)
        try await hub.start("Adder", id: "a", input: "7")
        try await hub.wait(for: "a", .running)
        clock.set(ahead: .seconds(-86_400))
        try await hub.raise("number", to: "a", "1", message: "n-1")
        try await hub.raise("number", to: "a", "0", message: "n-0")
        #expect(try await hub.wait(for: "a", .completed).output == Payload("8"))
        try await worker.stop()
    }

    @Test("A parent hears of the last execution's end alone") func child() async throws {
        let parent = Orchestration("Parent") { (left: Int, context: OrchestrationContext) -> String in
            try await context.callSubOrchestration("Countdown", left)
        }
        let hub = try await EngineHarness(partitions: 4)
        let worker = try hub.startWorker("w", [parent, countdown])
        try await hub.start("Parent", id: "p", input: "5")
        let snapshot = try await hub.wait(for: "p", .completed)
        #expect(snapshot.output == Payload(#""done by start-p/0~5""#))
        #expect(snapshot.openChildCount == 0)
        try await worker.stop()
    }

    @Test("It is terminated like any other") func termination() async throws {
        let hub = try await EngineHarness()
        let worker = try hub.startWorker("w", [adder])
        try await hub.start("Adder", id: "a", input: "0")
        try await hub.raise("number", to: "a", "1", message: "n-1")
        try await hub.eventually("the second execution") {
            try await hub.snapshot("a")?.executionID == ExecutionID("start-a~1")
        }
        try await hub.terminate("a", message: "end")
        try await hub.wait(for: "a", .terminated)
        try await worker.stop()
    }
}
