import DurableEngine

/// A partition thread of a simulated worker: its jobs run one at a time, in order, when the simulator picks it.
package final class SimulatedThread: PartitionExecutor, @unchecked Sendable {  // confined to the simulator's thread
    let node: Node
    private unowned let simulator: Simulator
    private var jobs: [UnownedJob] = []
    private var isReady = false

    /// - Parameter node: The worker it is a thread of.
    package init(of node: Node, in simulator: Simulator) {
        self.node = node
        self.simulator = simulator
    }

    package func enqueue(_ job: consuming ExecutorJob) {
        jobs.append(UnownedJob(job))
        if !isReady {
            isReady = true
            simulator.makeReady(.thread(self))
        }
    }

    package func asUnownedSerialExecutor() -> UnownedSerialExecutor { UnownedSerialExecutor(ordinary: self) }

    package func stop() {}

    func runNext(on simulator: Simulator) {
        let job = jobs.removeFirst()
        job.runSynchronously(on: asUnownedSerialExecutor())
        isReady = !jobs.isEmpty
        if isReady { simulator.makeReady(.thread(self)) }
    }
}
