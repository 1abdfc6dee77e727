import DurableBackend
import DurableCore
import DurableEngine
import DurableMemory
import DurableTask
import DurableWire
import DurableWorker
import Testing

@Suite("Heartbeats of activities") struct HeartbeatTests {
    /// Goes on from the last heartbeat: says 3 and waits until it is told to end, or returns where it began.
    private struct Steps {
        let begun = Counter()
        let cancelled = Counter()

        var activity: Activity<NoValue, Int> {
            Activity<NoValue, Int>("Steps") { [begun, cancelled] (_, context) in
                let first = try context.lastHeartbeat(as: Int.self) ?? 0
                begun.next()
                if first > 0 { return first }
                do {
                    try context.heartbeat(2)
                    try context.heartbeat(3)
                    try await ContinuousClock().sleep(for: .seconds(3600))
                } catch {
                    cancelled.next()
                    throw error
                }
                return -1
            }
        }
    }

    private let flow = Orchestration("Flow") { (context: OrchestrationContext) in
        try await context.callActivity("Steps", as: Int.self)
    }

    private func details(_ id: String, _ hub: EngineHarness) async throws -> Payload? {
        let key = TaskKey(
            instanceID: InstanceID(id), executionID: ExecutionID("start-\(id)"), taskID: EventID(0), dispatch: 1)
        guard case .tasks(let open)? = try await hub.ask(.heartbeat([.init(task: key, details: nil)])) else {
            return nil
        }
        return open.first?.details
    }

    @Test("A run that is repeated after a crash goes on from the last heartbeat, whoever owns the partition then")
    func crash() async throws {
        let hub = try await EngineHarness()
        let steps = Steps()
        let first = try hub.startWorker("w1", [flow, steps.activity])
        try await hub.start("Flow", id: "f")
        try await hub.eventually("the heartbeat is kept") { try await details("f", hub) == Payload("3") }
        hub.kill(first)
        let second = try hub.startWorker("w2", [flow, steps.activity])
        #expect(try await hub.wait(for: "f", .completed).output == Payload("3"))
        #expect(steps.begun.count == 2)
        try await second.stop()
    }

    @Test("A drained worker's last word is sent before its runs are cut off") func drain() async throws {
        let hub = try await EngineHarness()
        let steps = Steps()
        let owner = try hub.startWorker("owner", [flow]) { $0.runsActivities = false }
        let first = try hub.startWorker("w1", [steps.activity]) {
            $0.runsOrchestrations = false
            $0.gracePeriod = .zero
            $0.heartbeatInterval = .seconds(100_000)
        }
        try await hub.start("Flow", id: "f")
        try await hub.eventually("it runs") { steps.begun.count == 1 }
        try await first.stop()
        #expect(try await details("f", hub) == Payload("3"))
        let second = try hub.startWorker("w2", [steps.activity]) { $0.runsOrchestrations = false }
        #expect(try await hub.wait(for: "f", .completed).output == Payload("3"))
        try await second.stop()
        try await owner.stop()
    }

    @Test("A run whose result is not wanted hears so by its heartbeat, too") func unwanted() async throws {
        let hub = try await EngineHarness()
        let steps = Steps()
        let owner = try hub.startWorker("owner", [flow]) { $0.runsActivities = false }
        let runner = try hub.startWorker("runner", [steps.activity]) { $0.runsOrchestrations = false }
        // No broadcast tells of a task that nobody knows.
        let task = TaskMessage(
            instanceID: InstanceID("gone"), executionID: ExecutionID("x"), taskID: EventID(0), dispatch: 1,
            name: "Steps", input: nil)
        try await hub.eventually("somebody owns the partition") {
            try await hub.ask(.status(InstanceID("gone"))) == .notFound
        }
        _ = try await hub.client.publish([hub.topology.taskMessage(task, at: hub.clock.now())])
        try await hub.eventually("it is cancelled") { steps.cancelled.count == 1 }
        let queue = hub.topology.workQueue("Steps")
        try await hub.eventually("its task is done") { try await hub.client.inspect(queue: queue)?.readyMessages == 0 }
        try await runner.stop()
        try await owner.stop()
        #expect(hub.broker.readyMessages(in: queue).isEmpty)
        #expect(hub.deadLetters().isEmpty)
    }

    @Test("Without an owner heartbeats are kept, and the run goes on") func noOwner() async throws {
        let hub = try await EngineHarness()
        let steps = Steps()
        let first = try hub.startWorker("o1", [flow]) { $0.runsActivities = false }
        let runner = try hub.startWorker("runner", [steps.activity]) {
            $0.runsOrchestrations = false
            $0.heartbeatInterval = .seconds(20)
        }
        try await hub.start("Flow", id: "f")
        try await hub.eventually("it runs") { steps.begun.count == 1 }
        hub.kill(first)
        // Several attempts fail meanwhile.
        hub.clock.advance(by: .seconds(60))
        let second = try hub.startWorker("o2", [flow]) { $0.runsActivities = false }
        try await hub.eventually("the heartbeat is kept") { try await details("f", hub) == Payload("3") }
        #expect(steps.cancelled.count == 0)
        try await runner.stop()
        try await second.stop()
    }

    @Test("An owner that was superseded does not say what is not wanted") func superseded() async throws {
        let hub = try await EngineHarness()
        let old = try await hub.startLoneProcessor("old", [flow], epoch: 1)
        let key = TaskKey(
            instanceID: InstanceID("gone"), executionID: ExecutionID("x"), taskID: EventID(0), dispatch: 1)
        let question = Question.heartbeat([.init(task: key, details: Payload("1"))])
        try await hub.eventually("it answers") { try await hub.ask(question) == .tasks([]) }
        let new = try await hub.startLoneProcessor("new", [flow], epoch: 2)
        try await hub.eventually("the new one has begun") { try await hub.ask(.counts) != nil }
        // Both take questions in turn: the old one finds that it is not the owner any more.
        for _ in 0..<4 { _ = try await hub.ask(question) }
        guard case .fenced? = await old.task.value else {
            Issue.record("the old owner answered")
            return
        }
        await new.stop()
    }

    @Test("A forged word that an activity is not wanted stops nothing") func forged() async throws {
        let hub = try await EngineHarness()
        let steps = Steps()
        let worker = try hub.startWorker("w", [flow, steps.activity])
        try await hub.start("Flow", id: "f")
        try await hub.eventually("it runs") { steps.begun.count == 1 }
        let key = TaskKey(
            instanceID: InstanceID("f"), executionID: ExecutionID("start-f"), taskID: EventID(0), dispatch: 1)
        _ = try await hub.client.publish([
            hub.topology.taskCancellation(TaskCancellation(tasks: [key]), at: hub.clock.now())
        ])
        try await hub.eventually("the heartbeat is kept") { try await details("f", hub) == Payload("3") }
        #expect(steps.cancelled.count == 0)
        #expect(try await hub.snapshot("f")?.openTaskCount == 1)
        hub.kill(worker)
    }

    @Test("Details over the limit are an error of the activity that says them") func limit() throws {
        let context = ActivityContext(
            name: "A", instanceID: InstanceID("i"), executionID: ExecutionID("e"), taskID: EventID(0))
        #expect(throws: PayloadError.self) { try context.heartbeat(String(repeating: "x", count: 65 << 10)) }
        try context.heartbeat(String(repeating: "x", count: 60 << 10))
    }
}
