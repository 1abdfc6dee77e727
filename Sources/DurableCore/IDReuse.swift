/// What a start does where there is an instance of its ID, one that runs and one that has ended.
///
/// A start counts once, however often it is delivered. One that begins anew has a history of its own: the instance that
/// was there is gone as if it was purged.
public struct IDReuse: Hashable, Sendable {
    /// When an instance of the ID has not ended.
    public var running: Running
    /// When one of the ID has ended and was not purged.
    public var ended: Ended

    /// Refuses whatever is not said.
    public init(running: Running = .refuse, ended: Ended = .refuse) {
        self.running = running
        self.ended = ended
    }

    /// Nothing is started where an instance is or was.
    public static let refuse = IDReuse()

    /// Where the instance has not ended.
    public enum Running: String, Hashable, Sendable, CaseIterable {
        /// Nothing is started.
        case refuse
        /// Nothing is started, and that is what was asked for.
        case useExisting = "use-existing"
        /// It is terminated with the sub-orchestrations it waits for, without undoing anything, and another one begins.
        case terminate
    }

    /// Where the instance has ended.
    public enum Ended: String, Hashable, Sendable, CaseIterable {
        /// Nothing is started.
        case refuse
        /// Another one begins.
        case allow
        /// Another one begins where it has failed, was canceled or terminated.
        case allowUnlessCompleted = "allow-unless-completed"
    }
}

extension InstanceChange {
    /// Whether what takes an ID is the same execution at an earlier time.
    package func continues(_ executionID: ExecutionID) -> Bool {
        (history + buffered).executionStarted?.executionID == executionID
    }
}

extension InstanceState {
    /// Decides about a start where there is this instance.
    func decideAboutStart(_ message: Message, _ start: ExecutionStarted, at now: Timestamp) -> Acceptance {
        if message.id == startID { return .ignored(start.parent == parent ? .created : .exists) }
        // Code that calls another instance has no say in it.
        let reuse = start.parent == nil ? message.idReuse : .refuse
        let refusal = reuse.running == .useExisting ? Verdict.joined : .exists
        if appliedMessages.contains(message.id) { return .ignored(refusal) }
        if status.isTerminal {
            switch reuse.ended {
            case .refuse: return .ignored(.exists)
            case .allowUnlessCompleted where status == .completed: return .ignored(.exists)
            case .allow, .allowUnlessCompleted: return replacement(by: message, at: now)
            }
        }
        if reuse.running == .terminate { return replacement(by: message, at: now) }
        if reuse == .refuse { return .ignored(.exists) }
        // Remembered: a late repeat must not begin one in its place when it has ended.
        return .accepted(InstanceChange(instanceID: id, time: now, appliedMessages: [message.id]), verdict: refusal)
    }

    private func replacement(by message: Message, at now: Timestamp) -> Acceptance {
        guard case .accepted(var change, let verdict) = Self.decide(message, at: now) else {
            preconditionFailure("a start creates an instance where there is none")
        }
        change.replaces = true
        // Repeats of what the one before had taken are no news to this one either.
        change.appliedMessages += appliedMessages.filter { $0 != startID }.suffix(Self.appliedMessagesLimit - 2)
        change.appliedMessages.append(startID)
        return .accepted(change, verdict: verdict)
    }

    /// How it ends where another one takes its ID: its code does not run again.
    ///
    /// - Returns: What it would be, and what to tell its parent and its children.
    package func replaced(at now: Timestamp) -> (change: InstanceChange, messages: [Message]) {
        var ending = self
        ending.inbox.append(
            HistoryEvent(
                timestamp: now,
                kind: .executionTerminated(reason: Payload("\"another start took its ID\""), recurse: true)))
        return ending.imposeEnd(at: now)
    }
}
