extension InstanceState {
    /// The code that may run its next episode, best first.
    package var codes: [OrchestrationCode] {
        OrchestrationCode.candidates(name, version: version, author: historyCount > 0 ? author : nil)
    }

    /// What it was started as.
    package var code: OrchestrationCode { OrchestrationCode(name: name, version: version) }

    /// The events an episode is shipped with: its time, then what is in the inbox, up to `byteLimit` bytes of data, one
    /// event at least.
    package func shippedEvents(at now: Timestamp, byteLimit: Int) -> [HistoryEvent] {
        var events = [HistoryEvent(timestamp: now, kind: .orchestratorStarted)]
        var bytes = 0
        for event in inbox {
            bytes += event.estimatedBytes
            if bytes > byteLimit, events.count > 1 { break }
            events.append(event)
        }
        return events
    }

    /// Whether updates wait that the code may be asked about, also while it is held for want of the code.
    package var asksCode: Bool {
        status == .running && hold.map(\.isForCode) ?? true && !updates.requested.isEmpty
    }

    /// Whether the answer to an episode over the first `count` events of the inbox may still be taken. An instance that
    /// was suspended meanwhile, even if it goes on again, runs anew.
    package func mayTake(answerOver count: Int) -> Bool {
        guard hold?.isForCode == true, status == .running || status == .pending, count <= inbox.count else {
            return false
        }
        return !inbox.dropFirst(count).contains { event in
            switch event.kind {
            case .executionSuspended, .executionResumed, .executionTerminated: true
            default: false
            }
        }
    }

    /// Makes the change of an episode that ran elsewhere out of that of one that ran here: what arrived meanwhile stays in
    /// the inbox, or goes to the next execution if that can use it; the instance is held no more.
    ///
    /// - Parameter count: Events of the inbox that the episode was run over.
    package func settle(_ change: inout InstanceChange, over count: Int) {
        let arrived = inbox.dropFirst(count)
        change.hold = .set(nil)
        // What was answered meanwhile is open for the code.
        change.atEnd?.open += arrived.compactMap(\.kind.answeredRequest)
        guard change.continuesAsNew else {
            change.buffered = Array(arrived)
            return
        }
        change.buffered += arrived.filter { event in
            switch event.kind {
            case .eventRaised, .cancellationRequested: true
            default: false
            }
        }
    }
}

extension Hold {
    /// Of an instance whose owner lacks its code: it goes on by itself when somebody has it.
    package static let codeOfMissingCode = "DTQ2005"
    package var isForCode: Bool { code == Self.codeOfMissingCode }
}
