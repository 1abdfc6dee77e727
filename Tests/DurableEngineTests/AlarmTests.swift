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

@Suite("Alarms of partitions nobody owns") struct AlarmTests {
    private let nap = Orchestration("Nap") { (seconds: Int, context: OrchestrationContext) in
        try await context.sleep(for: .seconds(seconds))
    }

    private func depth(_ hub: EngineHarness, _ family: HubTopology.Family) -> Int {
        hub.broker.readyMessages(in: hub.topology.queue(family, PartitionID(0))).count
    }

    private func claims(_ hub: EngineHarness) async throws -> [PartitionID: PartitionClaim] {
        try await HubClient(descriptor: hub.descriptor, transport: hub.client, clock: hub.clock).claims()
    }

    @Test("With no worker left, a due timer is one message of the control queue")
    func dueTimerShows() async throws {
        let hub = try await EngineHarness()
        let worker = try hub.startWorker("w1", [nap])
        try await hub.start("Nap", id: "a", input: "3600")
        let snapshot = try await hub.wait(for: "a", .running)
        let due = snapshot.createdAt + .seconds(3600)
        try await worker.stop()
        #expect(depth(hub, .control) == 0)
        #expect(depth(hub, .wake) == 1)
        guard case .released(_, let nextDue?) = try await claims(hub)[PartitionID(0)] else {
            Issue.record("the journal says nothing of the timer")
            return
        }
        #expect(nextDue >= due && nextDue < due + .seconds(10))
        hub.clock.advance(to: nextDue - .milliseconds(1))
        #expect(depth(hub, .control) == 0)
        // The clock went on between the message's making and its arrival, where its time to live begins.
        hub.clock.advance(to: nextDue + .seconds(5))
        #expect(depth(hub, .control) == 1)
        #expect(depth(hub, .wake) == 0)
        let heir = try hub.startWorker("w2", [nap])
        try await hub.wait(for: "a", .completed)
        #expect(await heir.host.statistics().first?.alarmCount == 1)
        #expect(await heir.host.statistics().first?.duplicateCount == 0)
        try await heir.stop()
        #expect(depth(hub, .control) == 0)
        #expect(try await claims(hub)[PartitionID(0)]?.nextDue == nil)
    }

    @Test("A release sets the alarm whatever has become of the one before")
    func goneAlarm() async throws {
        let hub = try await EngineHarness()
        let worker = try hub.startWorker("w1", [nap])
        try await hub.start("Nap", id: "a", input: "3600")
        try await hub.eventually("its alarm") { depth(hub, .wake) == 1 }
        // It may also have rung for the first of many timers that are due at one time.
        _ = try await hub.client.get(queue: hub.topology.queue(.wake, PartitionID(0)), count: 1, peek: false)
        #expect(depth(hub, .wake) == 0)
        try await worker.stop()
        #expect(depth(hub, .wake) == 1)
    }

    @Test("Setting an alarm anew leaves one alarm, and none when nothing is due")
    func oneAlarm() async throws {
        let hub = try await EngineHarness()
        for (number, seconds) in [7200, 3600, 5400].enumerated() {
            let worker = try hub.startWorker("w\(number)", [nap])
            try await hub.start("Nap", id: "a-\(number)", input: "\(seconds)")
            try await hub.wait(for: "a-\(number)", .running)
            try await worker.stop()
            #expect(depth(hub, .wake) == 1)
            #expect(depth(hub, .control) == 0)
        }
        let last = try hub.startWorker("last", [nap])
        for number in 0..<3 { try await hub.terminate("a-\(number)", message: "t-\(number)") }
        for number in 0..<3 { try await hub.wait(for: "a-\(number)", .terminated) }
        try await last.stop()
        #expect(depth(hub, .wake) == 0)
        #expect(depth(hub, .control) == 0)
    }

    @Test("A fleet that was killed whole has left an alarm too")
    func killedFleetLeavesAnAlarm() async throws {
        let hub = try await EngineHarness()
        let worker = try hub.startWorker("w1", [nap])
        try await hub.start("Nap", id: "a", input: "3600")
        try await hub.wait(for: "a", .running)
        try await hub.eventually("the alarm") { depth(hub, .wake) == 1 }
        hub.kill(worker)
        hub.clock.advance(by: .seconds(3600))
        #expect(
            hub.broker.readyMessages(in: hub.topology.queue(.control, PartitionID(0))).contains {
                $0.properties.type == "WakeUp"
            })
        guard case .claimed(let claimant, _)? = try await claims(hub)[PartitionID(0)] else {
            Issue.record("the journal knows of no claim")
            return
        }
        #expect(claimant == WorkerID("w1"))
    }

    @Test("An alarm that rings while the partition is owned changes nothing")
    func alarmIsAHint() async throws {
        let hub = try await EngineHarness()
        let worker = try hub.startWorker("w1", [nap])
        try await hub.start("Nap", id: "a", input: "3600")
        try await hub.wait(for: "a", .running)
        let before = try await hub.history("a")
        try await hub.eventually("the worker's own alarm") { depth(hub, .wake) == 1 }
        // At the head of the queue it would make the next one wait.
        _ = try await hub.client.get(queue: hub.topology.queue(.wake, PartitionID(0)), count: 16, peek: false)
        _ = try await hub.client.publish([
            hub.topology.wakeUp(of: PartitionID(0), at: hub.clock.now(), now: hub.clock.now())
        ])
        try await hub.eventually("the alarm") { await worker.host.statistics().first?.alarmCount == 1 }
        #expect(try await hub.history("a") == before)
        #expect(hub.deadLetters().isEmpty)
        try await worker.stop()
        #expect(depth(hub, .control) == 0)
    }

    @Test("A timer that becomes the earliest sets the alarm anew, at most once an interval")
    func coalesced() async throws {
        let hub = try await EngineHarness()
        let set = Counter()
        let wake = hub.topology.name(.wake)
        hub.broker.setFaults(
            FaultPlan { point in
                if case .publish(let messages) = point.call, messages.contains(where: { $0.exchange == wake }) {
                    set.next()
                }
                return .none
            })
        let worker = try hub.startWorker("w1", [nap])
        let begin = hub.clock.now()
        for number in 0..<20 {
            try await hub.start("Nap", id: "a-\(number)", input: "\(7200 - number)")
            try await hub.wait(for: "a-\(number)", .running)
        }
        try await hub.eventually("the last one's alarm") {
            hub.broker.readyMessages(in: hub.topology.queue(.wake, PartitionID(0))).count == 1
                && hub.clock.now().since(begin) > .seconds(25)
        }
        #expect(set.count <= 1 + Int(hub.clock.now().since(begin) / .seconds(10)))
        try await worker.stop()
    }

    @Test("A hub made before there were alarms works without them")
    func noQueueForAlarms() async throws {
        let hub = try await EngineHarness()
        try await hub.client.delete(
            queues: [hub.topology.queue(.wake, PartitionID(0))], exchanges: [hub.topology.name(.wake)])
        let worker = try hub.startWorker("w1", [nap])
        try await hub.start("Nap", id: "a", input: "60")
        try await hub.wait(for: "a", .completed, moving: .seconds(1))
        #expect(try await worker.stop().releasedPartitions == 1)
    }
}
