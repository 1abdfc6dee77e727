import DurableBackend
import DurableCore
import DurableEngine
import DurableMemory
import DurableSQLite
import DurableWire

/// Compares what clients were told with what log and store hold once all workers are gone.
struct CrashChecker {
    let hub: EngineHarness
    let witness: CrashWitness

    func askedSnapshots() async throws -> [String: InstanceSnapshot] {
        var snapshots: [String: InstanceSnapshot] = [:]
        for (id, _, _, _) in CrashRun.outputs {
            try await hub.eventually("an answer about \(id)", moving: .milliseconds(20)) {
                try witness.replaceKilled()
                snapshots[id] = try await hub.snapshot(id)
                return snapshots[id] != nil
            }
        }
        return snapshots
    }

    func violations(_ asked: [String: InstanceSnapshot]) async throws -> [String] {
        var found = witness.unexplainedRuns()
        if !hub.deadLetters().isEmpty { found.append("\(hub.deadLetters().count) dead letters") }
        for partition in hub.topology.partitions {
            let control = hub.topology.queue(.control, partition)
            let left = hub.broker.readyMessages(in: control)
                .filter { (try? MessageBatch(wire: $0.body))?.messages.isEmpty != true }
            if !left.isEmpty { found.append("\(left.count) messages left in \(control)") }
            if hub.broker.readyMessages(in: hub.topology.queue(.own, partition)).isEmpty {
                found.append("the baton of partition \(partition) is lost")
            }
        }
        if hub.broker.unacknowledgedCount(in: hub.topology.workQueue("Add")) > 0 { found.append("tasks in hand") }
        let recovered = try await RecoveredHub(hub)
        for (partition, state) in recovered.partitions where !state.outbox.isEmpty {
            found.append("outbox of partition \(partition) holds \(state.pendingOutbox.map(\.id))")
        }
        for (id, _, input, output) in CrashRun.outputs {
            guard let instance = recovered.instances[InstanceID(id)] else {
                found.append("\(id) is not in log and store")
                continue
            }
            if instance.state.status != .completed { found.append("\(id) is \(instance.state.status)") }
            if instance.state.output != Payload(output) {
                found.append("\(id) gave \(instance.state.output?.text ?? "nothing") instead of \(output)")
            }
            let snapshot = InstanceSnapshot(instance.state, input: input.map { Payload($0) } ?? asked[id]?.input)
            if asked[id] != snapshot { found.append("\(id) was shown as other than it is on disk") }
            found += HistoryRules.violations(instance.history).map { "\(id): \($0)" }
            if instance.history.count != instance.state.historyCount { found.append("\(id) counts its events wrong") }
        }
        return found
    }
}

/// Every instance as the next owner would find it: the tables, with the log folded in by `evolve`.
struct RecoveredHub {
    struct Instance {
        var state: InstanceState
        var history: [HistoryEvent]
    }

    var partitions: [PartitionID: PartitionState] = [:]
    var instances: [InstanceID: Instance] = [:]

    init(_ hub: EngineHarness, storage: (any PartitionStorage)? = nil) async throws {
        for partition in hub.topology.partitions {
            let open = try (storage ?? hub.storage).open(partition)
            defer { open.store.close() }
            let recovery = try open.store.recover()
            var state = recovery.state
            for stored in try open.store.list(ListFilter(), after: nil, limit: 100_000) {
                instances[stored.id] = Instance(state: stored, history: try Self.history(of: stored, in: open.store))
            }
            for entry in try await open.log.read(after: recovery.position, limit: 100_000) {
                state.evolve(with: entry.record, partitionCount: hub.topology.partitionCount)
                if case .checkpoint(let checkpoint) = entry.record { for change in checkpoint.changes { fold(change) } }
            }
            partitions[partition] = state
        }
    }

    private mutating func fold(_ change: InstanceChange) {
        guard let state = instances[change.instanceID]?.state ?? InstanceState.created(by: change) else { return }
        var instance = instances[change.instanceID] ?? Instance(state: state, history: [])
        instance.state.evolve(with: change)
        instance.history += change.history
        instances[change.instanceID] = instance
    }

    private static func history(of state: InstanceState, in store: any PartitionStore) throws -> [HistoryEvent] {
        var events: [HistoryEvent] = []
        while events.count < state.historyCount {
            let page = try store.history(of: state.id, from: events.count, byteLimit: 1 << 20)
            if page.isEmpty { break }
            events += page
        }
        return events
    }
}

/// What holds for the history of every instance that came to its end.
enum HistoryRules {
    static func violations(_ history: [HistoryEvent]) -> [String] {
        var found: [String] = []
        var open: [EventID: String] = [:]
        var last = Timestamp.distantPast
        if history.first?.typeName != "OrchestratorStarted" { found.append("does not begin with an episode") }
        if history.count(where: { $0.typeName == "ExecutionStarted" }) != 1 { found.append("is not started once") }
        for (index, event) in history.enumerated() {
            if event.kind == .orchestratorStarted {
                if event.timestamp < last { found.append("time runs backwards at event \(index)") }
                last = event.timestamp
            }
            switch event.kind {
            case .taskScheduled, .timerCreated:
                if open.updateValue(event.typeName, forKey: event.eventID) != nil { found.append("uses an ID twice") }
            case .taskCompleted(let id, _), .taskFailed(let id, _):
                if open.removeValue(forKey: id) != "TaskScheduled" { found.append("task \(id) answers nothing") }
            case .timerFired(let id, let fireAt):
                if open.removeValue(forKey: id) != "TimerCreated" { found.append("timer \(id) fires out of turn") }
                if event.timestamp < fireAt { found.append("timer \(id) fires early") }
            case .executionCompleted:
                if index != history.count - 1 { found.append("goes on after its end") }
            default: break
            }
        }
        if history.last?.typeName != "ExecutionCompleted" { found.append("has no end") }
        if !open.isEmpty { found.append("leaves open \(open.keys.sorted())") }
        return found
    }
}
