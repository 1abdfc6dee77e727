import DurableBackend
import DurableClient
import DurableCore
import DurableEngine
import DurableMemory
import DurableTask
import DurableWire
import DurableWorker
import Testing

@Suite("Purging", .timeLimit(.minutes(5))) struct PurgeTests {
    private let quick = Orchestration("Quick") { (number: Int, context: OrchestrationContext) -> Int in
        try await context.callActivity("Double", number, as: Int.self)
    }
    private let double = Activity("Double") { (number: Int, _: ActivityContext) in 2 * number }
    private let waiting = Orchestration("Waiting") { (context: OrchestrationContext) -> String in
        try await context.waitForExternalEvent("go")
    }
    /// Calls one child that ends and one that goes on, and ends itself.
    private let parent = Orchestration("Parent") { (levels: Int, context: OrchestrationContext) -> Int in
        if levels > 0 {
            _ = try await context.callSubOrchestration(
                "Parent", levels - 1, instanceID: InstanceID("\(context.instanceID)/child"), as: Int.self)
        }
        return levels
    }

    private func purge(_ ids: [String], in hub: EngineHarness) async throws -> QueryAnswer.Purged? {
        guard case .purged(let purged)? = try await hub.ask(.purge(ids.map { InstanceID($0) })) else { return nil }
        return purged
    }

    private func client(of hub: EngineHarness) -> HubClient {
        HubClient(descriptor: hub.descriptor, transport: hub.client, clock: hub.clock)
    }

    @Test("What has ended is gone, with its history; its ID is free; to repeat it changes nothing")
    func one() async throws {
        let hub = try await EngineHarness()
        let worker = try hub.startWorker("w", [quick, double])
        try await hub.start("Quick", id: "a", input: "1")
        try await hub.start("Quick", id: "b", input: "2")
        let ended = try await hub.wait(for: "a", .completed)
        try await hub.wait(for: "b", .completed)
        #expect(try await purge(["a"], in: hub) == .init(instances: 1, events: ended.historyCount))
        #expect(try await hub.ask(.status(InstanceID("a"))) == .notFound)
        #expect(try await hub.ask(.history(InstanceID("a"), after: -1, limit: 10)) == .notFound)
        #expect(try await purge(["a", "a"], in: hub) == .init(missing: [InstanceID("a")]))
        #expect(try await hub.ask(.counts) == .counts([.init(status: .completed, count: 1)]))
        // The start that made it has come and gone: the same again is another instance now.
        try await hub.start("Quick", id: "a", input: "4")
        #expect(try await hub.wait(for: "a", .completed).output == Payload("8"))
        try await worker.stop()
    }

    @Test("What has not ended is refused and goes on")
    func running() async throws {
        let hub = try await EngineHarness()
        let worker = try hub.startWorker("w", [waiting, quick, double])
        try await hub.start("Waiting", id: "a")
        try await hub.start("Quick", id: "b", input: "1")
        try await hub.wait(for: "a", .running)
        let ended = try await hub.wait(for: "b", .completed)
        #expect(
            try await purge(["a", "b"], in: hub)
                == .init(instances: 1, events: ended.historyCount, running: [InstanceID("a")]))
        let client = client(of: hub)
        await #expect(throws: ClientError.self) { try await client.purge(InstanceID("a")) }
        try await hub.raise("go", to: "a", "\"1\"", message: "go")
        try await hub.wait(for: "a", .completed)
        #expect(try await client.purge(InstanceID("a"))?.instances == 1)
        #expect(try await client.purge(InstanceID("a")) == nil)
        await client.close()
        try await worker.stop()
    }

    @Test(
        "It holds for the next owner, also when the last one ended before it filled its tables",
        arguments: [false, true])
    func takeOver(isUsedAgain: Bool) async throws {
        let hub = try await EngineHarness()
        let first = try hub.startWorker("w1", [waiting]) { $0.engine.flushInterval = .seconds(3600) }
        for id in ["a", "b"] {
            try await hub.start("Waiting", id: id)
            try await hub.raise("go", to: id, "\"1\"", message: "go-\(id)")
            try await hub.wait(for: id, .completed)
        }
        #expect(try await purge(["a"], in: hub)?.instances == 1)
        if isUsedAgain {
            try await hub.start("Waiting", id: "a", message: "again")
            try await hub.wait(for: "a", .running)
        }
        hub.kill(first)
        let second = try hub.startWorker("w2", [waiting])
        try await hub.wait(for: "b", .completed)
        if isUsedAgain {
            #expect(try await hub.wait(for: "a", .running).executionID == ExecutionID("again"))
            try await hub.raise("go", to: "a", "\"2\"", message: "go-again")
            #expect(try await hub.wait(for: "a", .completed).output == Payload("\"2\""))
        } else {
            #expect(try await hub.ask(.status(InstanceID("a"))) == .notFound)
        }
        try await second.stop()
        let opened = try hub.openFirstPartition()
        defer { opened.store.close() }
        #expect(try opened.store.counts().map(\.count) == [isUsedAgain ? 2 : 1])
    }

    @Test("What it left to be sent is sent: its parent gets its result")
    func outbox() async throws {
        let isRefusing = PlatformLock(true)
        let hub = try await EngineHarness(
            partitions: 2,
            faults: FaultPlan { point in
                guard case .publish(let messages) = point.call, isRefusing.withLock({ $0 }),
                    messages.contains(where: { $0.properties.type == "SubOrchestrationInstanceCompleted" })
                else { return .none }
                return .reject(isTaken: false)
            })
        let root = (0...).lazy.map { "p-\($0)" }.first { root in
            InstanceID(root).partition(of: 2) != InstanceID("\(root)/child").partition(of: 2)
        }
        let id = try #require(root)
        let worker = try hub.startWorker("w", [parent])
        try await hub.start("Parent", id: id, input: "1")
        let child = "\(id)/child"
        try await hub.wait(for: child, .completed)
        let purged = try await hub.ask(
            .purge([InstanceID(child)]), partition: InstanceID(child).partition(of: 2).index)
        guard case .purged(let gone) = purged else { return #expect(purged != nil) }
        #expect(gone.instances == 1)
        #expect(try await hub.wait(for: id, .running).openChildCount == 1)
        isRefusing.withLock { $0 = false }
        try await hub.wait(for: id, .completed)
        try await worker.stop()
    }

    @Test("A late result settles the task that an earlier version left unconfirmed, also when its instance was purged")
    func lateResult() async throws {
        let hub = try await EngineHarness(
            faults: FaultPlan { point in
                guard case .publish(let messages) = point.call,
                    messages.contains(where: { $0.properties.type == "TaskScheduled" })
                else { return .none }
                // The broker has them, and never says so.
                return .reject(isTaken: true)
            })
        try await hub.client.declare(hub.topology.work(activities: ["Double"]))
        try await leaveTask(in: hub)
        let worker = try hub.startWorker("w", [quick])
        try await hub.wait(for: "a", .terminated)
        #expect(try await purge(["a"], in: hub)?.instances == 1)
        #expect(await worker.host.statistics().first?.outbox == 1)
        let runner = try hub.startWorker("r", [double]) { $0.runsOrchestrations = false }
        try await hub.eventually("its result to be taken for an answer") {
            // Nothing sends it any more.
            await worker.host.statistics().first?.outbox == 0
        }
        try await runner.stop()
        try await worker.stop()
        let opened = try hub.openFirstPartition()
        defer { opened.store.close() }
        #expect(try opened.store.recover().state.outbox.isEmpty)
    }

    /// A log with an instance that was terminated, and the task that it had dispatched: as they were before the end of an
    /// execution gave up what it had left open.
    private func leaveTask(in hub: EngineHarness) async throws {
        let opened = try hub.openFirstPartition()
        defer { opened.store.close() }
        let (epoch, now, id) = (Epoch(generation: 0, offset: 1), hub.clock.now(), InstanceID("a"))
        let execution = ExecutionID("s")
        let start = ExecutionStarted(name: "Quick", input: Payload("1"), instanceID: id, executionID: execution)
        let task = TaskMessage(
            instanceID: id, executionID: execution, taskID: EventID(0), dispatch: 1, name: "Double",
            input: Payload("1"))
        let change = InstanceChange(
            instanceID: id, time: now,
            history: [
                HistoryEvent(timestamp: now, kind: .orchestratorStarted),
                HistoryEvent(timestamp: now, kind: .executionStarted(start)),
                HistoryEvent(
                    eventID: EventID(0), timestamp: now, kind: .taskScheduled(name: "Double", input: Payload("1"))),
                HistoryEvent(timestamp: now, kind: .orchestratorStarted),
                HistoryEvent(timestamp: now, kind: .executionTerminated(reason: nil, recurse: false)),
                HistoryEvent(
                    timestamp: now, kind: .executionCompleted(status: .terminated, result: nil, failure: nil)),
            ], appliedMessages: [MessageID("s")])
        _ = try await opened.log.begin(.init(epoch: epoch, worker: WorkerID("before"), time: now))
        _ = try await opened.log.append(
            [
                .checkpoint(
                    Checkpoint(
                        time: now, changes: [change],
                        outbox: [OutboxEntry(id: OutboxID(1), epoch: epoch, body: .task(task))])),
                .released(nextDue: nil),
            ], epoch: epoch)
    }

    @Test("A message for one that was purged is what it is for one that never was")
    func lateMessages() async throws {
        let hub = try await EngineHarness()
        let orphan = Orchestration("Orphan") { (context: OrchestrationContext) -> Int in
            async let ignored: Int = context.callActivity("Double", 1, as: Int.self)
            _ = try? await context.waitForExternalEvent("go", as: String.self)
            return 1
        }
        // Nobody runs the activity: its queue takes the task.
        try await hub.client.declare(hub.topology.work(activities: ["Double"]))
        let worker = try hub.startWorker("w", [orphan])
        try await hub.start("Orphan", id: "a")
        try await hub.wait(for: "a", .running)
        try await hub.terminate("a", message: "end")
        try await hub.wait(for: "a", .terminated)
        #expect(try await purge(["a"], in: hub)?.instances == 1)
        try await hub.raise("go", to: "a", "\"1\"", message: "late")
        try await hub.terminate("a", message: "late-end")
        let runner = try hub.startWorker("r", [double]) { $0.runsOrchestrations = false }
        try await hub.eventually("all messages to be handled") {
            hub.broker.readyMessages(in: hub.topology.queue(.control, PartitionID(0))).isEmpty
                && hub.broker.unacknowledgedCount(in: hub.topology.queue(.control, PartitionID(0))) == 0
        }
        #expect(try await hub.ask(.status(InstanceID("a"))) == .notFound)
        #expect(hub.deadLetters().isEmpty)
        try await runner.stop()
        try await worker.stop()
        let opened = try hub.openFirstPartition()
        defer { opened.store.close() }
        #expect(try opened.store.recover().state.outbox.isEmpty)
    }

    @Test("With the sub-orchestrations it called, and theirs, as far as they have ended")
    func recursive() async throws {
        let hub = try await EngineHarness(partitions: 4)
        let mixed = Orchestration("Mixed") { (context: OrchestrationContext) -> String in
            async let slow: String = context.callSubOrchestration("Waiting", instanceID: InstanceID("slow"))
            _ = try await context.callSubOrchestration("Parent", 2, instanceID: InstanceID("deep"), as: Int.self)
            return try await slow
        }
        let worker = try hub.startWorker("w", [mixed, parent, waiting])
        try await hub.start("Mixed", id: "m")
        try await hub.start("Parent", id: "other", input: "1")
        try await hub.wait(for: "deep", .completed)
        try await hub.wait(for: "slow", .running)
        try await hub.wait(for: "other", .completed)
        // Alone: what it waits for goes on.
        try await hub.terminate("m", message: "end")
        try await hub.wait(for: "m", .terminated)
        let client = client(of: hub)
        let outcome = try #require(try await client.purge(InstanceID("m")))
        #expect(outcome.instances == 4)
        #expect(outcome.running == [InstanceID("slow")])
        let left = try await client.list().instances.map(\.id.value).sorted()
        #expect(left == ["other", "other/child", "slow"])
        // Its parent is no more: nobody is there for its answer.
        try await hub.raise("go", to: "slow", "\"1\"", message: "go")
        try await hub.wait(for: "slow", .completed)
        #expect(try await client.purge(InstanceID("other"), recursive: false)?.instances == 1)
        #expect(try await client.list().instances.map(\.id.value).sorted() == ["other/child", "slow"])
        await client.close()
        try await worker.stop()
        #expect(hub.deadLetters().isEmpty)
    }

    @Test("Lists and counts find instances by tag and parent, also those not in the tables yet")
    func lists() async throws {
        let hub = try await EngineHarness(partitions: 2)
        let tagged = Orchestration("Tagged") { (context: OrchestrationContext) -> [String] in
            _ = try await context.callSubOrchestration(
                "Parent", 0, instanceID: InstanceID("child"), tags: ["kind": "child"], as: Int.self)
            return context.tags.map { "\($0.key)=\($0.value)" }.sorted()
        }
        let worker = try hub.startWorker("w", [tagged, parent, waiting]) { $0.engine.flushInterval = .seconds(3600) }
        let client = client(of: hub)
        let tags = [ExecutionStarted.Tag](["region": "eu", "urgent": ""])
        _ = try await client.start(StartRequest(name: "Tagged", id: InstanceID("a"), tags: tags))
        _ = try await client.start(
            StartRequest(name: "Waiting", id: InstanceID("b"), tags: [.init(key: "region", value: "us")]))
        let end = try await hub.wait(for: "a", .completed)
        #expect(end.output == Payload(#"["region=eu","urgent="]"#))
        #expect(end.tags == tags)
        try await hub.wait(for: "b", .running)
        func list(_ filter: ListFilter) async throws -> [String] {
            try await client.list(filter).instances.map(\.id.value).sorted()
        }
        #expect(try await list(ListFilter(tags: [.init(key: "region")])) == ["a", "b"])
        #expect(try await list(ListFilter(tags: [.init(key: "region", value: "eu"), .init(key: "urgent")])) == ["a"])
        #expect(try await list(ListFilter(parent: InstanceID("a"))) == ["child"])
        #expect(try await list(ListFilter(tags: [.init(key: "kind", value: "child")])) == ["child"])
        let counts = try await client.counts(ListFilter(tags: [.init(key: "region")]))
        #expect(counts == [.init(status: .running, count: 1), .init(status: .completed, count: 1)])
        #expect(try await client.counts(ListFilter(name: "Nobody")) == [])
        #expect(try await client.status(of: InstanceID("child"))?.parent == InstanceID("a"))
        await #expect(throws: ClientError.self) {
            try await client.start(StartRequest(name: "Tagged", tags: [.init(key: "a=b", value: "")]))
        }
        await client.close()
        try await worker.stop()
    }

    @Test("A start with tags that no instance can have is set aside")
    func badTags() async throws {
        let hub = try await EngineHarness()
        let worker = try hub.startWorker("w", [waiting])
        let tags = (0..<17).map { ExecutionStarted.Tag(key: "tag-\(10 + $0)", value: "") }
        let start = ExecutionStarted(
            name: "Waiting", instanceID: InstanceID("a"), executionID: ExecutionID("e"), tags: tags)
        try await hub.send(.executionStarted(start), to: "a", message: "m")
        try await hub.eventually("the dead letter") { hub.deadLetters().count == 1 }
        #expect(try await hub.ask(.status(InstanceID("a"))) == .notFound)
        try await worker.stop()
    }
}
