package import DurableCore
package import DurableTask

/// All that must be true of a workload's instances once its run is over.
package enum WorkloadChecks {
    /// - Parameters:
    ///   - snapshots: What clients are told, or what log and store hold, by instance; absent ones left out.
    ///   - histories: All of each execution's history, oldest first, by instance.
    ///   - voidEnds: How instances ended before they were rewound.
    /// - Returns: What does not hold, sorted; empty when all is well.
    package static func violations(
        of workload: Workload, snapshots: [InstanceID: InstanceSnapshot], histories: [InstanceID: [[HistoryEvent]]],
        voidEnds: [InstanceID: [HistoryEvent]] = [:], programs: Registry = Programs.replayRegistry()
    ) -> [String] {
        var found: [String] = []
        let recorded = histories.mapValues { RecordedInstance($0, programs: programs) }
        let others = recorded.mapValues(\.whole)
        for instance in workload.instances {
            let snapshot = snapshots[instance.id]
            found += instance.expectation.violations(of: instance.id, snapshot: snapshot)
            guard let snapshot else {
                if others[instance.id]?.isEmpty == false {
                    found.append("\(instance.id): has a history without being there")
                }
                continue
            }
            let recorded = recorded[instance.id] ?? RecordedInstance([], programs: programs)
            found += agreement(snapshot, recorded).map { "\(instance.id): \($0)" }
            // Held or not due, it has no episode yet; what it should be says the expectation.
            if recorded.whole.isEmpty { continue }
            found += HistoryChecks.violations(
                of: recorded, of: instance, in: workload, others: others, voidEnds: voidEnds)
        }
        let planned = Set(workload.instances.map(\.id))
        for id in Set(snapshots.keys).union(histories.keys).subtracting(planned) where !id.isReserved {
            found.append("\(id): is there, but nobody started it")
        }
        return found.sorted()
    }

    /// The snapshot is what the history dictates.
    static func agreement(_ snapshot: InstanceSnapshot, _ recorded: RecordedInstance) -> [String] {
        var found: [String] = []
        let history = recorded.current
        if snapshot.historyCount != history.count {
            found.append("counts \(snapshot.historyCount) events, its history has \(history.count)")
        }
        if case .executionCompleted(let status, let result, let failure)? = history.last?.kind {
            if snapshot.status != status { found.append("is \(snapshot.status), its history ends as \(status)") }
            if snapshot.output != result { found.append("has an output other than its history") }
            if snapshot.failure != failure { found.append("has a failure other than its history") }
        } else if snapshot.status.isTerminal {
            found.append("is \(snapshot.status), its history has no end")
        }
        if let start = history.executionStarted {
            if snapshot.executionID != start.executionID { found.append("has an execution ID other than its history") }
            let isReplayed = recorded.replays.allSatisfy { $0?.violations.isEmpty ?? true }
            if isReplayed, snapshot.customStatus != recorded.customStatus {
                found.append("shows a custom status other than its code set")
            }
        }
        return found
    }
}
