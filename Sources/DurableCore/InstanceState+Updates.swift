extension InstanceState {
    /// What an update that arrives changes: it waits, or it is refused since too many do.
    func arrival(of request: UpdateRequest, at now: Timestamp) -> InstanceChange {
        var change = InstanceChange(instanceID: id, time: now)
        if updates.openCount < UpdateLedger.openLimit {
            change.requestedUpdates = [request]
        } else {
            let reason = FailureDetails(
                errorType: "TooManyUpdates",
                message:
                    "\(updates.openCount) updates of instance \"\(id)\" wait or run, which is the limit; ask again "
                    + "under another update ID once some have ended")
            change.rejectedUpdates = [.init(id: request.id, outcome: .rejected(reason))]
        }
        return change
    }

    /// The events of the episode in which an update that the code has admitted begins.
    package func beginning(of request: UpdateRequest, at now: Timestamp) -> [HistoryEvent] {
        [
            HistoryEvent(timestamp: now, kind: .orchestratorStarted),
            HistoryEvent(timestamp: now, kind: .updateRequested(request)),
        ]
    }

    /// What the refusal of an update changes.
    package func rejection(of request: UpdateRequest, because reason: FailureDetails, at now: Timestamp)
        -> InstanceChange
    {
        var change = InstanceChange(instanceID: id, time: now)
        change.rejectedUpdates = [.init(id: request.id, outcome: .rejected(reason))]
        return change
    }
}

/// What the code of an instance says to an update that wants to begin.
package enum UpdateAdmission: Hashable, Sendable {
    case admitted
    case rejected(FailureDetails)
    /// The code has no handler of that name so far.
    case noHandler
}

/// What the code of an instance answers to a query.
package enum HandlerAnswer: Hashable, Sendable {
    case value(Payload?)
    /// What the handler threw, or why its input could not be decoded.
    case failed(FailureDetails)
    /// The code has no handler of that name so far.
    /// - `known`: those it has, in order.
    case noHandler(known: [String])
    /// The handler did what a query may not do.
    case misused(String)
}
