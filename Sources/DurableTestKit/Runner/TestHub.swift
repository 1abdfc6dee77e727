import DurableCore
import DurableTask

/// A whole hub as one value: all instances, and what is due. Deterministic: the same calls give the same course.
struct TestHub {
    var registry: Registry
    var activities = ActivityTable()
    private(set) var now: Timestamp
    private(set) var instances: [InstanceID: InstanceUnderTest] = [:]
    /// In order of start.
    private(set) var order: [InstanceID] = []
    private var ready: [InstanceID] = []
    private var due = DueQueue()
    private var outboxID = OutboxID(1)
    private var lastMessage = 0
    /// Whether somebody runs it.
    var isRunning = false
    /// While code runs its instance must not change: what comes from outside is queued.
    var isInEpisode = false

    init(registry: Registry, now: Timestamp) {
        self.registry = registry
        self.now = now
    }

    mutating func newMessageID() -> MessageID {
        lastMessage += 1
        return MessageID("test-\(lastMessage)")
    }

    mutating func schedule(_ work: DueQueue.Work, at time: Timestamp, number: Int? = nil) {
        due.add(work, at: max(time, now), number: number)
    }

    // MARK: - Messages

    /// Takes a message of the test at once, or after the episode that is under way.
    mutating func send(_ kind: HistoryEvent.Kind, to id: InstanceID) -> Verdict {
        let message = Message(
            id: newMessageID(), instanceID: id, event: HistoryEvent(timestamp: now, kind: kind))
        guard isInEpisode else { return deliver(message) }
        schedule(.message(message), at: now)
        return .accepted
    }

    /// Takes a message as a partition's owner does.
    mutating func deliver(_ message: Message) -> Verdict {
        let known = instances[message.instanceID]
        if let known, known.state.isRewound(by: message) { return rewind(known, by: message) }
        switch known?.state.decide(message, at: now) ?? InstanceState.decide(message, at: now) {
        case .ignored(let verdict):
            if verdict == .exists, let refusal = message.refusal(at: now) { schedule(.message(refusal), at: now) }
            return verdict
        case .accepted(let change, let verdict):
            let instance: InstanceUnderTest
            if let known {
                instance = known
            } else if let state = InstanceState.created(by: change) {
                instance = InstanceUnderTest(state)
                instances[state.id] = instance
                order.append(state.id)
                if let startAt = state.startAt { schedule(.wake(state.id), at: startAt) }
            } else {
                return .notFound
            }
            instance.state.evolve(with: change)
            // Timers that came due while it was suspended fire now.
            if case .executionResumed = message.event.kind, let time = instance.state.nextDue {
                schedule(.wake(instance.id), at: time)
            }
            makeReady(instance)
            return verdict
        }
    }

    private mutating func rewind(_ instance: InstanceUnderTest, by message: Message) -> Verdict {
        let failed = instance.state
        var verdict = failed.verdict(onRewinding: message)
        if verdict == nil {
            if let (change, outbox) = failed.rewound(
                instance.current.history, by: message, at: now, epoch: .zero, outboxID: &outboxID),
                let state = InstanceState.created(by: change)
            {
                instance.goBack(to: change, from: state)
                for fireAt in instance.state.openTimers.values { schedule(.wake(instance.id), at: fireAt) }
                for entry in outbox { dispatch(entry) }
                makeReady(instance)
                return .accepted
            }
            verdict = .notRewindable
        } else if let change = failed.noted(ofRewinding: message, at: now) {
            instance.state.evolve(with: change)
        }
        if case .executionStarted = message.event.kind, let answer = failed.repeatedAnswer(to: message, at: now) {
            schedule(.message(answer), at: now)
        }
        return verdict ?? .notRewindable
    }

    private mutating func makeReady(_ instance: InstanceUnderTest) {
        guard !instance.isReady, instance.mayRun(at: now) else { return }
        instance.isReady = true
        ready.append(instance.id)
    }

    private mutating func wake(_ id: InstanceID) {
        guard let instance = instances[id], !instance.isSuspended, instance.state.hold == nil else { return }
        // None where the timer was dropped, or a start time has come.
        if let change = instance.state.fireTimers(at: now) { instance.state.evolve(with: change) }
        makeReady(instance)
    }

    // MARK: - Steps

    enum Step {
        case episode(InstanceUnderTest)
        case activity(TaskMessage, number: Int)
        case callback(@Sendable (TestOrchestrationEnvironment) throws -> Void)
        /// Nothing is due, up to the limit.
        case idle
    }

    /// The next thing that user code has a part in. Jumps the clock when nothing can run at its present time.
    ///
    /// - Parameter limit: Nothing later; nil: no limit.
    mutating func nextStep(until limit: Timestamp?) -> Step {
        while true {
            if !ready.isEmpty, let instance = instances[ready.removeFirst()] {
                instance.isReady = false
                // It may have been suspended since.
                if instance.mayRun(at: now) { return .episode(instance) }
                continue
            }
            if let next = due.nextTime, let limit, next > limit { return .idle }
            guard let (time, number, work) = due.popFirst() else { return .idle }
            now = max(now, time)
            switch work {
            case .activity(let task): if isOpen(task) { return .activity(task, number: number) }
            case .callback(let body): return .callback(body)
            case .message(let message): _ = deliver(message)
            case .wake(let id): wake(id)
            }
        }
    }

    /// Whether somebody waits for the activity's result.
    private func isOpen(_ task: TaskMessage) -> Bool {
        guard let state = instances[task.instanceID]?.state else { return false }
        return state.executionID == task.executionID && state.openTasks[task.taskID]?.dispatch == task.dispatch
    }

    mutating func setNow(_ time: Timestamp) { now = max(now, time) }

    // MARK: - Episodes

    /// What the instance's next episode is over; nil when it is to be ended instead.
    mutating func beginEpisode(of instance: InstanceUnderTest) -> [HistoryEvent]? {
        if instance.state.isEndImposed(at: now) { return nil }
        isInEpisode = true
        return instance.state.episodeEvents(at: now)
    }

    /// The update that the instance's code is to be asked about next.
    func nextUpdate(of instance: InstanceUnderTest, notIn passedOver: Set<UpdateID>) -> UpdateRequest? {
        guard instance.state.mayAdmitUpdates else { return nil }
        return instance.state.updates.requested.first { !passedOver.contains($0.id) }
    }

    /// Begins the episode in which an update begins.
    mutating func begin(_ update: UpdateRequest, of instance: InstanceUnderTest) -> [HistoryEvent] {
        isInEpisode = true
        return instance.state.beginning(of: update, at: now)
    }

    mutating func reject(_ update: UpdateRequest, of instance: InstanceUnderTest, because reason: FailureDetails) {
        instance.state.evolve(with: instance.state.rejection(of: update, because: reason, at: now))
    }

    /// Takes over what a turn of an entity came to.
    mutating func finish(_ instance: InstanceUnderTest, _ turn: EntityTurn) {
        instance.state.evolve(with: instance.state.change(by: turn, at: now))
        for message in turn.messages { schedule(.message(message), at: now) }
    }

    /// Ends an instance from outside; its code is not asked.
    mutating func imposeEnd(on instance: InstanceUnderTest) {
        let (change, messages) = instance.state.imposeEnd(at: now)
        let received = instance.state.episodeEvents(at: now)
        record(change, of: instance, RecordedEpisode(received: received, actions: nil, recorded: []))
        for message in messages { schedule(.message(message), at: now) }
    }

    /// Records what the code asked for, and sees that it happens.
    mutating func finish(_ instance: InstanceUnderTest, over events: [HistoryEvent], _ actions: [OrchestratorAction]) {
        let (change, outbox) = instance.state.finishEpisode(
            over: events, actions: actions, at: now, epoch: .zero, outboxID: &outboxID)
        record(change, of: instance, RecordedEpisode(received: events, actions: actions, recorded: []))
        var entries = outbox[...]
        for event in change.history.dropFirst(events.count) {
            switch event.kind {
            case .timerCreated(let fireAt): schedule(.wake(instance.id), at: fireAt)
            case .taskScheduled, .eventSent, .subOrchestrationCreated: entries.popFirst().map { dispatch($0) }
            default: break
            }
        }
        for entry in entries { dispatch(entry) }
    }

    private mutating func record(_ change: InstanceChange, of instance: InstanceUnderTest, _ episode: RecordedEpisode) {
        var episode = episode
        episode.recorded = Array(change.history.dropFirst(episode.received.count))
        instance.record(episode, change)
        // What continues as new has its next execution in its inbox.
        makeReady(instance)
    }

    private mutating func dispatch(_ entry: OutboxEntry) {
        switch entry.body {
        case .task(let task): schedule(.activity(task), at: now)
        case .message(let message): schedule(.message(message), at: now)
        }
    }

    /// Keeps the instance from running; its code cannot be used.
    mutating func hold(_ instance: InstanceUnderTest, _ error: OrchestrationTestError) {
        let hold = Hold(code: error.code.description, text: error.description)
        instance.state.evolve(with: InstanceChange(instanceID: instance.id, time: now, hold: .set(hold)))
        instance.isSessionOver = true
    }
}
