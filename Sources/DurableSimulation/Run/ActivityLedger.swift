import DurableCore

/// Every run of an activity in one simulated hub, and why each repeated one was permitted.
final class ActivityLedger: @unchecked Sendable {  // confined to the simulator's thread
    private struct Task {
        var firstRun: Duration
        var runs = 1
    }

    private let witness: Witness
    private let trace: Trace
    private let simulator: Simulator
    private var tasks: [String: Task] = [:]  // look-up only
    private(set) var runCount = 0
    private(set) var repeatedRunCount = 0
    private(set) var runningCount = 0
    /// When something last went wrong that permits a second run.
    private var lastDisturbance = Duration.seconds(-1000)

    /// A disturbance explains a repeated run whose task was sent out this long before at most.
    private static var reach: Duration { .seconds(60) }

    init(_ witness: Witness, trace: Trace, in simulator: Simulator) {
        self.witness = witness
        self.trace = trace
        self.simulator = simulator
    }

    func services(of node: Node, _ clock: SimulatedClock) -> any ProgramServices {
        WorkerServices(ledger: self, node: node, clock: clock)
    }

    /// A worker crashed, was cut off, or its storage failed: what it had in hand may run again.
    func disturbed(_ node: Node) { disturbedAll() }

    func disturbedAll() { lastDisturbance = simulator.elapsed }

    fileprivate func began(_ run: ActivityRun, on node: Node) {
        if node.isDead { return }
        runCount += 1
        runningCount += 1
        let key = "\(run.instanceID)/\(run.executionID)/\(run.taskID)"
        trace.note("\(node.name) runs \(run.name) for \(key), delivery \(run.deliveryCount)")
        guard var task = tasks[key] else {
            tasks[key] = Task(firstRun: simulator.elapsed)
            return
        }
        repeatedRunCount += 1
        task.runs += 1
        tasks[key] = task
        if lastDisturbance < task.firstRun - Self.reach {
            witness.violated("I3: \(run.name) of \(key) runs again, and nothing went wrong that permits it")
        }
    }

    fileprivate func ended(_ run: ActivityRun, on node: Node) {
        if node.isDead { return }
        runningCount -= 1
    }
}

private struct WorkerServices: ProgramServices {
    let ledger: ActivityLedger
    let node: Node
    let clock: SimulatedClock

    func began(_ run: ActivityRun) async { ledger.began(run, on: node) }
    func ended(_ run: ActivityRun) async { ledger.ended(run, on: node) }
    func work(for duration: Duration) async { await clock.sleep(for: duration) }
}
