import DurableBackend
import DurableClient
import DurableCore
import DurableEngine
import DurableMemory
import DurableSQLite
import DurableTask
import DurableWire
import DurableWorker
import Testing

@Suite("Drain") struct DrainTests {
    /// One orchestration that runs one activity, which waits at a gate and says on which worker and delivery it ran.
    private struct Long {
        let gate = Barrier()
        let ends = Counter()

        func items(on worker: String) -> [any Registrable] {
            let (gate, ends) = (gate, ends)
            let long = Activity("Long") { (context: ActivityContext) async -> String in
                await gate.pass()
                ends.next()
                return "\(worker) \(context.deliveryCount)"
            }
            return [
                long,
                Orchestration("Flow") { (context: OrchestrationContext) -> String in
                    try await context.callActivity(long)
                },
            ]
        }
    }

    private func consumers(_ hub: EngineHarness, of activity: String) async throws -> Int? {
        try await hub.client.inspect(queue: hub.topology.workQueue(activity))?.consumers
    }

    /// Who owns or waits for each partition.
    private func waiting(_ hub: EngineHarness) -> [Int] {
        hub.topology.partitions.map { hub.broker.consumerCount(of: hub.topology.queue(.own, $0)) }
    }

    @Test("Partitions go to a peer while a long activity still runs, and its completion finds the new owner")
    func partitionsGoEarly() async throws {
        let hub = try await EngineHarness()
        let long = Long()
        let leaver = try hub.startWorker("w1", long.items(on: "w1"))
        try await hub.start("Flow", id: "a")
        try await hub.eventually("the activity to run") { long.gate.arrivals == 1 }
        let peer = try hub.startWorker("w2", long.items(on: "w2"))
        try await hub.eventually("the peer") { try await consumers(hub, of: "Long") == 2 }
        leaver.host.stop()
        try await hub.eventually("the hand-over") { await peer.host.statistics().count == 1 }
        #expect(long.ends.count == 0)
        try await hub.wait(for: "a", .running)
        long.gate.open()
        #expect(try await hub.wait(for: "a", .completed).output == Payload("\"w1 1\""))
        let receipt = try await leaver.stop()
        #expect(receipt.finishedActivities == 1)
        #expect(receipt.releasedPartitions == 1)
        #expect(receipt.canceledActivities == 0)
        #expect(long.ends.count == 1)
        try await peer.stop()
    }

    @Test("A worker alone keeps its partitions until its activities have ended, and takes their completions")
    func aloneItKeepsPartitions() async throws {
        let hub = try await EngineHarness()
        let long = Long()
        let worker = try hub.startWorker("w1", long.items(on: "w1"))
        try await hub.start("Flow", id: "a")
        try await hub.eventually("the activity to run") { long.gate.arrivals == 1 }
        worker.host.stop()
        try await hub.eventually("the end of taking") { try await consumers(hub, of: "Long") == 0 }
        #expect(await worker.host.statistics().count == 1)
        long.gate.open()
        let receipt = try await worker.stop()
        #expect(receipt.finishedActivities == 1)
        #expect(receipt.releasedPartitions == 1)
        #expect(hub.broker.readyMessages(in: hub.topology.queue(.control, PartitionID(0))).isEmpty)
        #expect(try hub.openFirstPartition().store.counts().map(\.status) == [.completed])
    }

    @Test("Tasks that wait for a slot go back when the drain begins, not when it ends")
    func unstartedGoBackAtOnce() async throws {
        let hub = try await EngineHarness()
        let gate = Barrier()
        let runs = Counter()
        let slow = Activity("Slow") { (_: ActivityContext) async in await gate.pass() }
        let quick = Activity("Quick") { (_: ActivityContext) async -> Int in runs.next() }
        let slowFlow = Orchestration("SlowFlow") { (context: OrchestrationContext) in
            try await context.callActivity(slow)
        }
        let quickFlow = Orchestration("QuickFlow") { (context: OrchestrationContext) -> Int in
            try await context.callActivity(quick)
        }
        let worker = try hub.startWorker("w1", [slow, quick, slowFlow, quickFlow]) { $0.slots = 1 }
        try await hub.start("SlowFlow", id: "a")
        try await hub.eventually("the slow one to run") { gate.arrivals == 1 }
        try await hub.start("QuickFlow", id: "b")
        let queue = hub.topology.workQueue("Quick")
        try await hub.eventually("the quick one to wait for the slot") {
            hub.broker.unacknowledgedCount(in: queue) == 1
        }
        worker.host.stop()
        try await hub.eventually("its return") {
            hub.broker.unacknowledgedCount(in: queue) == 0 && hub.broker.readyMessages(in: queue).count == 1
        }
        let other = try hub.startWorker("w2", [quick, quickFlow, slowFlow])
        try await hub.wait(for: "b", .completed)
        #expect(runs.count == 1)
        gate.open()
        try await hub.wait(for: "a", .completed)
        let receipt = try await worker.stop()
        #expect(receipt.returnedDeliveries == 1)
        #expect(receipt.finishedActivities == 1)
        #expect(gate.arrivals == 1)
        try await other.stop()
    }

    @Test("What still runs when the grace period ends is cancelled, runs elsewhere, and never publishes anything")
    func graceEnds() async throws {
        let hub = try await EngineHarness()
        let long = Long()
        let leaver = try hub.startWorker("w1", long.items(on: "w1"))
        try await hub.start("Flow", id: "a")
        try await hub.eventually("the activity to run") { long.gate.arrivals == 1 }
        let peer = try hub.startWorker("w2", long.items(on: "w2"))
        try await hub.eventually("the peer") { try await consumers(hub, of: "Long") == 2 }
        leaver.host.stop(grace: .seconds(5))
        try await hub.eventually("the second run") { long.gate.arrivals == 2 }
        let receipt = try await leaver.stop()
        #expect(receipt.canceledActivities == 1)
        #expect(receipt.finishedActivities == 0)
        #expect(receipt.duration >= .seconds(5))
        // Both runs go on to their ends; only the second one counts.
        long.gate.open()
        #expect(try await hub.wait(for: "a", .completed).output == Payload("\"w2 2\""))
        try await hub.eventually("both ends") { long.ends.count == 2 }
        #expect(try await hub.history("a").count { $0.typeName == "TaskCompleted" } == 1)
        #expect(await peer.host.statistics().first?.duplicateCount == 0)
        try await peer.stop()
    }

    @Test("A wall clock that is set ahead does not shorten the grace period")
    func clockSetAhead() async throws {
        let hub = try await EngineHarness()
        let long = Long()
        let clock = AdjustedClock(hub.clock)
        let worker = try hub.startWorker("w1", long.items(on: "w1"), clock: clock)
        try await hub.start("Flow", id: "a")
        try await hub.eventually("the activity to run") { long.gate.arrivals == 1 }
        worker.host.stop(grace: .seconds(3600))
        try await hub.eventually("the end of taking") { try await consumers(hub, of: "Long") == 0 }
        clock.set(ahead: .seconds(7200))
        // Whatever waits for a moment to pass has looked at the time again.
        for _ in 0..<10 { hub.clock.advance(by: .seconds(1)) }
        long.gate.open()
        let receipt = try await worker.stop()
        #expect(receipt.finishedActivities == 1)
        #expect(receipt.canceledActivities == 0)
    }

    @Test("An activity learns that it was cancelled")
    func activityIsCancelled() async throws {
        let hub = try await EngineHarness()
        let (begun, cancelled) = (Counter(), Counter())
        let clock = hub.clock
        let patient = Activity("Patient") { (_: ActivityContext) async in
            begun.next()
            await clock.sleep(for: .seconds(86_400))
            if Task.isCancelled { cancelled.next() }
        }
        let flow = Orchestration("Flow") { (context: OrchestrationContext) in try await context.callActivity(patient) }
        let worker = try hub.startWorker("w1", [patient, flow])
        try await hub.start("Flow", id: "a")
        try await hub.eventually("the activity to run") { begun.count == 1 }
        worker.host.stop(grace: .seconds(1))
        #expect(try await worker.stop().canceledActivities == 1)
        try await hub.eventually("the cancellation") { cancelled.count == 1 }
        #expect(hub.broker.readyMessages(in: hub.topology.workQueue("Patient")).count == 1)
    }

    @Test("A run that ended before the grace period did is carried through to its acknowledgement")
    func completedIsCarriedThrough() async throws {
        let hub = try await EngineHarness()
        let long = Long()
        let worker = try hub.startWorker("w1", long.items(on: "w1"))
        try await hub.start("Flow", id: "a")
        try await hub.eventually("the activity to run") { long.gate.arrivals == 1 }
        hub.broker.blockPublishers()
        long.gate.open()
        try await hub.eventually("its end") { long.ends.count == 1 }
        worker.host.stop(grace: .zero)
        try await hub.eventually("the end of taking", moving: .zero) { try await consumers(hub, of: "Long") == 0 }
        // The grace period is over, the broker still has to take the completion.
        hub.clock.advance(by: .seconds(1))
        #expect(hub.broker.unacknowledgedCount(in: hub.topology.workQueue("Long")) == 1)
        hub.broker.unblockPublishers()
        let receipt = try await worker.stop()
        #expect(receipt.canceledActivities == 0)
        #expect(hub.broker.readyMessages(in: hub.topology.workQueue("Long")).isEmpty)
        let next = try hub.startWorker("w2", long.items(on: "w2"))
        #expect(try await hub.wait(for: "a", .completed).output == Payload("\"w1 1\""))
        #expect(long.ends.count == 1)
        try await next.stop()
    }

    @Test("Dispatches under way are confirmed, and known to be, before the partition is released")
    func confirmsAreFlushed() async throws {
        let hub = try await EngineHarness()
        let long = Long()
        let work = hub.topology.name(.work)
        try await hub.client.declare(hub.topology.work(activities: ["Long"]))
        hub.broker.setFaults(
            FaultPlan { point in
                guard case .publish(let messages) = point.call, messages.contains(where: { $0.exchange == work }) else {
                    return .none
                }
                return .delay(.seconds(5))
            })
        let owner = try hub.startWorker("w1", long.items(on: "w1")) { $0.runsActivities = false }
        try await hub.start("Flow", id: "a")
        try await hub.eventually("the dispatch under way") { await owner.host.statistics().first?.outbox == 1 }
        let receipt = try await owner.stop()
        #expect(receipt.releasedPartitions == 1)
        #expect(try hub.openFirstPartition().store.recover().state.outbox.isEmpty)
        // So the next owner has no reason to send the task again.
        let next = try hub.startWorker("w2", long.items(on: "w2")) { $0.runsActivities = false }
        try await hub.wait(for: "a", .running)
        try await next.stop()
        #expect(hub.broker.readyMessages(in: hub.topology.workQueue("Long")).count == 1)
    }

    @Test("A worker that drains takes no partition that another one releases")
    func drainingStandByTakesNothing() async throws {
        let hub = try await EngineHarness(partitions: 2)
        let (first, second) = (Long(), Long())
        let one = try hub.startWorker("w1", first.items(on: "w1"))
        try await hub.eventually("both partitions") { await one.host.statistics().count == 2 }
        // Registers the activity under its own gate; stands by for both partitions.
        let other = try hub.startWorker("w2", second.items(on: "w2")) { $0.minimumTenure = .seconds(86_400) }
        try await hub.eventually("the stand-by") { waiting(hub) == [2, 2] }
        for number in 0..<8 { try await hub.start("Flow", id: "a-\(number)") }
        try await hub.eventually("work for both") { first.gate.arrivals > 0 && second.gate.arrivals > 0 }
        let owned = Set(await other.host.statistics().map(\.epoch))
        other.host.stop()
        try await hub.eventually("the other one to leave") { waiting(hub) == [1, 1] }
        one.host.stop()
        first.gate.open()
        try await one.stop()
        #expect(Set(await other.host.statistics().map(\.epoch)).subtracting(owned).isEmpty)
        second.gate.open()
        try await other.stop()
    }

    @Test("A request over the fleet's exchange drains the workers it names, and tells how they ended")
    func request() async throws {
        let hub = try await EngineHarness()
        let flow = Orchestration("Flow") { (_: OrchestrationContext) in }
        let named = try hub.startWorker("w1", [flow])
        try await hub.eventually("an owner") { await named.host.statistics().count == 1 }
        let spared = try hub.startWorker("w2", [flow])
        let client = HubClient(descriptor: hub.descriptor, transport: hub.client, clock: hub.clock)
        let asking = Task {
            try await FleetListener.listening(client) { listener in
                try await listener.callRoll()
                return try await client.drain([WorkerID("w1")], grace: .seconds(7), heardBy: listener)
            }
        }
        let ended = Counter()
        let waiting = Task {
            let receipt = try await named.task.value
            ended.next()
            return receipt
        }
        try await hub.eventually("its end") { ended.count == 1 }
        let receipt = try await waiting.value
        let answered = Counter()
        let answer = Task {
            defer { answered.next() }
            return try await asking.value
        }
        try await hub.eventually("the answer") { answered.count == 1 }
        #expect(
            try await answer.value == [DrainOutcome(worker: WorkerID("w1"), end: .drained(receipt.wholeMilliseconds))])
        #expect(receipt.releasedPartitions == 1)
        try await hub.eventually("the other one to own the partition") {
            await spared.host.statistics().count == 1
        }
        try await spared.stop()
    }
}

extension WorkerReceipt {
    /// As a heartbeat carries it.
    fileprivate var wholeMilliseconds: WorkerReceipt {
        var receipt = self
        receipt.duration = .milliseconds(Int64(duration / .milliseconds(1)))
        return receipt
    }
}
