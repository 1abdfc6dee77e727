import DurableCore

extension Timestamp {
    static func at(_ milliseconds: Int64) -> Timestamp { Timestamp(millisecondsSinceEpoch: milliseconds) }
}

/// A start message for instance `id`.
func startMessage(
    _ id: String = "i-1", message: String = "m-1", startAt: Timestamp? = nil, execution: String = "x-1"
) -> Message {
    Message(
        id: MessageID(message), instanceID: InstanceID(id),
        event: HistoryEvent(
            timestamp: .at(0),
            kind: .executionStarted(
                ExecutionStarted(
                    name: "Order", input: Payload("1"), instanceID: InstanceID(id), executionID: ExecutionID(execution),
                    scheduledStart: startAt))))
}

func completion(of task: Int32, dispatch: UInt32 = 1, execution: String = "x-1") -> Message {
    Message(
        id: MessageID("\(execution)/\(task)/\(dispatch)"), instanceID: InstanceID("i-1"),
        executionID: ExecutionID(execution), dispatch: dispatch,
        event: HistoryEvent(timestamp: .at(0), kind: .taskCompleted(taskID: EventID(task), result: Payload("ok"))))
}

func failedCompletion(of task: Int32, _ failure: FailureDetails) -> Message {
    var message = completion(of: task)
    message.event.kind = .taskFailed(taskID: EventID(task), failure: failure)
    return message
}

func raised(_ name: String, message: String) -> Message {
    Message(
        id: MessageID(message), instanceID: InstanceID("i-1"),
        event: HistoryEvent(timestamp: .at(0), kind: .eventRaised(name: name, input: nil)))
}

func message(_ id: String, _ kind: HistoryEvent.Kind) -> Message {
    Message(
        id: MessageID(id), instanceID: InstanceID("i-1"), event: HistoryEvent(timestamp: .at(0), kind: kind))
}

/// Drives one instance as a partition does, and checks at each step that folding the whole batch's change at once
/// gives what folding its parts gave.
struct InstanceDriver {
    var state: InstanceState?
    var outboxID = OutboxID(1)
    var outbox: [OutboxEntry] = []
    var changes: [InstanceChange] = []
    let epoch = Epoch(generation: 1, offset: 1)

    /// Hands `messages` in as one batch and then runs an episode, if one may run, that asks for `actions`.
    @discardableResult
    mutating func batch(
        _ messages: [Message], at now: Timestamp, actions: [OrchestratorAction] = []
    ) -> [Verdict] {
        let before = state
        var merged: InstanceChange?
        func fold(_ change: InstanceChange, _ state: inout InstanceState?) {
            if state == nil { state = InstanceState.created(by: change) }
            state?.evolve(with: change)
        }
        func note(_ change: InstanceChange) {
            if merged?.merge(change) == nil { merged = change }
            fold(change, &state)
        }
        var verdicts: [Verdict] = []
        for message in messages {
            switch state?.decide(message, at: now) ?? InstanceState.decide(message, at: now) {
            case .ignored(let verdict): verdicts.append(verdict)
            case .accepted(let change, let verdict):
                note(change)
                verdicts.append(verdict)
            }
        }
        if let change = state?.fireTimers(at: now) { note(change) }
        if let current = state, !current.inbox.isEmpty {
            if current.isEndImposed(at: now) {
                note(current.imposeEnd(at: now).change)
            } else if current.mayRun(at: now) {
                let events = current.episodeEvents(at: now)
                let (change, sent) = current.finishEpisode(
                    over: events, actions: actions, at: now, epoch: epoch, outboxID: &outboxID)
                outbox += sent
                note(change)
            }
        }
        if let merged {
            changes.append(merged)
            var replayed = before
            fold(merged, &replayed)
            precondition(replayed == state, "one change must do what its parts did")
        }
        return verdicts
    }

    /// The state that recovery rebuilds from the recorded changes.
    var recovered: InstanceState? {
        var state: InstanceState?
        for change in changes {
            if state == nil { state = InstanceState.created(by: change) }
            state?.evolve(with: change)
        }
        return state
    }
}
