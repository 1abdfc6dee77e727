/// What an instance tells those that it was started by and those that it has started.
extension InstanceState {
    // MARK: - Children

    func start(of child: ChildStart, _ taskID: EventID, at now: Timestamp) -> Message {
        let messageID = childStartID(taskID)
        let start = ExecutionStarted(
            name: child.name, version: child.version, input: child.input, instanceID: child.instanceID,
            executionID: ExecutionID(messageID.value),
            parent: child.isDetached
                ? nil : .init(taskID: taskID, name: name, instanceID: id, executionID: executionID),
            traceParent: traceParent, tags: child.tags)
        return Message(
            id: messageID, instanceID: child.instanceID, dispatch: child.isDetached ? 0 : rewindCount,
            event: HistoryEvent(timestamp: now, kind: .executionStarted(start)))
    }

    /// `kind` to each sub-orchestration it waits for.
    func messages(toOpenChildren kind: HistoryEvent.Kind, at now: Timestamp) -> [Message] {
        openChildren.sorted { $0.key < $1.key }.map { taskID, child in
            message(kind, "end", to: child, startedAs: taskID, at: now)
        }
    }

    func cancellation(of child: InstanceID, startedAs taskID: EventID, at now: Timestamp) -> Message {
        message(.cancellationRequested(reason: nil), "cancel", to: child, startedAs: taskID, at: now)
    }

    /// - Parameter suffix: Tells it from others to the same child.
    private func message(
        _ kind: HistoryEvent.Kind, _ suffix: String, to child: InstanceID, startedAs taskID: EventID, at now: Timestamp
    ) -> Message {
        let startID = childStartID(taskID)
        return Message(
            id: Self.messageID(toChild: startID, suffix), instanceID: child, executionID: ExecutionID(startID.value),
            event: HistoryEvent(timestamp: now, kind: kind))
    }

    static func messageID(toChild startID: MessageID, _ suffix: String) -> MessageID {
        MessageID("\(startID)/\(suffix)")
    }

    /// Of the message that starts a child; also the child's first execution ID.
    func childStartID(_ taskID: EventID) -> MessageID { executionID.messageID(ofAction: taskID) }

    // MARK: - The parent

    /// What it told its parent when it ended, for one that asks once more by `start`; nil: nobody waits for it, or it
    /// goes on.
    package func repeatedAnswer(to start: Message, at now: Timestamp) -> Message? {
        guard status.isTerminal, var answer = answerToParent(status, output, failure, at: now) else { return nil }
        answer.dispatch = start.dispatch
        return answer
    }

    /// What the parent is told of this instance's end; nil when nobody waits for it.
    func answerToParent(
        _ status: OrchestrationStatus, _ result: Payload?, _ failure: FailureDetails?, at now: Timestamp
    ) -> Message? {
        guard let parent else { return nil }
        let kind: HistoryEvent.Kind
        switch status {
        case .completed: kind = .subOrchestrationCompleted(taskID: parent.taskID, result: result)
        case .terminated, .canceled:
            let errorType = status == .terminated ? "Terminated" : "Canceled"
            kind = .subOrchestrationFailed(
                taskID: parent.taskID,
                failure: FailureDetails(
                    errorType: errorType, message: "instance \"\(id)\" was \(status)", isNonRetryable: true))
        default:
            kind = .subOrchestrationFailed(
                taskID: parent.taskID,
                failure: failure ?? FailureDetails(errorType: "Failed", message: "instance \"\(id)\" is \(status)"))
        }
        return Message(
            id: MessageID("\(executionID.stem)/answer"), instanceID: parent.instanceID,
            executionID: parent.executionID, dispatch: startDispatch, event: HistoryEvent(timestamp: now, kind: kind))
    }
}

extension Message {
    /// What the parent of a child is told that cannot be started; nil when this is no start of a child.
    ///
    /// - Parameter defect: Why; nil: its ID is in use.
    package func refusal(at now: Timestamp, because defect: String? = nil) -> Message? {
        guard case .executionStarted(let start) = event.kind, let parent = start.parent else { return nil }
        return Message(
            id: MessageID("\(id)/refused"), instanceID: parent.instanceID, executionID: parent.executionID,
            dispatch: dispatch,
            event: HistoryEvent(
                timestamp: now,
                kind: .subOrchestrationFailed(
                    taskID: parent.taskID,
                    failure: FailureDetails(
                        errorType: defect == nil ? "InstanceExists" : "StartRefused",
                        message: defect ?? "there is an instance \"\(instanceID)\" already", isNonRetryable: true))))
    }
}

extension Sequence<HistoryEvent> {
    /// The first termination: its reason, and whether one takes the sub-orchestrations with it; nil: there is none.
    var termination: (reason: Payload?, recurse: Bool)? {
        var first: (reason: Payload?, recurse: Bool)?
        for case .executionTerminated(let reason, let recurse) in lazy.map(\.kind) {
            first = (first.map(\.reason) ?? reason, (first?.recurse ?? false) || recurse)
        }
        return first
    }

    /// What sub-orchestrations are told, if a termination takes them with it.
    var terminationOfChildren: HistoryEvent.Kind? {
        guard let termination, termination.recurse else { return nil }
        // One copy for each child.
        return .executionTerminated(reason: termination.reason.flatMap { $0.count <= 4096 ? $0 : nil }, recurse: true)
    }
}
