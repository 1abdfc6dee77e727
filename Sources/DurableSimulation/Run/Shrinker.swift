import DurableCore

/// Makes a run that fails smaller, as long as it still fails: fewer faults first, then less work, then fewer workers.
package struct Shrinker {
    private var best: SimulationPlan
    private var outcome: SimulationRun.Outcome
    private var attempts = 0
    /// Runs tried at most.
    private let limit: Int

    /// Which violation it is about: another one would lead elsewhere.
    private let kind: String

    private init(_ plan: SimulationPlan, _ outcome: SimulationRun.Outcome, limit: Int) {
        kind = outcome.violations.first.map(Self.kind) ?? ""
        best = plan
        self.outcome = outcome
        self.limit = limit
    }

    /// - Returns: The smallest plan found that still violates something, and what its run gave, with its trace.
    package static func shrink(
        _ plan: SimulationPlan, _ outcome: SimulationRun.Outcome, limit: Int = 300
    ) -> (plan: SimulationPlan, outcome: SimulationRun.Outcome, attempts: Int) {
        var shrinker = Shrinker(plan, outcome, limit: limit)
        shrinker.run()
        return (shrinker.best, SimulationRun.perform(shrinker.best, isTracing: true), shrinker.attempts)
    }

    private mutating func run() {
        var before = -1
        while before != size, attempts < limit {
            before = size
            removeFromList(\.faults)
            removeInstances()
            removeFromList(\.workload.operations) { !$0.workload.isNeeded($1) }
            while best.workerCount > 1, attempt({ $0.workerCount -= 1 }) {}
            _ = attempt { $0.latencySpikes = 0 }
        }
    }

    private var size: Int { best.faults.count + best.workload.operations.count + best.workerCount }

    /// Leaves out ever smaller pieces.
    ///
    /// - Parameter mayGo: Whether the run still makes sense without an element.
    private mutating func removeFromList<Element>(
        _ list: WritableKeyPath<SimulationPlan, [Element]>,
        mayGo: (SimulationPlan, Element) -> Bool = { _, _ in true }
    ) {
        var length = best[keyPath: list].count
        while length > 0 {
            var start = 0
            while start < best[keyPath: list].count {
                let end = min(start + length, best[keyPath: list].count)
                if attempts >= limit { return }
                let plan = best
                let isPermitted = plan[keyPath: list][start..<end].allSatisfy { mayGo(plan, $0) }
                if !isPermitted || !attempt({ $0[keyPath: list].removeSubrange(start..<end) }) { start = end }
            }
            length /= 2
        }
    }

    /// The text without names and numbers, as far as its first words.
    private static func kind(of violation: String) -> String {
        violation.split(separator: " ").filter { word in word.allSatisfy { $0.isLetter || $0 == ":" } }
            .prefix(6).joined(separator: " ") + violation.prefix(3)
    }

    /// Leaves out instances, with all that clients do to them and all that have to do with them.
    private mutating func removeInstances() {
        for group in best.workload.groups where attempts < limit && best.workload.groups.count > 1 {
            _ = attempt { plan in
                plan.workload = plan.workload.keeping(groups: plan.workload.groups.filter { $0 != group })
            }
        }
    }

    private mutating func attempt(_ change: (inout SimulationPlan) -> Void) -> Bool {
        attempts += 1
        var plan = best
        change(&plan)
        let outcome = SimulationRun.perform(plan)
        guard let violation = outcome.violations.first, Self.kind(of: violation) == kind else { return false }
        best = plan
        self.outcome = outcome
        return true
    }
}
