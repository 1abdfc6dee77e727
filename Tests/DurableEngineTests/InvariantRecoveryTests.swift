import DurableBackend
import DurableCore
import DurableEngine
import DurableMemory
import DurableSQLite
import DurableTask
import DurableWorker
import Testing

@Suite("Log and store hold what the owner shows") struct InvariantRecoveryTests {
    @Test("After any work, what recovery builds equals the live state", arguments: UInt64(1)...6)
    func recoveryEqualsLiveState(seed: UInt64) async throws {
        var random = SplitMix(seed)
        let hub = try await EngineHarness(partitions: 2)
        let ledger = DurableLedger()
        var files = CrashStorage(hub.storage, ledger)
        var worker = try hub.startWorker("w0", Self.items, storage: files)
        var ids: [String] = []
        for round in 1...4 {
            for _ in 0..<12 { try await act(on: hub, &ids, &random) }
            for _ in 0..<random.next(below: 4) {
                hub.clock.advance(by: .milliseconds(Int64(random.next(below: 400))))
            }
            // Time stands still: once nothing is under way, nothing changes while we look.
            try await quiet(hub)
            let live = try await snapshots(hub, ids)
            files.kill()
            hub.kill(worker)
            try await compare(live, with: RecoveredHub(hub))
            files = CrashStorage(hub.storage, ledger)
            worker = try hub.startWorker("w\(round)", Self.items, storage: files)
        }
        for id in ids where id.hasPrefix("Approval") {
            try await hub.raise("answer", to: id, "\"at last\"", message: "last-\(id)")
        }
        try await hub.eventually("all ends") { ledger.ended.count == ids.count }
        try await worker.stop()
        for (id, instance) in try await RecoveredHub(hub).instances {
            #expect(instance.state.status.isTerminal, "\(id)")
            if instance.state.status == .completed { #expect(HistoryRules.violations(instance.history) == [], "\(id)") }
        }
    }

    private func act(on hub: EngineHarness, _ ids: inout [String], _ random: inout SplitMix) async throws {
        let number = ids.count
        switch random.next(below: 8) {
        case 0, 1: try await start(hub, "Chain", &ids, "\(1 + random.next(below: 4))")
        case 2: try await start(hub, "Fan", &ids, "\(1 + random.next(below: 8))")
        case 3: try await start(hub, "Nap", &ids, "\(random.next(below: 900))")
        case 4: try await start(hub, "Approval", &ids, nil)
        case 5 where !ids.isEmpty:
            let target = ids[random.next(below: number)]
            try await hub.raise("answer", to: target, "\"early\"", message: "raise-\(random.next(below: 1000))")
        case 6 where !ids.isEmpty:
            try await hub.terminate(ids[random.next(below: number)], message: "end-\(random.next(below: 1000))")
        case 7 where !ids.isEmpty:
            try await start(hub, "Sender", &ids, "[\"\(ids[random.next(below: number)])\"]")
        default: try await start(hub, "Approval", &ids, nil)
        }
    }

    private func start(_ hub: EngineHarness, _ name: String, _ ids: inout [String], _ input: String?) async throws {
        let id = "\(name)-\(ids.count)"
        try await hub.start(name, id: id, input: input)
        ids.append(id)
    }

    private func quiet(_ hub: EngineHarness) async throws {
        let queues =
            hub.topology.partitions.map { hub.topology.queue(.control, $0) } + [hub.topology.workQueue("Add")]
        var calls = -1
        try await hub.eventually("quiet", moving: .zero) {
            guard
                queues.allSatisfy({
                    hub.broker.readyMessages(in: $0).isEmpty && hub.broker.unacknowledgedCount(in: $0) == 0
                })
            else { return false }
            // Twice the same: nothing is on its way between two queues.
            defer { calls = hub.broker.callCount }
            return calls == hub.broker.callCount
        }
    }

    private func snapshots(_ hub: EngineHarness, _ ids: [String]) async throws -> [String: InstanceSnapshot] {
        var snapshots: [String: InstanceSnapshot] = [:]
        for id in ids {
            try await hub.eventually("an answer about \(id)", moving: .zero) {
                snapshots[id] = try await hub.snapshot(id)
                return snapshots[id] != nil
            }
        }
        return snapshots
    }

    private func compare(_ live: [String: InstanceSnapshot], with recovered: RecoveredHub) throws {
        #expect(Set(live.keys) == Set(recovered.instances.keys.map(\.value)))
        for (id, snapshot) in live {
            let instance = try #require(recovered.instances[InstanceID(id)])
            #expect(snapshot == InstanceSnapshot(instance.state, input: snapshot.input), "\(id)")
            #expect(instance.history.count == instance.state.historyCount, "\(id)")
        }
    }

    private static let items: [any Registrable] = {
        let add = Activity("Add") { (value: Int, _: ActivityContext) in value + 1 }
        let chain = Orchestration("Chain") { (count: Int, context: OrchestrationContext) -> Int in
            var value = 0
            for _ in 0..<count { value = try await context.callActivity(add, value) }
            return value
        }
        let fan = Orchestration("Fan") { (count: Int, context: OrchestrationContext) -> Int in
            try await withThrowingTaskGroup(of: Int.self) { group in
                for value in 0..<count { group.addTask { try await context.callActivity(add, value) } }
                return try await group.reduce(0, +)
            }
        }
        let nap = Orchestration("Nap") { (milliseconds: Int, context: OrchestrationContext) -> Int in
            try await context.sleep(for: .milliseconds(milliseconds))
            return milliseconds
        }
        let approval = Orchestration("Approval") { (context: OrchestrationContext) -> String in
            try await context.waitForExternalEvent("answer", as: String.self)
        }
        let sender = Orchestration("Sender") { (targets: [String], context: OrchestrationContext) -> Int in
            for target in targets { context.raiseEvent(to: InstanceID(target), "answer", "from \(targets.count)") }
            return targets.count
        }
        return [add, chain, fan, nap, approval, sender]
    }()
}

/// Numbers from a seed (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014).
struct SplitMix {
    private var state: UInt64
    init(_ seed: UInt64) { state = seed }

    mutating func next(below limit: Int) -> Int {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        mixed ^= mixed >> 31
        return Int(mixed % UInt64(limit))
    }
}
