import DurableBackend
import DurableClient
import DurableCore
import DurableMemory
import DurableTask
import DurableWire
import Testing

@Suite("Sub-orchestrations") struct SubOrchestrationTests {
    private struct Refusal: Error, CustomStringConvertible { var description: String { "no" } }

    private let double = Activity("Double") { (number: Int, _: ActivityContext) in 2 * number }
    private let child = Orchestration("Child") { (number: Int, context: OrchestrationContext) -> Int in
        if number < 0 { throw Refusal() }
        return try await context.callActivity("Double", number, as: Int.self)
    }
    private let waiting = Orchestration("Waiting") { (context: OrchestrationContext) -> String in
        try await context.waitForExternalEvent("go")
    }

    private func run(
        _ parent: any Registrable, input: String? = nil, ending status: OrchestrationStatus = .completed,
        _ body: (EngineHarness) async throws -> Void = { _ in }
    ) async throws -> InstanceSnapshot {
        let hub = try await EngineHarness(partitions: 4)
        let worker = try hub.startWorker("w", [parent, child, waiting, double])
        try await hub.start("Parent", id: "p", input: input)
        try await body(hub)
        let snapshot = try await hub.wait(for: "p", status)
        try await worker.stop()
        #expect(hub.deadLetters().isEmpty)
        return snapshot
    }

    @Test("A parent gets its children's results, whichever partition they are on") func results() async throws {
        let parent = Orchestration("Parent") { (numbers: [Int], context: OrchestrationContext) -> [Int] in
            var results: [Int] = []
            for number in numbers {
                results.append(try await context.callSubOrchestration("Child", number, as: Int.self))
            }
            async let one: Int = context.callSubOrchestration("Child", 10, instanceID: InstanceID("ten"))
            async let other: Int = context.callSubOrchestration("Child", 20)
            return try await results + [one, other]
        }
        let snapshot = try await run(parent, input: "[1,2,3]") { hub in
            let ten = try await hub.wait(for: "ten", .completed)
            #expect(ten.executionID == ExecutionID("start-p/3"))
            #expect(try await hub.history("ten").executionStart?.parent?.instanceID == InstanceID("p"))
            #expect(try await hub.wait(for: "start-p:0", .completed).output == Payload("2"))
        }
        #expect(snapshot.output == Payload("[2,4,6,20,40]"))
        #expect(snapshot.openChildCount == 0)
    }

    @Test("A child's failure is the parent's to catch") func failure() async throws {
        let parent = Orchestration("Parent") { (context: OrchestrationContext) -> String in
            do {
                return try await context.callSubOrchestration("Child", -1, as: String.self)
            } catch let failure as SubOrchestrationFailure {
                return "\(failure.instanceID) \(failure.details)"
            }
        }
        #expect(try await run(parent).output == Payload(#""start-p:0 Refusal: no""#))
    }

    @Test("A failure nobody catches is the parent's, with the child's as its cause") func uncaught() async throws {
        let parent = Orchestration("Parent") { (context: OrchestrationContext) -> Int in
            try await context.callSubOrchestration("Child", -1)
        }
        let failure = try await run(parent, ending: .failed).failure
        #expect(failure?.errorType == "SubOrchestrationFailure")
        #expect(failure?.cause.first?.errorType == "Refusal")
    }

    @Test("A parent hears of a start that was set aside") func setAsideStart() async throws {
        let parent = Orchestration("Parent") { (context: OrchestrationContext) -> String in
            do {
                return try await context.callSubOrchestration("Waiting", instanceID: InstanceID("c"))
            } catch let failure as SubOrchestrationFailure {
                return "\(failure.details)"
            }
        }
        let hub = try await EngineHarness()
        let worker = try hub.startWorker("w", [parent, waiting])
        try await hub.start("Parent", id: "p")
        try await hub.wait(for: "c", .running)
        // As an owner of another build would have sent it: this one derives no such ID.
        let start = ExecutionStarted(
            name: "Waiting", instanceID: InstanceID("bad\n"), executionID: ExecutionID("start-p/0"),
            parent: .init(
                taskID: EventID(0), name: "Parent", instanceID: InstanceID("p"), executionID: ExecutionID("start-p")))
        let message = Message(
            id: MessageID("start-p/0"), instanceID: start.instanceID,
            origin: Origin(partition: PartitionID(1), incarnation: 7, sequence: 1),
            event: HistoryEvent(timestamp: hub.clock.now(), kind: .executionStarted(start)))
        _ = try await hub.client.publish([
            hub.topology.controlMessage([message], to: PartitionID(0), through: .control, at: hub.clock.now())
        ])
        let output = try await hub.wait(for: "p", .completed).output
        #expect(output == Payload(#""StartRefused: an instance ID must not contain control characters""#))
        #expect(hub.deadLetters().count == 1)
        try await worker.stop()
    }

    @Test("A start that cannot be taken is a failure to the parent")
    func refusedStart() {
        let now = Timestamp(millisecondsSinceEpoch: 0)
        let long = ExecutionID(String(repeating: "y", count: 300))
        let start = ExecutionStarted(
            name: "Child", input: nil, instanceID: InstanceID("bad\n"), executionID: ExecutionID("e"),
            parent: .init(taskID: EventID(0), name: "Parent", instanceID: InstanceID("p"), executionID: long))
        let message = Message(
            id: MessageID("m"), instanceID: start.instanceID,
            event: HistoryEvent(timestamp: now, kind: .executionStarted(start)))
        let refusal = message.refusal(at: now, because: start.instanceID.defect)
        #expect(refusal?.instanceID == InstanceID("p"))
        #expect(refusal?.executionID == long)
        guard case .subOrchestrationFailed(EventID(0), let failure)? = refusal?.event.kind else {
            Issue.record("no failure")
            return
        }
        #expect(failure.errorType == "StartRefused")
        #expect(long.stem.utf8.count < 40 && ExecutionID("a\nb").stem != "a\nb")
    }

    @Test("Of two children of one ID the second is refused, and the first goes on") func twins() async throws {
        let parent = Orchestration("Parent") { (context: OrchestrationContext) -> [String] in
            try await withThrowingTaskGroup(of: String.self) { group in
                for number in [1, 2] {
                    group.addTask {
                        do {
                            let result: Int = try await context.callSubOrchestration(
                                "Child", number, instanceID: InstanceID("twin"))
                            return "\(result)"
                        } catch let failure as SubOrchestrationFailure {
                            return failure.details.errorType
                        }
                    }
                }
                return try await group.reduce(into: []) { $0.append($1) }.sorted()
            }
        }
        #expect(try await run(parent).output == Payload(#"["2","InstanceExists"]"#))
    }

    @Test("An ID that cannot be used starts nothing") func invalidID() async throws {
        let parent = Orchestration("Parent") { (context: OrchestrationContext) -> String in
            do {
                return try await context.callSubOrchestration("Child", 1, instanceID: InstanceID(""), as: String.self)
            } catch let error as InvalidInstanceID {
                return error.description
            }
        }
        #expect(try await run(parent).output == Payload(#""an instance ID must not be empty""#))
    }

    @Test("An event to an ID that cannot be used fails the instance, and its partition goes on")
    func eventToInvalidID() async throws {
        let parent = Orchestration("Parent") { (context: OrchestrationContext) in
            context.raiseEvent(to: InstanceID(String(repeating: "x", count: 300)), "hello")
            try await context.sleep(for: .seconds(1))
        }
        let snapshot = try await run(parent, ending: .failed) { hub in
            try await hub.start("Child", id: "neighbour", input: "1")
            try await hub.wait(for: "neighbour", .completed)
        }
        #expect(snapshot.failure?.errorType == "InvalidInstanceID")
    }

    @Test("Whoever is started without waiting goes on alone") func detached() async throws {
        let parent = Orchestration("Parent") { (context: OrchestrationContext) -> String in
            try context.startOrchestration("Child", 21, instanceID: InstanceID("alone")).value
        }
        let snapshot = try await run(parent) { hub in
            let alone = try await hub.wait(for: "alone", .completed)
            #expect(alone.output == Payload("42"))
            #expect(try await hub.history("alone").executionStart?.parent == nil)
        }
        #expect(snapshot.output == Payload(#""alone""#))
    }

    @Test("Termination takes the children along, or not", arguments: [true, false])
    func termination(recurse: Bool) async throws {
        let parent = Orchestration("Parent") { (context: OrchestrationContext) -> String in
            try await context.callSubOrchestration("Waiting", instanceID: InstanceID("c"))
        }
        let hub = try await EngineHarness()
        let worker = try hub.startWorker("w", [parent, waiting])
        try await hub.start("Parent", id: "p")
        try await hub.wait(for: "c", .running)
        try await hub.send(
            .executionTerminated(reason: Payload(#""enough""#), recurse: recurse), to: "p", message: "end")
        try await hub.wait(for: "p", .terminated)
        if recurse {
            #expect(try await hub.wait(for: "c", .terminated).output == Payload(#""enough""#))
        } else {
            try await hub.raise("go", to: "c", #""gone on""#, message: "go")
            #expect(try await hub.wait(for: "c", .completed).output == Payload(#""gone on""#))
        }
        try await worker.stop()
    }

    @Test("A terminated child is a failure to its parent") func terminatedChild() async throws {
        let parent = Orchestration("Parent") { (context: OrchestrationContext) -> String in
            do {
                return try await context.callSubOrchestration("Waiting", instanceID: InstanceID("c"))
            } catch let failure as SubOrchestrationFailure {
                return failure.details.errorType
            }
        }
        let snapshot = try await run(parent) { hub in
            try await hub.wait(for: "c", .running)
            try await hub.terminate("c", message: "end")
        }
        #expect(snapshot.output == Payload(#""Terminated""#))
    }

    @Test("A parent that is terminated leaves alone who has the ID of a child it could not start")
    func strangerLivesOn() async throws {
        let hub = try await EngineHarness()
        let worker = try hub.startWorker("w", [waiting])
        try await hub.start("Waiting", id: "stranger")
        try await hub.wait(for: "stranger", .running)
        // Its refusal is on the way to the parent, which believes that it has a child.
        let state = InstanceState(
            start: ExecutionStarted(name: "Parent", instanceID: InstanceID("p"), executionID: ExecutionID("start-p")),
            startID: MessageID("start-p"), at: hub.clock.now())
        var parent = state
        parent.openChildren = [EventID(0): InstanceID("stranger")]
        parent.inbox = [
            HistoryEvent(timestamp: hub.clock.now(), kind: .executionTerminated(reason: nil, recurse: true))
        ]
        let messages = parent.imposeEnd(at: hub.clock.now()).messages
        #expect(messages.map(\.instanceID) == [InstanceID("stranger")])
        for message in messages { try await hub.send(message) }
        try await hub.raise("go", to: "stranger", #""alive""#, message: "go")
        #expect(try await hub.wait(for: "stranger", .completed).output == Payload(#""alive""#))
        try await worker.stop()
    }

    @Test("A client cannot pass for a parent, whose child's answer it would forge") func forgedParent() async throws {
        let hub = try await EngineHarness()
        let worker = try hub.startWorker("w", [child, double])
        let start = ExecutionStarted(
            name: "Child", input: Payload("1"), instanceID: InstanceID("c"), executionID: ExecutionID("e"),
            parent: .init(
                taskID: EventID(0), name: "Parent", instanceID: InstanceID("p"), executionID: ExecutionID("start-p")))
        try await hub.send(.executionStarted(start), to: start.instanceID.value, message: "m")
        try await hub.eventually("the dead letter") { hub.deadLetters().count == 1 }
        #expect(try await hub.snapshot("c") == nil)
        try await worker.stop()
    }

    @Test("IDs of deep families stay short enough") func deepFamily() async throws {
        let parent = Orchestration("Parent") { (depth: Int, context: OrchestrationContext) -> Int in
            if depth == 0 { return 0 }
            return 1 + (try await context.callSubOrchestration("Parent", depth - 1, as: Int.self))
        }
        #expect(try await run(parent, input: "120").output == Payload("120"))
    }
}

extension [HistoryEvent] {
    fileprivate var executionStart: ExecutionStarted? {
        for case .executionStarted(let start) in map(\.kind) { return start }
        return nil
    }
}
