package import DurableCore

/// What the evidence says about the promises: nothing lost, nothing doubled, each repeated run owed to a fault.
package struct Verdict: Sendable {
    package var submitted = 0
    package var completed = 0
    package var failed = 0
    /// Accepted and not ended, or ended without a run of everything it asked for; in order of acceptance.
    package var lost: [InstanceID] = []
    /// Outcomes a history holds more than once: of the instance, of an activity, of a request.
    package var doubled: [String] = []
    package var activities = 0
    package var activityRuns = 0
    /// Runs no history asked for.
    package var strayRuns: [LedgerRun] = []
    package var repeats: [Repeat] = []

    /// A second or later run of one request.
    package struct Repeat: Sendable {
        package var before: LedgerRun
        package var run: LedgerRun
        /// nil: nothing permits it.
        package var reason: String?
    }

    package var unexplainedRepeats: Int { repeats.count { $0.reason == nil } }
    package var isGood: Bool {
        lost.isEmpty && doubled.isEmpty && strayRuns.isEmpty && unexplainedRepeats == 0 && failed == 0
    }

    package init(judging evidence: Evidence) {
        submitted = evidence.accepted.count
        let byInstance = Dictionary(grouping: evidence.runs, by: \.instance)
        for id in evidence.accepted { judge(id, evidence, runs: byInstance[id.value] ?? []) }
        let known = Set(evidence.accepted.map(\.value))
        strayRuns += evidence.runs.filter { !known.contains($0.instance) }
        activityRuns = evidence.runs.count
    }

    private mutating func judge(_ id: InstanceID, _ evidence: Evidence, runs: [LedgerRun]) {
        guard let history = evidence.histories[id] else {
            lost.append(id)
            strayRuns += runs
            return
        }
        var dispatched: [String: Timestamp] = [:]  // look-up only
        var answered: Set<EventID> = []
        var outcomes: [OrchestrationStatus] = []
        for event in history {
            switch event.kind {
            case .taskScheduled:
                if dispatched.updateValue(event.timestamp, forKey: "\(event.eventID)") != nil {
                    doubled.append("\(id): request \(event.eventID)")
                }
            case .taskCompleted(let task, _), .taskFailed(let task, _):
                if !answered.insert(task).inserted { doubled.append("\(id): result of \(task)") }
            case .executionCompleted(let status, _, _): outcomes.append(status)
            default: break
            }
        }
        if outcomes.count > 1 { doubled.append("\(id): \(outcomes.count) outcomes") }
        if outcomes.first == .completed { completed += 1 } else if outcomes.first != nil { failed += 1 }
        activities += dispatched.count
        let byTask = Dictionary(grouping: runs, by: \.task)
        strayRuns += runs.filter { dispatched[$0.task] == nil }
        let hasAllRuns = dispatched.keys.allSatisfy { byTask[$0]?.contains { $0.ended != nil } == true }
        let hasAllSteps = evidence.steps[id].map { $0 == dispatched.count } ?? true
        if outcomes.isEmpty || (outcomes.first == .completed && !(hasAllRuns && hasAllSteps)) { lost.append(id) }
        for (task, sent) in dispatched.sorted(by: { $0.key < $1.key }) {
            for (before, run) in zip(byTask[task] ?? [], (byTask[task] ?? []).dropFirst()) {
                let reason = reason(for: run, after: before, dispatchedAt: sent, evidence)
                repeats.append(Repeat(before: before, run: run, reason: reason))
            }
        }
    }

    /// I3: an activity runs again only if its previous run may not have completed, or its dispatch was not known to be
    /// confirmed. The broker gives a task out again (its delivery count says so) when the worker that had it was hit;
    /// an owner sends it again when an owner was hit. A worker that was frozen may find tasks it was given before.
    private func reason(
        for run: LedgerRun, after before: LedgerRun, dispatchedAt sent: Timestamp, _ evidence: Evidence
    ) -> String? {
        let faults = evidence.injections
        if run.deliveryCount > 1,
            let fault = faults.first(where: {
                $0.losesDeliveries && $0.hits(before.worker, from: before.began, through: run.began)
            })
        {
            return "delivered again: worker \(before.worker) was \(fault.kind.rawValue)"
        }
        if let fault = faults.first(where: {
            $0.leavesZombies && $0.hits(run.worker, from: sent, through: run.began)
        }) {
            return "run late: worker \(run.worker) was \(fault.kind.rawValue)"
        }
        guard run.deliveryCount == 1 else { return nil }
        let partition = InstanceID(run.instance).partition(of: evidence.partitionCount)
        let tenures = evidence.tenures.filter { $0.partition == partition }
        for (index, tenure) in tenures.enumerated() {
            let end = index + 1 < tenures.count ? tenures[index + 1].serving : .distantFuture
            guard tenure.serving <= run.began, end >= sent else { continue }
            let start = max(sent, tenure.serving)
            if let fault = faults.first(where: {
                $0.losesConfirms && $0.hits(tenure.worker, from: start, through: min(run.began, end))
            }) {
                return
                    "sent again: worker \(tenure.worker), owner of partition \(partition), was \(fault.kind.rawValue)"
            }
        }
        return nil
    }
}
