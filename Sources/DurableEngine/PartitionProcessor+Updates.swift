import DurableBackend
import DurableCore
import DurableWire
import Logging

/// Updates: what clients ask an instance's code to change, and are told the result of.
///
/// A request waits in the instance's state. When all that came before has been handled the code is asked whether it may
/// begin; only then it goes into the history, at the begin of an episode of its own.
extension PartitionProcessor {
    /// Lets the updates begin that wait and that the code has a handler for, in order of arrival, each in an episode.
    func runUpdates(of entry: InstanceEntry, in batch: inout Batch) throws(PartitionEnd) {
        if !isHere(entry.state) {
            if entry.state.asksCode, !shipments.unadmitted(by: entry.state).isEmpty { waitForCode(entry, in: &batch) }
            return
        }
        // One that there is no handler for may wait for another's doing, so all are looked at again after each.
        var passedOver: Set<UpdateID> = []  // look-up only
        while entry.state.mayAdmitUpdates,
            let request = entry.state.updates.requested.first(where: { !passedOver.contains($0.id) })
        {
            do throws(EpisodeEnd) {
                let session = try session(of: entry)
                let admission = try admission(of: request, to: session, of: entry)
                let now = entry.state.time(at: batch.now)
                switch admission {
                case .noHandler:
                    passedOver.insert(request.id)
                case .rejected(let reason):
                    apply(
                        entry.state.rejection(of: request, because: limited(reason), at: now), to: entry, in: &batch)
                case .admitted:
                    try runCode(of: entry, over: entry.state.beginning(of: request, at: now), in: &batch)
                    // The rest is looked at when it is finished.
                    if batch.isPending(entry) { return }
                    passedOver = []
                }
            } catch {
                try end(error, entry, in: &batch)
                return
            }
        }
        // One that is held waits for more.
        if entry.state.hold == nil { fetches.arrived[entry.state.id] = nil }
    }

    /// What the code says to an update, or its worker where it cannot be shown to the code. The instance goes on either
    /// way: nothing of it is in the history yet.
    private func admission(
        of request: UpdateRequest, to session: any OrchestrationSession, of entry: InstanceEntry
    ) throws(EpisodeEnd) -> UpdateAdmission {
        guard session.takesUpdate(named: request.name) else { return .noHandler }
        var opened = request
        if let input = request.input {
            let content: OpenedPayload
            do throws(PayloadFault) {
                content = try parts.payloads.open(input)
            } catch {
                return .rejected(.unreadableUpdate(error))
            }
            switch content {
            case .payload(let payload): opened.input = payload
            case .stored(let reference):
                guard let payload = fetches.arrived[entry.state.id]?[reference] else { throw .missing([reference]) }
                opened.input = payload
            }
        }
        var violation: String?
        var admission = session.admit(opened, violation: &violation)
        if has(.runsRefusedUpdates), case .rejected = admission { admission = .admitted }
        if violation != nil {
            session.evict()
            entry.session = nil
        }
        return admission
    }

    /// A reason that a validator gives goes into the instance's state: it is cut where it is long.
    func limited(_ reason: FailureDetails) -> FailureDetails {
        let limit = 4096
        guard reason.message.utf8.count > limit else { return reason }
        var reason = reason
        reason.message = String(decoding: reason.message.utf8.prefix(limit), as: UTF8.self) + " ..."
        return reason
    }

    /// Sees to it that the code is asked about the updates that wait.
    func askAgain(_ id: InstanceID) {
        if !askedAgain.contains(id) { askedAgain.append(id) }
    }

    func askAgain(into batch: inout Batch, limit: Int) throws(PartitionEnd) {
        // One with something in its inbox is in the batch.
        for entry in try takeAskedAgain(limit) where entry.state.inbox.isEmpty { try runUpdates(of: entry, in: &batch) }
    }

    /// Has the code of such instances run alone, after a record of it.
    func askAgainAlone(into batch: inout Batch, limit: Int) throws(PartitionEnd) {
        for entry in try takeAskedAgain(limit) {
            let change = InstanceChange(instanceID: entry.state.id, time: entry.state.time(at: batch.now))
            fold(change, into: entry)
            batch.note(change, of: entry)
        }
    }

    private func takeAskedAgain(_ limit: Int) throws(PartitionEnd) -> [InstanceEntry] {
        let some = askedAgain.prefix(limit)
        askedAgain.removeFirst(some.count)
        var entries: [InstanceEntry] = []
        for id in some {
            if let entry = try entry(for: id), entry.state.mayAdmitUpdates { entries.append(entry) }
        }
        return entries
    }

    // MARK: - Asking

    /// What became of an update.
    ///
    /// - Returns: nil when it has not ended: the client is answered when it has.
    func outcome(
        of updateID: UpdateID, _ entry: InstanceEntry, for address: ReplyAddress
    ) throws(PartitionEnd) -> QueryAnswer? {
        if entry.state.entity != nil {
            return .failed(
                "DTQ2026 \(entry.state.id) is an entity, not an orchestration: it takes no updates. Send it operations. "
                    + "See ops/errors/DTQ2026.md")
        }
        switch entry.state.updates.standing(of: updateID) {
        case .ended(let outcome):
            return .update(try recalled(outcome, of: updateID, entry))
        case .requested:
            // Its code may be another than when the request came: whoever waits for it has it looked at again.
            if entry.session == nil, entry.state.mayAdmitUpdates,
                askedAgain.count < parts.configuration.waiterLimit
            {
                askAgain(entry.state.id)
            }
            fallthrough
        case .open:
            remember(
                Waiter(address: address, expires: parts.clock.uptime() + .seconds(15), updateID: updateID),
                for: entry.state.id)
            return nil
        case nil:
            return .unknownUpdate(entry.state.status)
        }
    }

    /// A result that the instance's state does not keep may still be in its history.
    private func recalled(
        _ outcome: UpdateOutcome, of updateID: UpdateID, _ entry: InstanceEntry
    ) throws(PartitionEnd) -> UpdateOutcome {
        guard outcome == .forgotten else { return outcome }
        func find(_ events: [HistoryEvent]) -> UpdateOutcome? {
            for case .updateCompleted(updateID, let result, nil) in events.lazy.map(\.kind) {
                return .completed(result)
            }
            return nil
        }
        if let found = find(entry.unflushed) { return found }
        var position = 0
        while position < entry.flushedCount {
            let page = try recorded(entry, from: position)
            if let found = find(page) { return found }
            position += page.count
        }
        return outcome
    }

    /// Answers those who wait for updates that have ended, durably.
    func answerUpdateWaiters(of entry: InstanceEntry) throws(PartitionEnd) {
        guard let list = waiters[entry.state.id] else { return }
        var left: [Waiter] = []
        for waiter in list {
            guard let updateID = waiter.updateID, case .ended(let outcome)? = entry.state.updates.standing(of: updateID)
            else {
                left.append(waiter)
                continue
            }
            reply(.answer(.update(try recalled(outcome, of: updateID, entry))), to: waiter.address)
        }
        waiterCount -= list.count - left.count
        waiters[entry.state.id] = left.isEmpty ? nil : left
    }
}
