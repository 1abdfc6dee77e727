package import DurableCore
package import DurableTask

/// One instance's histories, and what replay makes of them.
package struct RecordedInstance {
    /// Of each execution, oldest first. Only the last one may be empty: it has had no episode.
    package let executions: [[HistoryEvent]]
    /// Of each execution; nil where there is no start.
    let replays: [HistoryReplay?]

    /// - Parameter programs: Code that fits.
    package init(_ executions: [[HistoryEvent]], programs: Registry) {
        self.executions = executions
        replays = executions.map { history in
            history.executionStarted.map { HistoryReplay(history, of: $0, programs: programs) }
        }
    }

    var current: [HistoryEvent] { executions.last ?? [] }

    /// All that was recorded, as if it had been one execution: without what the later ones were begun with.
    package var whole: [HistoryEvent] {
        var events = executions.first ?? []
        for (index, history) in executions.enumerated().dropFirst() {
            events += history.prefix(1) + history.dropFirst(2 + carriedOver(to: index).count)
        }
        return events
    }

    /// Events that the code of the execution before had not taken.
    func carriedOver(to index: Int) -> [RaisedEvent] { replays[index - 1]?.carriedOver ?? [] }

    /// What the code showed last.
    var customStatus: Payload? { replays.compactMap { $0?.customStatus }.last ?? nil }
}

/// From one execution to the next.
extension HistoryChecks {
    /// Each execution but the last continues as new, and the next one begins with what it left.
    static func succession(_ instance: RecordedInstance) -> [String] {
        var found: [String] = []
        for (index, history) in instance.executions.enumerated().dropFirst() {
            let before = instance.executions[index - 1]
            guard case .executionCompleted(.continuedAsNew, let input, _)? = before.last?.kind,
                let ancestor = before.executionStarted
            else {
                found.append("execution \(index) follows one that does not continue as new")
                continue
            }
            if history.isEmpty { continue }
            guard history.count > 1, let start = history[1].start else {
                found.append("execution \(index) does not begin with its start")
                continue
            }
            var expected = ancestor
            expected.executionID = ancestor.executionID.successor
            expected.input = input
            expected.scheduledStart = nil
            if start != expected {
                found.append("execution \(index) is started as other than the one before asked for")
            }
            let carried = instance.carriedOver(to: index)
            let begun = history.dropFirst(2).prefix(carried.count).map(\.raisedEvent)
            if begun != carried {
                found.append("execution \(index) does not begin with the \(carried.count) events that were left")
            }
        }
        if case .executionCompleted(.continuedAsNew, _, _)? = instance.current.last?.kind {
            found.append("continues as new, and nothing follows")
        }
        return found
    }
}
