/// A failed instance goes back to where it last asked for something, and goes on from there: what has failed since is asked
/// for again, what has succeeded is given to the code again, and the failure is no part of its history any more.
extension InstanceState {
    /// Whether the message asks for that.
    package func isRewound(by message: Message) -> Bool {
        switch message.event.kind {
        case .executionRewound: true
        case .executionStarted: message.rewinds && message.id == startID
        default: false
        }
    }

    /// What the sender of such a request is told; nil: the instance is to be rewound, if its history allows it.
    package func verdict(onRewinding message: Message) -> Verdict? {
        switch message.event.kind {
        case .executionRewound:
            if appliedMessages.contains(message.id) { return .duplicate }
            return status == .failed ? nil : .notFailed
        case .executionStarted(let start) where message.rewinds && message.id == startID && start.parent == parent:
            // What its parent ended with itself was given up, and is wanted again.
            return [.failed, .canceled, .terminated].contains(status) ? nil : .created
        default:
            return .unexpected
        }
    }

    /// The instance as it was when it last asked for something, as one that takes its place.
    ///
    /// - Parameters:
    ///   - history: All of it.
    ///   - message: What asks for it, `verdict(onRewinding:)` is nil.
    ///   - outboxID: Next free number of the partition's outbox; raised for each message.
    /// - Returns: nil when the history does not allow it: its code asked for something in the step in which it failed, was
    ///   told to end before, or waited for an entity or held one.
    package func rewound(
        _ history: [HistoryEvent], by message: Message, at now: Timestamp, epoch: Epoch, outboxID: inout OutboxID
    ) -> (change: InstanceChange, outbox: [OutboxEntry])? {
        guard let atEnd else { return nil }
        let end = history.lastIndex { $0.kind == .orchestratorStarted } ?? 0
        let lastRequest = history.lastIndex { $0.kind.isRecordedByCode }
        if let lastRequest, lastRequest > end { return nil }
        let cut = history[(lastRequest ?? 0)...].firstIndex { $0.kind == .orchestratorStarted } ?? 0
        let kept = history[..<cut]
        if kept.contains(where: \.kind.asksToEnd) { return nil }

        let void = history[cut...]
        var awaited = Set(atEnd.open + givenUp.lately)
        for event in void { if let request = event.kind.answeredRequest { awaited.insert(request) } }
        // Where they were called off already, they stay so.
        awaited.subtract(givenUp.children)
        let again = void.filter(\.kind.isGivenAgain)
        var open: [EventID: HistoryEvent.Kind] = [:]
        for event in kept where event.eventID != .none { open[event.eventID] = event.kind }
        for event in kept + again { if let request = event.kind.answeredRequest { open[request] = nil } }

        let count = rewindCount &+ 1
        let rewinding = HistoryEvent(
            timestamp: now, kind: .executionRewound(reason: message.rewindReason, count: count))
        var change = InstanceChange(
            instanceID: id, time: now, history: Array(kept), buffered: Array(again) + [rewinding],
            appliedMessages: appliedMessages(after: message), customStatus: .set(customStatus),
            compensatesTermination: .set(atEnd.compensatesTermination), replaces: true)
        change.createdAt = createdAt
        change.startDispatch = message.startDispatch ?? startDispatch
        change.rejectedUpdates = endedUpdates(notIn: kept)
        change.givenUp = GivenUp()
        change.givenUp?.children = givenUp.children
        var rewound = InstanceState.created(by: change)
        rewound?.evolve(with: change)
        guard let rewound, rewound.openEntityCalls.isEmpty, rewound.openSections.isEmpty else { return nil }
        var outbox: [OutboxEntry] = []
        func send(_ body: OutboxEntry.Body) -> OutboxID {
            defer { outboxID = OutboxID(outboxID.value + 1) }
            outbox.append(OutboxEntry(id: outboxID, epoch: epoch, body: body))
            return outboxID
        }
        for (eventID, request) in open.sorted(by: { $0.key < $1.key }) {
            switch request {
            case .taskScheduled(let name, let input) where awaited.contains(eventID):
                let task = TaskMessage(
                    instanceID: id, executionID: executionID, taskID: eventID, dispatch: count + 1, name: name,
                    input: input, traceParent: traceParent)
                change.scheduledTasks.append(
                    .init(taskID: eventID, dispatch: count + 1, outboxID: send(.task(task))))
            case .timerCreated where !awaited.contains(eventID):
                change.canceledTimers.append(eventID)
            case .subOrchestrationCreated(let child) where awaited.contains(eventID) && !child.isDetached:
                var start = rewound.start(of: child, eventID, at: now)
                start.rewinds = true
                _ = send(.message(start))
            default: break
            }
        }
        return (change, outbox)
    }

    /// What an instance that goes on keeps of such a request, so that a late repeat does not bring it about, and that its
    /// parent takes its answer for one to its newest start; nil: nothing.
    package func noted(ofRewinding message: Message, at now: Timestamp) -> InstanceChange? {
        if status.isTerminal { return nil }
        var change = InstanceChange(instanceID: id, time: now)
        switch (message.event.kind, verdict(onRewinding: message)) {
        case (.executionRewound, .notFailed?): change.appliedMessages = [message.id]
        case (.executionStarted, .created?) where message.dispatch > startDispatch:
            change.startDispatch = message.dispatch
        default: return nil
        }
        return change
    }

    /// What clients were told of updates that the kept history does not have: those of earlier executions, and those that
    /// never began.
    private func endedUpdates(notIn kept: ArraySlice<HistoryEvent>) -> [UpdateLedger.Ended] {
        var begun: Set<UpdateID> = []  // look-up only
        for case .updateRequested(let request) in kept.lazy.map(\.kind) { begun.insert(request.id) }
        return (updates.rejected + updates.ended).filter { !begun.contains($0.id) }
    }

    /// The message's own, and those that it had taken of clients. A parent's requests to end count no longer.
    private func appliedMessages(after message: Message) -> [MessageID] {
        let parents = [startID, Self.messageID(toChild: startID, "end"), Self.messageID(toChild: startID, "cancel")]
        let taken = appliedMessages.filter { !parents.contains($0) }
        let own = message.id == startID ? [] : [message.id]
        return [startID] + taken.suffix(Self.appliedMessagesLimit - 2) + own
    }
}

extension InstanceState {
    /// As it is kept should the instance fail or be ended now.
    var presentEnd: AtEnd {
        AtEnd(
            open: (Array(openTasks.keys) + Array(openTimers.keys) + Array(openChildren.keys)).sorted(),
            compensatesTermination: compensatesTermination)
    }

    /// What its code has given up once an episode is over that asked for this; nil: as it was.
    func givenUp(after actions: [OrchestratorAction], recording count: Int) -> GivenUp? {
        var now = givenUp
        if count > 0 {
            now.children += now.lately.filter { openChildren[$0] != nil }
            now.lately = []
        }
        for action in actions {
            switch action {
            case .cancelTask(let id), .cancelTimer(let id): if count == 0 { now.lately.append(id) }
            case .cancelChild(let id): if count == 0 { now.lately.append(id) } else { now.children.append(id) }
            default: break
            }
        }
        return now == givenUp ? nil : now
    }
}

extension Message {
    /// Of a parent's start; nil: it is none.
    fileprivate var startDispatch: UInt32? {
        if case .executionStarted = event.kind { dispatch } else { nil }
    }

    fileprivate var rewindReason: Payload? {
        if case .executionRewound(let reason, _) = event.kind { reason } else { nil }
    }
}

extension HistoryEvent.Kind {
    /// Whether code has recorded it, or it began a step of code of its own.
    var isRecordedByCode: Bool {
        switch self {
        case .taskScheduled, .timerCreated, .eventSent, .subOrchestrationCreated, .patchRecorded, .updateRequested,
            .updateCompleted, .entityOperationCalled, .entityOperationSignaled, .entityLockRequested, .entityUnlockSent:
            true
        default: false
        }
    }

    fileprivate var asksToEnd: Bool {
        switch self {
        case .executionTerminated, .cancellationRequested: true
        default: false
        }
    }

    /// Event ID of the request that it ends.
    var answeredRequest: EventID? {
        switch self {
        case .taskCompleted(let id, _), .taskFailed(let id, _), .subOrchestrationCompleted(let id, _),
            .subOrchestrationFailed(let id, _), .timerFired(let id, _):
            id
        default: nil
        }
    }

    /// Whether code is given it again; timers are due again by themselves.
    fileprivate var isGivenAgain: Bool {
        switch self {
        case .executionStarted, .taskCompleted, .subOrchestrationCompleted, .eventRaised, .entityOperationCompleted:
            true
        default: false
        }
    }
}
