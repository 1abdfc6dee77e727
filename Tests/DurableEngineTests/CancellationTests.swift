import DurableBackend
import DurableCore
import DurableMemory
import DurableTask
import DurableWire
import DurableWorker
import Testing

@Suite("Cancellation") struct CancellationTests {
    /// An activity that goes on until it is cancelled, and counts.
    private struct Endless {
        let begun = Counter()
        let cancelled = Counter()

        var activity: Activity<String, NoValue> {
            Activity<String, NoValue>("Endless") { [begun, cancelled] _, _ in
                begun.next()
                do {
                    try await ContinuousClock().sleep(for: .seconds(3600))
                    return NoValue()
                } catch {
                    cancelled.next()
                    throw error
                }
            }
        }
    }

    private func cancel(_ id: String, _ hub: EngineHarness, message: String = "cancel") async throws {
        try await hub.send(.cancellationRequested(reason: Payload(#""enough""#)), to: id, message: message)
    }

    /// Runs the activity in a group that is cancelled when "stop" comes.
    private let race = Orchestration("Race") { (inputs: [String], context: OrchestrationContext) -> String in
        await withTaskGroup(of: Void.self) { group in
            for input in inputs {
                group.addTask { try? await context.callActivity("Endless", input, as: NoValue.self) }
            }
            try? await context.waitForExternalEvent("stop")
            group.cancelAll()
        }
        return "over"
    }

    @Test("An activity that nobody waits for any more is cancelled wherever it runs, and its task is done")
    func running() async throws {
        let hub = try await EngineHarness()
        let endless = Endless()
        let owner = try hub.startWorker("owner", [race]) { $0.runsActivities = false }
        let other = try hub.startWorker("other", [endless.activity]) { $0.runsOrchestrations = false }
        try await hub.start("Race", id: "r", input: #"["a"]"#)
        try await hub.eventually("the activity runs") { endless.begun.count == 1 }
        try await hub.raise("stop", to: "r", message: "stop")
        try await hub.wait(for: "r", .completed)
        try await hub.eventually("it is cancelled") { endless.cancelled.count == 1 }
        let queue = hub.topology.workQueue("Endless")
        try await hub.eventually("its task is done") { try await hub.client.inspect(queue: queue)?.readyMessages == 0 }
        #expect(try await !hub.history("r").contains { $0.typeName == "TaskCompleted" })
        try await owner.stop()
        let receipt = try await other.stop()
        #expect(receipt.canceledActivities == 0)
        #expect(receipt.returnedDeliveries == 0)
        #expect(hub.broker.readyMessages(in: queue).isEmpty)
        #expect(hub.deadLetters().isEmpty)
    }

    @Test("One that waits in the queue is not begun") func queued() async throws {
        let hub = try await EngineHarness()
        let endless = Endless()
        let worker = try hub.startWorker("w", [race, endless.activity]) { $0.slots = 1 }
        try await hub.start("Race", id: "r", input: #"["a","b","c"]"#)
        try await hub.eventually("one runs") { endless.begun.count == 1 }
        try await hub.raise("stop", to: "r", message: "stop")
        try await hub.wait(for: "r", .completed)
        try await hub.eventually("it is cancelled") { endless.cancelled.count == 1 }
        // Another instance's activity comes after them.
        try await hub.start("Race", id: "s", input: #"["d"]"#)
        try await hub.eventually("the next one runs") { endless.begun.count == 2 }
        try await hub.terminate("s", message: "end")
        try await hub.eventually("it is cancelled") { endless.cancelled.count == 2 }
        try await worker.stop()
        #expect(endless.begun.count == 2)
    }

    @Test("The activities of a terminated instance are cancelled") func terminated() async throws {
        let hub = try await EngineHarness()
        let endless = Endless()
        let worker = try hub.startWorker("w", [race, endless.activity])
        try await hub.start("Race", id: "r", input: #"["a","b"]"#)
        try await hub.eventually("they run") { endless.begun.count == 2 }
        try await hub.terminate("r", message: "end")
        try await hub.eventually("they are cancelled") { endless.cancelled.count == 2 }
        #expect(try await hub.wait(for: "r", .terminated).output == Payload(#""enough""#))
        try await worker.stop()
    }

    @Test("What an execution left open is not sent again by the next owner") func takeover() async throws {
        let hub = try await EngineHarness()
        let worker = try hub.startWorker("w1", [race]) { $0.runsActivities = false }
        try await hub.client.declare(hub.topology.work(activities: ["Endless"]))
        try await hub.start("Race", id: "r", input: #"["a","b"]"#)
        let queue = hub.topology.workQueue("Endless")
        try await hub.eventually("both are sent") { hub.broker.readyMessages(in: queue).count == 2 }
        try await hub.raise("stop", to: "r", message: "stop")
        try await hub.wait(for: "r", .completed)
        hub.kill(worker)
        let next = try hub.startWorker("w2", [race]) { $0.runsActivities = false }
        try await hub.start("Race", id: "s", input: "[]")
        try await hub.raise("stop", to: "s", message: "stop-s")
        try await hub.wait(for: "s", .completed)
        try await next.stop()
        #expect(hub.broker.readyMessages(in: queue).count == 2)
    }

    @Test("A request cancels an instance and the children it waits for; theirs undo what they did")
    func family() async throws {
        let endless = Endless()
        let undone = Counter()
        let undo = Activity("Undo") { (_: ActivityContext) in _ = undone.next() }
        let child = Orchestration("Child") { (context: OrchestrationContext) in
            try await context.withCompensation { saga in
                saga.addCompensation { try await context.callActivity(undo) }
                try await context.callActivity(endless.activity, "a")
            }
        }
        let parent = Orchestration("Parent") { (context: OrchestrationContext) in
            try await context.callSubOrchestration(child, instanceID: InstanceID("c"))
        }
        let hub = try await EngineHarness(partitions: 4)
        let worker = try hub.startWorker("w", [parent, child, undo, endless.activity])
        try await hub.start("Parent", id: "p")
        try await hub.eventually("the child's activity runs") { endless.begun.count == 1 }
        try await cancel("p", hub)
        #expect(try await hub.wait(for: "p", .canceled).output == Payload(#""enough""#))
        try await hub.wait(for: "c", .canceled)
        #expect(undone.count == 1)
        try await hub.eventually("the activity is cancelled") { endless.cancelled.count == 1 }
        try await worker.stop()
        #expect(hub.deadLetters().isEmpty)
    }

    @Test("An instance whose time has not come ends at once when it is cancelled") func pending() async throws {
        let hub = try await EngineHarness()
        let worker = try hub.startWorker("w", [race])
        try await hub.start("Race", id: "r", input: "[]", startAt: hub.clock.now() + .seconds(86_400))
        try await cancel("r", hub)
        #expect(try await hub.wait(for: "r", .canceled).historyCount == 4)
        try await worker.stop()
    }

    @Test("A terminated instance undoes what it did if it asked for it, on whatever worker") func undo() async throws {
        let endless = Endless()
        let undone = Counter()
        let undo = Activity("Undo") { (_: ActivityContext) in _ = undone.next() }
        let saga = Orchestration("Saga") { (context: OrchestrationContext) in
            try await context.withCompensation(includingTermination: true) { saga in
                saga.addCompensation {
                    try await context.callActivity(undo)
                    let _: String = try await context.waitForExternalEvent("undone")
                }
                try await context.callActivity(endless.activity, "a")
            }
        }
        let hub = try await EngineHarness()
        let first = try hub.startWorker("w1", [saga, undo, endless.activity])
        try await hub.start("Saga", id: "s")
        try await hub.eventually("it runs") { endless.begun.count == 1 }
        try await hub.terminate("s", message: "end")
        try await hub.eventually("it undoes") { undone.count == 1 }
        try await hub.eventually("its activity is cancelled") { endless.cancelled.count == 1 }
        #expect(try await hub.snapshot("s")?.status == .running)
        hub.kill(first)
        let second = try hub.startWorker("w2", [saga, undo, endless.activity])
        try await hub.raise("undone", to: "s", #""yes""#, message: "undone")
        #expect(try await hub.wait(for: "s", .terminated).output == Payload(#""enough""#))
        #expect(undone.count == 1)
        // Another is ended at once by a second termination.
        try await hub.start("Saga", id: "t")
        try await hub.eventually("it runs") { endless.begun.count == 2 }
        try await hub.terminate("t", message: "end-1")
        try await hub.eventually("it undoes") { undone.count == 2 }
        try await hub.terminate("t", message: "end-2")
        try await hub.wait(for: "t", .terminated)
        try await second.stop()
    }
}
