import DurableBackend
import DurableCore
import DurableMemory
import DurableWire
import DurableWorker

/// One run: what its seed planned, from an empty broker to a fleet that has stopped in order.
package struct SimulationRun {
    package struct Outcome: Sendable {
        package var seed: UInt64
        /// What does not hold; empty when all is well. The first one is the earliest.
        package var violations: [String]
        /// What happened, if the run was traced.
        package var trace: [String]
        package var faults: [PlannedFault]
        package var instanceCount: Int
        package var stepCount: Int
        package var appendCount: Int
        package var activityRunCount: Int
        package var repeatedRunCount: Int
        /// Simulated time.
        package var elapsed: Duration
        /// Equal for equal runs.
        package var digest: UInt64
    }

    /// No run needs more; one that does is stuck.
    private static var stepLimit: Int { 400_000 }

    private let hub: SimulatedHub
    private let faults: FaultDriver
    private let clients: ClientDriver
    private var simulator: Simulator { hub.simulator }
    private var witness: Witness { hub.witness }

    /// Runs a plan to its end. Nothing of it remains afterwards.
    package static func perform(_ plan: SimulationPlan, isTracing: Bool = false) -> Outcome {
        let simulator = Simulator(seed: plan.seed, jobCost: plan.jobCost)
        return simulator.withCapture {
            let hub = SimulatedHub(plan, in: simulator, isTracing: isTracing)
            let run = SimulationRun(hub: hub, faults: FaultDriver(hub), clients: ClientDriver(hub))
            run.perform()
            return run.outcome
        }
    }

    private var outcome: Outcome {
        Outcome(
            seed: hub.plan.seed, violations: witness.violations, trace: hub.trace.lines, faults: hub.plan.faults,
            instanceCount: witness.instances.count, stepCount: simulator.stepCount, appendCount: witness.appendCount,
            activityRunCount: hub.ledger.runCount, repeatedRunCount: hub.ledger.repeatedRunCount,
            elapsed: simulator.elapsed, digest: simulator.digest)
    }

    private func perform() {
        defer { clearAway() }
        guard step("the hub is made", within: .seconds(60), { try await hub.create() }) else { return }
        for place in hub.places.indices { hub.startWorker(at: place, .original) }
        faults.arm()
        clients.arm()
        let limit = simulator.elapsed + hub.plan.faultsEnd + .seconds(900)
        var nextLook = simulator.elapsed
        let isAtRest = reach("all work is done and all is at rest", by: limit) {
            guard simulator.elapsed >= nextLook else { return false }
            nextLook = simulator.elapsed + .milliseconds(5)
            return isWorkDone && RestChecks(hub).problem == nil
        }
        guard isAtRest else { return }
        guard step("clients are told the truth", within: .seconds(120), { try await clients.askAll() }) else { return }
        for worker in hub.workers where !worker.node.isDead {
            simulator.run(in: worker.node) { worker.host.stop() }
        }
        let isStopped = reach("the fleet stops", by: simulator.elapsed + .seconds(120)) {
            hub.workers.allSatisfy { $0.node.isDead || $0.isEnded }
        }
        guard isStopped else { return }
        // What was under way when the last connection closed.
        _ = simulator.run(until: simulator.elapsed + .seconds(2), isDone: { false })
        FinalChecks(hub, garbageCount: faults.garbageCount).perform()
        guard step("the storage gives back what the log says", within: .seconds(60), { try await checkStorage() })
        else { return }
    }

    // MARK: - Waiting

    /// Runs until the condition holds; that it never does is a violation.
    private func reach(_ what: String, by limit: Duration, _ isDone: () -> Bool) -> Bool {
        let end = simulator.run(until: limit, stepLimit: Self.stepLimit) { !witness.violations.isEmpty || isDone() }
        if !witness.violations.isEmpty { return false }
        if end == .done {
            hub.trace.note("\(what) after \(simulator.stepCount) steps")
            return true
        }
        witness.violated("I1: it never comes to this: \(what) (\(end)). \(state)")
        return false
    }

    /// Runs `body` as a task of the simulation itself.
    private func step(_ what: String, within time: Duration, _ body: @escaping @Sendable () async throws -> Void)
        -> Bool
    {
        let result = PlatformLock<Result<Void, any Error>?>(nil)
        simulator.schedule(after: .zero, in: simulator.root) {
            _ = Task {
                do {
                    try await body()
                    result.withLock { $0 = .success(()) }
                } catch {
                    result.withLock { $0 = .failure(error) }
                }
            }
        }
        guard reach(what, by: simulator.elapsed + time, { result.withLock { $0 != nil } }) else { return false }
        if case .failure(let error) = result.withLock({ $0 }) {
            witness.violated("I1: \(what), but: \(error)")
            return false
        }
        return true
    }

    /// What was submitted has come to its end, or waits for what never comes.
    private var isWorkDone: Bool {
        // Who stood still a moment ago may yet have something to say.
        guard simulator.elapsed >= hub.plan.faultsEnd + .seconds(1) else { return false }
        guard faults.isOver, faults.replacementCount == 0, faults.redrivesOwed.isEmpty, clients.isDone else {
            return false
        }
        return hub.plan.workload.instances.allSatisfy(isDone)
    }

    private func isDone(_ instance: PlannedInstance) -> Bool {
        let permitted = instance.expectation.permitted
        guard let state = witness.instance(instance.id)?.state else { return permitted.contains(.absent) }
        if state.status.isTerminal { return true }
        let isWaiting = state.status == .running && state.inbox.isEmpty && state.hold == nil
        return permitted.contains(.open) && isWaiting && state.nextDue == nil && state.openTasks.isEmpty
    }

    private var state: String {
        let open = witness.instances.filter { !$0.state.status.isTerminal }
        let texts = open.prefix(5).map { instance in
            let state = instance.state
            return "\(state.id) (\(state.name), \(state.status), \(state.openTasks.count) tasks, "
                + "\(state.openTimers.count) timers, \(state.openChildren.count) children, "
                + "\(state.inbox.count) in its inbox, hold \(state.hold?.code ?? "none"))"
        }
        let absent = hub.plan.workload.instances.filter { witness.instance($0.id) == nil && !isDone($0) }
        return "\(open.count) instances are open: \(texts.joined(separator: ", ")). "
            + "\(absent.count) are missing: \(absent.prefix(5).map(\.id.value).joined(separator: ", ")). "
            + "Clients done: \(clients.isDone). \(RestChecks(hub).problem ?? "All is at rest.")"
    }

    // MARK: - The end

    private func checkStorage() async throws {
        try await StorageCheck(hub).perform()
    }

    /// Ends every task of the run, crashed workers' too, so that a thousand runs leave nothing behind.
    private func clearAway() {
        hub.trace.end()
        hub.broker.setFaults(.none)
        hub.broker.unblockPublishers()
        hub.storageFaults.mend()
        for worker in hub.workers {
            hub.broker.kill(worker.name)
            simulator.resume(worker.node)
            if !worker.isEnded { simulator.run(in: worker.node) { worker.host.stop() } }
        }
        clients.close()
        _ = simulator.run(until: simulator.elapsed + .seconds(300), stepLimit: simulator.stepCount + 200_000) {
            hub.workers.allSatisfy(\.isEnded)
        }
        _ = simulator.run(until: simulator.elapsed + .seconds(60), stepLimit: simulator.stepCount + 50_000) { false }
        hub.disk?.removeAll()
    }
}
