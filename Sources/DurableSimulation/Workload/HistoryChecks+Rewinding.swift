import DurableCore

extension HistoryChecks {
    /// Who was rewound was so at somebody's request, each of which counted once.
    static func rewindings(
        _ history: [HistoryEvent], of instance: PlannedInstance, _ workload: Workload
    ) -> [String] {
        var found: [String] = []
        var reasons: Set<Payload?> = instance.parent == nil ? [] : [nil]  // look-up only
        for case .rewind(instance.id, let publication) in workload.operations.map(\.kind) {
            reasons.insert(json(publication.messageID.value))
        }
        for case .mend(instance.id, let limit) in workload.operations.map(\.kind) where limit > 0 {
            for attempt in 1...limit { reasons.insert(json(PlannedOperation.mendID(instance.id, attempt))) }
        }
        var earlier: UInt32 = 0
        for case .executionRewound(let reason, let count) in history.map(\.kind) {
            if !reasons.contains(reason) { found.append("ExecutionRewound was asked for by nobody") }
            // A parent gives no reason, and may do so again.
            if reason != nil, reasons.remove(reason) == nil { found.append("is rewound twice by one request") }
            if count <= earlier { found.append("is rewound for the \(count). time after the \(earlier).") }
            earlier = count
        }
        return found
    }
}

extension PlannedOperation {
    /// Of the message that rewinds an instance for the nth time, until it does not fail.
    static func mendID(_ id: InstanceID, _ attempt: Int) -> String { "\(id).mend-\(attempt)" }

    /// What a client is told that wants an instance rewound which may end so.
    static func permittedVerdictsOnRewinding(_ outcomes: [Expectation.Outcome]) -> [Verdict] {
        if outcomes == [.absent] { return [.notFound] }
        // It may not be there yet, or not have failed, which a repeat does not ask again.
        var verdicts: [Verdict] = [.notFailed, .notFound, .duplicate]
        let staysFailed = outcomes.allSatisfy { if case .failed = $0 { true } else { false } }
        if !staysFailed { verdicts.append(.accepted) }
        if staysFailed || outcomes.contains(.failedSomehow) { verdicts.append(.notRewindable) }
        return verdicts
    }
}
