import DurableBackend
import DurableCore
import DurableMemory
import DurableTask
import DurableWire

/// What must hold when all work is done and the fleet has stopped in order.
struct FinalChecks {
    private let hub: SimulatedHub
    private let garbageCount: Int

    init(_ hub: SimulatedHub, garbageCount: Int) {
        self.hub = hub
        self.garbageCount = garbageCount
    }

    func perform() {
        checkQueues()
        checkDeadLetters()
        checkInstances()
    }

    private func expect(_ holds: Bool, _ text: @autoclosure () -> String) {
        if !holds { hub.witness.violated(text()) }
    }

    private func checkQueues() {
        for partition in hub.topology.partitions {
            for family in [HubTopology.Family.own, .control, .query] {
                let queue = hub.topology.queue(family, partition)
                let unacknowledged = hub.broker.unacknowledgedCount(in: queue)
                expect(unacknowledged == 0, "I6: \(unacknowledged) messages of \(queue) are with nobody")
            }
            let batons = hub.broker.readyMessages(in: hub.topology.queue(.own, partition)).count
            expect(batons >= 1, "I7: the baton of partition \(partition) is lost")
            // Alarms are hints.
            let left = hub.broker.readyMessages(in: hub.topology.queue(.control, partition))
                .filter { $0.properties.type != "WakeUp" && matters($0, to: partition) }
            expect(
                left.isEmpty,
                "I6: \(left.count) messages are left in the control queue of partition \(partition), the first is "
                    + "\(left.first.map { "\($0.properties.type ?? "?") \($0.properties.messageID ?? "?")" } ?? "")")
        }
        for activity in SimulatedActivities.all.map(\.name) {
            let queue = hub.topology.workQueue(activity)
            let left = hub.broker.readyMessages(in: queue).count + hub.broker.unacknowledgedCount(in: queue)
            expect(left == 0, "I6: \(left) messages are left in \(queue)")
        }
    }

    /// Whether a message is more than the marker of somebody who took the partition over for a moment while the fleet
    /// stopped, one more completion of what is answered already, or the repeat of what the partition has applied, as a
    /// superseded owner that stood still may send it.
    private func matters(_ delivery: Delivery, to partition: PartitionID) -> Bool {
        guard let batch = try? MessageBatch(wire: delivery.body) else { return true }
        if batch.marker != nil { return false }
        let applied = hub.witness.partitions[partition.index].state.deduplication
        return batch.messages.contains { message in
            if let origin = message.origin, applied.judge(origin) == .duplicate { return false }
            switch message.event.kind {
            case .taskCompleted(let taskID, _), .taskFailed(let taskID, _):
                return hub.witness.instance(message.instanceID)?.state.openTasks[taskID] != nil
            default: return true
            }
        }
    }

    private func checkDeadLetters() {
        let letters = hub.broker.readyMessages(in: hub.topology.name(.dead))
        let strange = letters.filter { $0.properties.messageID?.hasPrefix("garbage-") != true }
        expect(
            strange.isEmpty,
            "I10: good messages were set aside: \(strange.prefix(3).map { $0.properties.messageID ?? "?" })")
        let garbage = Set(letters.compactMap(\.properties.messageID)).count
        expect(garbage >= garbageCount, "I10: \(garbage) of \(garbageCount) undecodable messages were set aside")
    }

    private func checkInstances() {
        var snapshots: [InstanceID: InstanceSnapshot] = [:]  // look-up only
        var histories: [InstanceID: [[HistoryEvent]]] = [:]  // look-up only
        let reused = Set(hub.plan.reuses.map(\.id))  // look-up only
        var voidEnds: [InstanceID: [HistoryEvent]] = [:]  // look-up only
        for instance in hub.witness.instances where !reused.contains(instance.state.id) {
            voidEnds[instance.state.id] = instance.voidEnds
            checkRuns(instance)
            snapshots[instance.state.id] = InstanceSnapshot(instance.state, input: nil)
            histories[instance.state.id] = instance.executions
        }
        let found = WorkloadChecks.violations(
            of: hub.plan.workload, snapshots: snapshots, histories: histories, voidEnds: voidEnds)
        let entities = hub.witness.instances.map(\.state).filter(\.id.isReserved)
        let amiss = EntityChecks.violations(of: entities, histories: histories, in: hub.plan.workload)
        for text in amiss { hub.witness.violated("I2: \(text)") }
        for text in found { hub.witness.violated("I2: \(text)") }
    }

    /// A result that only a later run of its activity gives is there because that one ran.
    private func checkRuns(_ instance: Witness.Instance) {
        for history in instance.executions {
            guard let executionID = history.executionStarted?.executionID else { continue }
            var failures: [EventID: Int] = [:]  // look-up only
            for event in history {
                switch event.kind {
                case .taskScheduled(SimulatedActivities.flaky.name, let input):
                    let attempt = try? PayloadCoding.decode(
                        SimulatedActivities.Attempt.self, from: input, as: "an activity's input")
                    failures[event.eventID] = attempt?.failures
                case .taskCompleted(let id, _):
                    guard let least = failures[id] else { continue }
                    let runs = hub.ledger.runs("\(instance.state.id)/\(executionID)/\(id)")
                    expect(
                        runs > least,
                        "I2: \(instance.state.id): task \(id) has a result after \(runs) runs, \(least) fail")
                default: break
                }
            }
        }
    }
}
