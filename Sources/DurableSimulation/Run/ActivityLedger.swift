import DurableCore

/// Every run of an activity in one simulated hub, and why each repeated one was permitted.
///
/// A run may be repeated when something went wrong, since the task was sent, with a worker that ran it (its completion
/// or its acknowledgement may be lost), with the one that runs it now (it may have stood still with the task in hand,
/// given up by the broker), or with an owner of its partition (the dispatch may not be known to be confirmed).
/// A drain, a hand-over or a slow worker is no reason. A purge is: a start that comes again begins the same anew. So is
/// a rewind, which dispatches the task once more.
final class ActivityLedger: @unchecked Sendable {  // confined to the simulator's thread
    private struct Task {
        var sentAt: Duration
        /// How many owners the partition had had by then.
        var ownerCount: Int
        /// Owners that sent it; one that stood still may do so long after it was superseded.
        var senders: [Node] = []
        var workers: [Node] = []
        var dispatches: Set<UInt32> = []  // look-up only
    }

    private let witness: Witness
    private let trace: Trace
    private let simulator: Simulator
    private let disturbances: Disturbances
    private var tasks: [String: Task] = [:]  // look-up only
    private(set) var runCount = 0
    private(set) var repeatedRunCount = 0

    init(_ witness: Witness, disturbances: Disturbances, trace: Trace, in simulator: Simulator) {
        self.witness = witness
        self.disturbances = disturbances
        self.trace = trace
        self.simulator = simulator
    }

    /// - Parameter onTrap: Called when an instance's code ends the process.
    func services(
        of node: Node, _ clock: SimulatedClock, onTrap: @escaping @Sendable (InstanceID) -> Void
    ) -> any ProgramServices {
        WorkerServices(ledger: self, node: node, clock: clock, onTrap: onTrap)
    }

    /// An owner begins to send the task.
    func sending(_ task: TaskMessage, from node: Node) {
        let new = Task(sentAt: simulator.elapsed, ownerCount: owners(of: task.instanceID).count)
        tasks[task.idempotencyKey, default: new].senders.append(node)
        tasks[task.idempotencyKey]?.dispatches.insert(task.dispatch)
    }

    /// Runs of a task that have begun.
    func runs(_ key: String) -> Int { tasks[key]?.workers.count ?? 0 }

    fileprivate func began(_ run: ActivityRun, on node: Node) {
        if node.isDead { return }
        runCount += 1
        let key = "\(run.instanceID)/\(run.executionID)/\(run.taskID)"
        trace.note("\(node.name) runs \(run.name) for \(key), delivery \(run.deliveryCount)")
        guard var task = tasks[key] else {
            return witness.violated("I5: \(run.name) of \(key) runs, but no owner sent it")
        }
        defer {
            task.workers.append(node)
            tasks[key] = task
        }
        if task.workers.isEmpty { return }
        repeatedRunCount += 1
        if task.workers.count < task.dispatches.count { return }
        let owners = owners(of: run.instanceID).dropFirst(max(0, task.ownerCount - 1))
        let isPermitted =
            witness.purgedAt[run.instanceID].map { $0 >= task.sentAt } ?? false
            || (task.workers + [node] + task.senders).contains { disturbances.touched($0, since: task.sentAt) }
            || owners.contains { owner in
                // An owner that is busy acts on the end of its channel later, with a task sent in between. What ended
                // its epoch without a release is what went wrong while it lasted.
                let since = owner.isReleased == false ? min(task.sentAt, owner.began) : task.sentAt
                return disturbances.touched(owner.node, since: since)
            }
        if !isPermitted {
            witness.violated(
                "I3: \(run.name) of \(key) runs again, and nothing went wrong that permits it: it ran on "
                    + task.workers.map(\.name).joined(separator: ", "))
        }
    }

    private func owners(of id: InstanceID) -> [Witness.Ownership] {
        witness.partitions[id.partition(of: witness.partitions.count).index].owners
    }
}

private struct WorkerServices: ProgramServices {
    let ledger: ActivityLedger
    let node: Node
    let clock: SimulatedClock
    let onTrap: @Sendable (InstanceID) -> Void

    func began(_ run: ActivityRun) async -> Int {
        ledger.began(run, on: node)
        return ledger.runs("\(run.instanceID)/\(run.executionID)/\(run.taskID)")
    }
    func ended(_ run: ActivityRun) async {}
    func work(for duration: Duration) async { await clock.sleep(for: duration) }
    func trap(_ id: InstanceID) { if !node.isDead { onTrap(id) } }
}
