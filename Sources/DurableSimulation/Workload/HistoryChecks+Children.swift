import DurableCore

/// Between parents and children.
extension HistoryChecks {
    /// Each child's answer is its end, as its own history has it or had it before it was rewound, and each end that was
    /// waited for was answered.
    static func children(
        _ history: [HistoryEvent], of instance: PlannedInstance, _ workload: Workload,
        _ others: [InstanceID: [HistoryEvent]], _ voidEnds: [InstanceID: [HistoryEvent]]
    ) -> [String] {
        var found: [String] = []
        var started: [EventID: InstanceID] = [:]
        for event in history {
            let id: EventID
            let answer: Result<Payload?, FailureDetails>
            switch event.kind {
            case .subOrchestrationCreated(let child):
                started[event.eventID] = child.instanceID
                if workload.instance(child.instanceID) == nil {
                    found.append("starts \(child.instanceID), which nobody planned")
                }
                continue
            case .subOrchestrationCompleted(let taskID, let result): (id, answer) = (taskID, .success(result))
            case .subOrchestrationFailed(let taskID, let failure): (id, answer) = (taskID, .failure(failure))
            default: continue
            }
            guard let child = started.removeValue(forKey: id) else { continue }  // the structure says so
            let theirs = others[child] ?? []
            let isOfThisStart = theirs.executionStarted?.parent?.taskID == id
            if isOfThisStart, (voidEnds[child] ?? []).contains(where: { $0.isEnd(answeredBy: answer) }) { continue }
            switch (answer, theirs.last?.kind) {
            case (.success(let result), .executionCompleted(.completed, let theirs, _)?)
            where isOfThisStart && result == theirs: break
            case (.failure(let failure), .executionCompleted(.failed, _, let theirs)?)
            where isOfThisStart && failure == theirs: break
            case (.failure(let failure), .executionCompleted(.terminated, _, _)?) where isOfThisStart:
                if failure.errorType != "Terminated" { found.append("\(child) was terminated, not: \(failure)") }
            case (.failure(let failure), .executionCompleted(.canceled, _, _)?) where isOfThisStart:
                if failure.errorType != "Canceled" { found.append("\(child) was canceled, not: \(failure)") }
            case (.failure(let failure), _) where !isOfThisStart:
                // Refused: perhaps before the one of that ID had an episode.
                if failure.errorType != "InstanceExists" { found.append("\(child) was refused, not: \(failure)") }
            default: found.append("\(event.shortText) is not the end of \(child)")
            }
        }
        if !history.hasEnd {
            for (id, child) in started.sorted(by: { $0.key < $1.key }) where others[child]?.hasEnd == true {
                found.append("does not hear of the end of its child \(id), \(child)")
            }
        }
        return found
    }

    /// Reasons for which the ancestors of an instance were terminated, with it.
    static func reasonsOfAncestors(of instance: PlannedInstance, _ workload: Workload) -> [Payload?] {
        var reasons: [Payload?] = []
        var next = instance.parent
        while let ancestor = next {
            for case .terminate(ancestor, let reason, _) in workload.operations.map(\.kind) { reasons.append(reason) }
            next = workload.instance(ancestor)?.parent
        }
        return reasons
    }
}

extension HistoryEvent {
    /// Whether it is the end, other than a success, that a parent is told of so.
    fileprivate func isEnd(answeredBy answer: Result<Payload?, FailureDetails>) -> Bool {
        guard case .failure(let failure) = answer, case .executionCompleted(let status, _, let own) = kind else {
            return false
        }
        return switch status {
        case .failed: failure == own
        case .terminated: failure.errorType == "Terminated"
        case .canceled: failure.errorType == "Canceled"
        default: false
        }
    }
}
