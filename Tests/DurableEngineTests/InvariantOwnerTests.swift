import DurableBackend
import DurableCore
import DurableEngine
import DurableMemory
import DurableSQLite
import DurableTask
import DurableWire
import DurableWorker
import Testing

@Suite("Ownership, its start and its end") struct InvariantOwnerTests {
    private let work = Activity("Work") { (value: Int, _: ActivityContext) in value + 1 }

    /// The owner never learns that its tasks are in their queue.
    private func takeAndRefuseTasks(of owner: String, in hub: EngineHarness) {
        hub.broker.setFaults(
            FaultPlan { point in
                guard point.transport == owner, case .publish(let messages) = point.call,
                    messages.contains(where: { $0.properties.type == "TaskScheduled" })
                else { return .none }
                return .reject(isTaken: true)
            })
    }

    @Test("A task the broker refused and has all the same is not sent again once it was answered, ended flow or not")
    func answeredTasksAreNotResent() async throws {
        let hub = try await EngineHarness()
        let work = work
        let flow = Orchestration("Flow") { (context: OrchestrationContext) -> Int in
            async let _ = context.callActivity(work, 1)
            try await context.waitForExternalEvent("go")
            return 0
        }
        try await hub.client.declare(hub.topology.work(activities: ["Work"]))
        takeAndRefuseTasks(of: "owner", in: hub)
        let owner = try await hub.startLoneProcessor("owner", [flow], epoch: 1)
        try await hub.start("Flow", id: "a")
        let queue = hub.topology.workQueue("Work")
        try await hub.eventually("the task", moving: .zero) { hub.broker.readyMessages(in: queue).count == 1 }
        try await hub.raise("go", to: "a", message: "go")
        try await hub.eventually("the end", moving: .zero) { try await hub.snapshot("a")?.status == .completed }

        let task = try TaskMessage(wire: hub.broker.readyMessages(in: queue)[0].body)
        let completion = Message(
            id: MessageID(task.messageID), instanceID: task.instanceID, executionID: task.executionID,
            dispatch: task.dispatch,
            event: HistoryEvent(
                timestamp: hub.clock.now(), kind: .taskCompleted(taskID: task.taskID, result: Payload("2"))))
        _ = try await hub.client.publish([
            hub.topology.controlMessage([completion], to: PartitionID(0), through: .control, at: hub.clock.now())
        ])
        try await hub.eventually("nothing to be pending", moving: .zero) { owner.processor.statistics.outbox == 0 }
        let later = hub.clock.now() + .seconds(60)
        try await hub.eventually("a minute to pass") { hub.clock.now() >= later }
        #expect(hub.broker.readyMessages(in: queue).count == 1)
        await owner.processor.stop()
        #expect(await owner.task.value == nil)
    }

    @Test(
        "A task whose completion stands before the marker is not sent again, even if nobody waits for it any more",
        arguments: [true, false])
    func answeredTasksAreNotRedispatched(waits: Bool) async throws {
        let hub = try await EngineHarness()
        let work = work
        let flow = Orchestration("Flow") { (context: OrchestrationContext) -> Int in
            async let answer = context.callActivity(work, 1)
            if waits { return try await answer }
            try await context.waitForExternalEvent("go")
            return 0
        }
        try await hub.client.declare(hub.topology.work(activities: ["Work"]))
        takeAndRefuseTasks(of: "old", in: hub)
        let files = CrashStorage(hub.storage, DurableLedger())
        let old = try await hub.startLoneProcessor("old", [flow], epoch: 1, storage: files)
        try await hub.start("Flow", id: "a")
        let queue = hub.topology.workQueue("Work")
        try await hub.eventually("the task", moving: .zero) { hub.broker.readyMessages(in: queue).count == 1 }
        if !waits {
            try await hub.raise("go", to: "a", message: "go")
            try await hub.eventually("the end", moving: .zero) { old.processor.statistics.checkpointCount == 2 }
        }
        files.kill()
        await old.channel.close()
        #expect(await old.task.value != nil)

        let task = try TaskMessage(wire: hub.broker.readyMessages(in: queue)[0].body)
        let completion = Message(
            id: MessageID(task.messageID), instanceID: task.instanceID, executionID: task.executionID,
            dispatch: task.dispatch,
            event: HistoryEvent(
                timestamp: hub.clock.now(), kind: .taskCompleted(taskID: task.taskID, result: Payload("2"))))
        _ = try await hub.client.publish([
            hub.topology.controlMessage([completion], to: PartitionID(0), through: .control, at: hub.clock.now())
        ])
        // The next owner gets completion and marker at once.
        let control = hub.topology.queue(.control, PartitionID(0))
        hub.broker.setFaults(
            FaultPlan { $0.call == .consume(queue: control) ? .delay(.milliseconds(10)) : .none })
        let new = try await hub.startLoneProcessor("new", [flow], epoch: 2)
        try await hub.eventually("the marker behind the completion", moving: .zero) {
            hub.broker.readyMessages(in: control).count == 2
        }
        try await hub.eventually("the marker's return and the end of what was sent") {
            let isEmpty = try hub.openFirstPartition().store.recover().state.outbox.isEmpty
            return isEmpty && hub.broker.readyMessages(in: control).isEmpty
                && hub.broker.unacknowledgedCount(in: control) == 0
        }
        #expect(await new.stop() == nil)
        #expect(hub.broker.readyMessages(in: queue).count == 1)
        #expect(try hub.openFirstPartition().store.counts().first?.status == .completed)
    }

    @Test("A task that waits to be sent does not go out once its removal is being written")
    func removedTasksAreNotSent() async throws {
        let hub = try await EngineHarness()
        let work = work
        let flow = Orchestration("Flow") { (context: OrchestrationContext) -> Int in
            try await context.callActivity(work, 1)
        }
        try await hub.client.declare(hub.topology.work(activities: ["Work"]))
        // The first task's confirm takes until the clock moves; the others wait behind it.
        let publishes = Counter()
        hub.broker.setFaults(
            FaultPlan { point in
                guard case .publish(let messages) = point.call,
                    messages.contains(where: { $0.properties.type == "TaskScheduled" })
                else { return .none }
                return publishes.next() == 1 ? .delay(.milliseconds(10)) : .none
            })
        let ledger = DurableLedger()
        let owner = try await hub.startLoneProcessor(
            "owner", [flow], epoch: 1, storage: CrashStorage(hub.storage, ledger))
        for (index, id) in ["a", "b", "c"].enumerated() {
            try await hub.start("Flow", id: id)
            try await hub.eventually("the task of \(id)", moving: .zero) {
                owner.processor.statistics.checkpointCount == index + 1 && publishes.count == 1
            }
        }
        let queue = hub.topology.workQueue("Work")
        let sent = { @Sendable in
            try hub.broker.readyMessages(in: queue).map { try TaskMessage(wire: $0.body).instanceID.value }
        }
        let removals = Counter()
        ledger.beforeAppend { records in
            guard case .checkpoint(let checkpoint)? = records.last, !checkpoint.outboxRemoved.isEmpty else { return }
            removals.next()
            try await hub.eventually("the last task", moving: .milliseconds(1)) { try sent().contains("c") }
        }
        try await hub.terminate("b", message: "end")
        try await hub.eventually("the removal", moving: .zero) { owner.processor.statistics.checkpointCount == 4 }
        #expect(removals.count == 1)
        #expect(try sent() == ["a", "c"])
        #expect(await owner.stop() == nil)
    }

    @Test("A stop while the channel is being opened ends the wait for the partition")
    func stopDuringOpening() async throws {
        let hub = try await EngineHarness()
        // Somebody else holds the baton and keeps it.
        let holder = try await hub.client.openChannel()
        try await holder.consume(
            queue: hub.topology.queue(.own, PartitionID(0)), consumerTag: "own", prefetch: 1, from: nil,
            exclusive: false)
        hub.broker.setFaults(FaultPlan { $0.call == .openChannel ? .delay(.seconds(10)) : .none })
        let transport = hub.broker.connect(as: "w")
        let owner = PartitionOwner(
            .init(
                partition: PartitionID(0), descriptor: hub.descriptor, worker: WorkerID("w"), storage: hub.storage,
                epochs: JournalEpochAuthority(
                    transport: transport, topology: hub.topology, clock: hub.clock, makeNonce: { "n" }),
                executor: NativeExecutor(registry: Registry(), options: .init(logger: EngineHarness.logger("w"))),
                transport: transport, clock: hub.clock, configuration: EngineConfiguration(),
                thread: PartitionThread()),
            logger: EngineHarness.logger("w"), onChange: {})
        let ended = Counter()
        let running = Task {
            await owner.run()
            ended.next()
        }
        await hub.clock.waitForSleeper(until: hub.clock.now() + .seconds(10))
        await owner.stop()
        try await hub.eventually("the end of the wait", moving: .seconds(1)) { ended.count == 1 }
        await running.value
        #expect(hub.broker.consumerCount(of: hub.topology.queue(.own, PartitionID(0))) == 1)
    }

    @Test("A stop while the epoch is being claimed fences nobody off")
    func stopDuringClaim() async throws {
        let hub = try await EngineHarness()
        let transport = hub.broker.connect(as: "w")
        let epochs = SlowEpochs()
        let owner = PartitionOwner(
            .init(
                partition: PartitionID(0), descriptor: hub.descriptor, worker: WorkerID("w"), storage: hub.storage,
                epochs: epochs,
                executor: NativeExecutor(registry: Registry(), options: .init(logger: EngineHarness.logger("w"))),
                transport: transport, clock: hub.clock, configuration: EngineConfiguration(),
                thread: PartitionThread()),
            logger: EngineHarness.logger("w"), onChange: {})
        let running = Task { await owner.run() }
        await epochs.asked.wait()
        // The baton goes to somebody else, who begins an epoch.
        await owner.stop()
        let log = try hub.openFirstPartition().log
        _ = try await log.begin(
            .init(epoch: Epoch(generation: 1, offset: 1), worker: WorkerID("v"), time: .distantPast))
        epochs.goOn.raise()
        await running.value
        _ = try await log.append([.released(nextDue: nil)], epoch: Epoch(generation: 1, offset: 1))
    }

    @Test("A clock that is set back delays nothing for ever")
    func clockSetBack() async throws {
        let hub = try await EngineHarness()
        let flow = Orchestration("Flow") { (context: OrchestrationContext) in
            try await context.waitForExternalEvent("go")
        }
        let clock = AdjustedClock(hub.clock)
        let owner = try await hub.startLoneProcessor("w", [flow], epoch: 1, clock: clock)
        try await hub.start("Flow", id: "a")
        let store = try hub.openFirstPartition().store
        await hub.clock.waitForSleeper(until: hub.clock.now() + .milliseconds(250))
        clock.set(ahead: .seconds(-5))
        try await hub.eventually("the flush", moving: .milliseconds(250)) { try store.counts().first?.count == 1 }
        #expect(await owner.stop() == nil)
    }

    @Test("A message set aside does not hold back what its sender sent later")
    func setAsideLeavesNoGap() async throws {
        let hub = try await EngineHarness(partitions: 2)
        let receiver = Orchestration("Receiver") { (context: OrchestrationContext) -> Int in
            try await context.waitForExternalEvent("tick", as: Int.self)
        }
        let worker = try hub.startWorker("w", [receiver])
        let id = try #require((0..<9).map { "r\($0)" }.first { InstanceID($0).partition(of: 2) == PartitionID(0) })
        try await hub.start("Receiver", id: id)
        try await hub.wait(for: id, .running)
        for (sequence, target) in [(1, "not\u{7}allowed"), (2, id)] {
            let tick = Message(
                id: MessageID("tick-\(sequence)"), instanceID: InstanceID(target),
                origin: Origin(partition: PartitionID(1), incarnation: 7, sequence: UInt64(sequence)),
                event: HistoryEvent(
                    timestamp: hub.clock.now(), kind: .eventRaised(name: "tick", input: Payload("\(sequence)"))))
            _ = try await hub.client.publish([
                hub.topology.controlMessage([tick], to: PartitionID(0), through: .control, at: hub.clock.now())
            ])
        }
        #expect(try await hub.wait(for: id, .completed).output == Payload("2"))
        #expect(hub.deadLetters().count == 1)
        try await worker.stop()
    }

    @Test("A message that AMQP cannot carry keeps its instance waiting, and nobody else")
    func unsendableTask() async throws {
        let hub = try await EngineHarness()
        let wrong = Orchestration("Wrong") { (context: OrchestrationContext) -> Int in
            try await context.callActivity(String(repeating: "n", count: 300), 1)
        }
        let right = Orchestration("Right") { (context: OrchestrationContext) -> Int in
            try await context.callActivity("Work", 1)
        }
        let worker = try hub.startWorker("w", [wrong, right, work])
        try await hub.start("Wrong", id: "wrong")
        try await hub.wait(for: "wrong", .running)
        try await hub.start("Right", id: "right")
        #expect(try await hub.wait(for: "right", .completed).output == Payload("2"))
        try await hub.eventually("one message to wait") { await worker.host.statistics().first?.refused == 1 }
        try await hub.terminate("wrong", message: "end")
        try await hub.wait(for: "wrong", .terminated)
        try await hub.eventually("nothing to be pending") { await worker.host.statistics().first?.outbox == 0 }
        try await worker.stop()
    }

    @Test("Messages above a gap do not keep out the one that closes it")
    func gapBehindThePrefetch() async throws {
        let hub = try await EngineHarness(partitions: 2)
        let receiver = Orchestration("Receiver") { (context: OrchestrationContext) -> [Int] in
            var values: [Int] = []
            for _ in 1...6 { values.append(try await context.waitForExternalEvent("tick", as: Int.self)) }
            return values
        }
        let id = try #require((0..<9).map { "r\($0)" }.first { InstanceID($0).partition(of: 2) == PartitionID(0) })
        // The first message comes last, behind more of them than the owner may have in hand.
        let ticks = [2, 3, 4, 5, 6, 1].map { sequence in
            Message(
                id: MessageID("tick-\(sequence)"), instanceID: InstanceID(id),
                origin: Origin(partition: PartitionID(1), incarnation: 7, sequence: UInt64(sequence)),
                event: HistoryEvent(
                    timestamp: hub.clock.now(), kind: .eventRaised(name: "tick", input: Payload("\(sequence)"))))
        }
        try await hub.start("Receiver", id: id)
        for tick in ticks {
            _ = try await hub.client.publish([
                hub.topology.controlMessage([tick], to: PartitionID(0), through: .control, at: hub.clock.now())
            ])
        }
        let owner = try await hub.startLoneProcessor("w", [receiver], epoch: 1) { $0.controlPrefetch = 4 }
        let store = try hub.openFirstPartition().store
        try await hub.eventually("the end") { try store.counts().first?.status == .completed }
        #expect(try store.instance(InstanceID(id))?.output == Payload("[1,2,3,4,5,6]"))
        #expect(await owner.stop() == nil)
    }

    @Test("A client that speaks for a partition changes nothing of what that partition may still send")
    func forgedOrigin() async throws {
        let hub = try await EngineHarness()
        let receiver = Orchestration("Receiver") { (context: OrchestrationContext) -> Int in
            try await context.waitForExternalEvent("tick", as: Int.self)
        }
        let sender = Orchestration("Sender") { (context: OrchestrationContext) in
            context.raiseEvent(to: InstanceID("r"), "tick", 2)
        }
        let worker = try hub.startWorker("w", [receiver, sender])
        try await hub.start("Receiver", id: "r")
        try await hub.wait(for: "r", .running)
        let incarnation = try hub.openFirstPartition().store.recover().incarnation
        try await hub.send(
            Message(
                id: MessageID("forged"), instanceID: InstanceID("r"),
                origin: Origin(partition: PartitionID(0), incarnation: incarnation, sequence: 1),
                event: HistoryEvent(timestamp: hub.clock.now(), kind: .eventRaised(name: "other", input: nil))))
        try await hub.start("Sender", id: "s")
        #expect(try await hub.wait(for: "r", .completed).output == Payload("2"))
        #expect(hub.deadLetters().count == 1)
        try await worker.stop()
    }
}

/// Gives epoch 2 when it is told to.
private final class SlowEpochs: EpochAuthority {
    let asked = Signal()
    let goOn = Signal()

    func claim(_ partition: PartitionID, by worker: WorkerID) async throws(EpochError) -> Epoch {
        asked.raise()
        await goOn.wait()
        return Epoch(generation: 1, offset: 2)
    }

    func release(_ partition: PartitionID, epoch: Epoch, nextDue: Timestamp?) async throws(EpochError) {}
}
