import DurableBackend
import DurableCore
import DurableEngine
import DurableMemory
import DurableSQLite
import DurableTask
import DurableWire
import DurableWorker
import Testing

@Suite("One partition from start to end") struct SequenceTests {
    private let double = Activity("Double") { (value: Int, _: ActivityContext) in value * 2 }

    private func chain(_ steps: Int) -> Orchestration<Int, Int> {
        let double = double
        return Orchestration("Chain") { (value: Int, context: OrchestrationContext) in
            var value = value
            for _ in 0..<steps { value = try await context.callActivity(double, value) }
            return value
        }
    }

    @Test func sequenceRunsToItsResult() async throws {
        let hub = try await EngineHarness()
        let worker = try hub.startWorker("w1", [double, chain(3)])
        try await hub.start("Chain", id: "a", input: "5")
        let snapshot = try await hub.wait(for: "a", .completed)
        #expect(snapshot.output == Payload("40"))
        #expect(snapshot.input == Payload("5"))
        let types = try await hub.history("a").map(\.typeName)
        #expect(
            types == [
                "OrchestratorStarted", "ExecutionStarted", "TaskScheduled", "OrchestratorStarted", "TaskCompleted",
                "TaskScheduled", "OrchestratorStarted", "TaskCompleted", "TaskScheduled", "OrchestratorStarted",
                "TaskCompleted", "ExecutionCompleted",
            ])
        let receipt = try await worker.stop()
        #expect(receipt.releasedPartitions == 1)
        #expect(hub.broker.readyMessages(in: hub.topology.queue(.control, PartitionID(0))).isEmpty)
        #expect(hub.broker.unacknowledgedCount(in: hub.topology.workQueue("Double")) == 0)
        #expect(hub.deadLetters().isEmpty)
    }

    @Test func duplicatesOfEveryMessageChangeNothing() async throws {
        let hub = try await EngineHarness()
        let worker = try hub.startWorker("w1", [double, chain(2)])
        for _ in 0..<3 { try await hub.start("Chain", id: "a", input: "5") }
        try await hub.wait(for: "a", .completed)
        let history = try await hub.history("a")
        for event in history {
            guard case .taskCompleted(let taskID, let result) = event.kind else { continue }
            let message = Message(
                id: MessageID("again"), instanceID: InstanceID("a"), executionID: ExecutionID("start-a"), dispatch: 1,
                event: HistoryEvent(timestamp: hub.clock.now(), kind: .taskCompleted(taskID: taskID, result: result)))
            _ = try await hub.client.publish([
                hub.topology.controlMessage([message], to: PartitionID(0), through: .control, at: hub.clock.now())
            ])
        }
        try await hub.start("Chain", id: "b", input: "1")
        try await hub.wait(for: "b", .completed)
        #expect(try await hub.history("a") == history)
        try await worker.stop()
    }

    @Test func killedWorkerIsReplacedAndTheInstanceGoesOn() async throws {
        let hub = try await EngineHarness()
        let reached = Counter()
        let slow = Activity("Slow") { (value: Int, _: ActivityContext) -> Int in
            if reached.next() == 1 { try await Task.sleep(for: .seconds(3600)) }
            return value + 1
        }
        let flow = Orchestration("Flow") { (value: Int, context: OrchestrationContext) in
            let once = try await context.callActivity(slow, value)
            return try await context.callActivity(slow, once)
        }
        let first = try hub.startWorker("w1", [slow, flow])
        try await hub.start("Flow", id: "a", input: "1")
        try await hub.eventually("the first run") { reached.count == 1 }
        hub.kill(first)
        let second = try hub.startWorker("w2", [slow, flow])
        let snapshot = try await hub.wait(for: "a", .completed)
        #expect(snapshot.output == Payload("3"))
        // The cut run again, the second task, and one more when the first dispatch was not known to be confirmed.
        #expect((3...4).contains(reached.count))
        try await second.stop()
    }

    @Test func failuresOfActivitiesArriveTyped() async throws {
        struct Declined: Error {}
        let hub = try await EngineHarness()
        let charge = Activity("Charge") { (_: Int, _: ActivityContext) -> Int in throw Declined() }
        let flow = Orchestration("Flow") { (value: Int, context: OrchestrationContext) -> String in
            do {
                return try await "\(context.callActivity(charge, value))"
            } catch let failure as ActivityFailure {
                return failure.details.errorType
            }
        }
        let fails = Orchestration("Fails") { (value: Int, context: OrchestrationContext) -> Int in
            try await context.callActivity(charge, value)
        }
        let worker = try hub.startWorker("w1", [charge, flow, fails])
        try await hub.start("Flow", id: "a", input: "1")
        try await hub.start("Fails", id: "b", input: "1")
        #expect(try await hub.wait(for: "a", .completed).output == Payload("\"Declined\""))
        let failed = try await hub.wait(for: "b", .failed)
        #expect(failed.failure?.errorType == "ActivityFailure")
        #expect(failed.failure?.cause.first?.errorType == "Declined")
        try await worker.stop()
    }

    @Test func terminationEndsAnInstanceThatWaits() async throws {
        let hub = try await EngineHarness()
        let flow = Orchestration("Flow") { (context: OrchestrationContext) in
            try await context.waitForExternalEvent("never")
        }
        let worker = try hub.startWorker("w1", [flow])
        try await hub.start("Flow", id: "a")
        try await hub.wait(for: "a", .running)
        try await hub.terminate("a", message: "t-1")
        #expect(try await hub.wait(for: "a", .terminated).output == Payload("\"enough\""))
        try await worker.stop()
    }

    @Test func eventsAreBufferedAndTakenInOrder() async throws {
        let hub = try await EngineHarness()
        let flow = Orchestration("Flow") { (context: OrchestrationContext) -> [Int] in
            try await context.waitForExternalEvent("go")
            var values: [Int] = []
            for _ in 0..<3 { values.append(try await context.waitForExternalEvent("value", as: Int.self)) }
            return values
        }
        let worker = try hub.startWorker("w1", [flow])
        try await hub.start("Flow", id: "a")
        for value in 1...3 { try await hub.raise("value", to: "a", "\(value)", message: "v\(value)") }
        try await hub.raise("value", to: "a", "9", message: "v1")
        try await hub.raise("go", to: "a", message: "go")
        #expect(try await hub.wait(for: "a", .completed).output == Payload("[1,2,3]"))
        try await worker.stop()
    }

    @Test func eventsBetweenInstancesOfPartitionsArriveOnce() async throws {
        let hub = try await EngineHarness(partitions: 4)
        let sender = Orchestration("Sender") { (targets: [String], context: OrchestrationContext) -> Int in
            for round in 0..<5 {
                for target in targets { context.raiseEvent(to: InstanceID(target), "tick", round) }
            }
            return targets.count
        }
        let receiver = Orchestration("Receiver") { (context: OrchestrationContext) -> [Int] in
            var rounds: [Int] = []
            for _ in 0..<5 { rounds.append(try await context.waitForExternalEvent("tick", as: Int.self)) }
            return rounds
        }
        let worker = try hub.startWorker("w1", [sender, receiver])
        let targets = (0..<12).map { "r-\($0)" }
        for target in targets { try await hub.start("Receiver", id: target) }
        for target in targets { try await hub.wait(for: target, .running) }
        let list = "[" + targets.map { "\"\($0)\"" }.joined(separator: ",") + "]"
        try await hub.start("Sender", id: "s", input: list)
        for target in targets {
            #expect(try await hub.wait(for: target, .completed).output == Payload("[0,1,2,3,4]"))
        }
        try await worker.stop()
    }
}
