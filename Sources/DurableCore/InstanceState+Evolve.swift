extension InstanceState {
    /// Makes the instance a durable change begins with, or nil when the change does not start one.
    package static func created(by change: InstanceChange) -> InstanceState? {
        if let id = change.instanceID.entity {
            return change.buffered.isEmpty && change.entity == nil ? nil : InstanceState(id, created: change)
        }
        for event in change.history + change.buffered {
            if case .executionStarted(let start) = event.kind, let startID = change.appliedMessages.first {
                return InstanceState(start: start, startID: startID, at: change.createdAt ?? event.timestamp)
            }
        }
        return nil
    }

    /// Folds one durable change in. Live work and recovery both come through here.
    package mutating func evolve(with change: InstanceChange) {
        if status.isTerminal, let id = entity.flatMap({ _ in id.entity }),
            !change.buffered.isEmpty || change.entity != nil
        {
            self = InstanceState(id, created: change)
        }
        lastUpdatedAt = max(lastUpdatedAt, change.time)
        if let end = change.atEnd { atEnd = end }
        if let ids = change.givenUp { givenUp = ids }
        if let dispatch = change.startDispatch { startDispatch = dispatch }
        updates.request(change.requestedUpdates)
        updates.reject(change.rejectedUpdates)
        for event in change.history { apply(event) }
        historyCount += change.history.count
        for event in change.buffered {
            close(event)
            suspend(event)
        }
        // An episode handles all of the inbox; what comes with it is what the next execution begins with.
        if change.history.isEmpty { inbox += change.buffered } else { inbox = change.buffered }
        if !change.handled.isEmpty {
            let handled = Set(change.handled)
            inbox.removeAll { $0.entityKey.map(handled.contains) ?? false }
        }
        if let entity = change.entity {
            self.entity = entity
            endIfEmpty()
        }
        for task in change.scheduledTasks where !status.isTerminal {
            openTasks[task.taskID] = OpenTask(dispatch: task.dispatch, outboxID: task.outboxID)
        }
        for timer in change.canceledTimers { openTimers[timer] = nil }
        for task in change.canceledTasks { openTasks[task] = nil }
        for heartbeat in change.heartbeats { openTasks[heartbeat.taskID]?.details = heartbeat.details }
        appliedMessages += change.appliedMessages
        if appliedMessages.count > Self.appliedMessagesLimit {
            appliedMessages.removeFirst(appliedMessages.count - Self.appliedMessagesLimit)
        }
        if case .set(let value) = change.customStatus { customStatus = value }
        if case .set(let value) = change.hold { hold = value }
        if case .set(let value) = change.compensatesTermination { compensatesTermination = value }
        if status == .continuedAsNew { startOver() }
        if status.isTerminal {
            openTasks = [:]
            openTimers = [:]
            openChildren = [:]
            openEntityCalls = [:]
            openSections = [:]
            inbox = []
            hold = nil
            updates.endInstance()
            compensatesTermination = false
            isTerminating = false
        }
    }

    /// Becomes the next execution, which its inbox begins with. What the one before left open is of no interest any more.
    private mutating func startOver() {
        guard case .executionStarted(let start)? = inbox.first?.kind else {
            preconditionFailure("decoding a change has checked that its next execution begins with its start")
        }
        executionID = start.executionID
        version = start.version
        status = .pending
        startAt = lastUpdatedAt
        output = nil
        historyCount = 0
        openTasks = [:]
        openTimers = [:]
        openChildren = [:]
        openEntityCalls = [:]
        openSections = [:]
        patches = []
        givenUp = GivenUp()
        rewindCount = 0
        author = nil
        updates.endExecution()
        compensatesTermination = false
        isTerminating = false
    }

    private mutating func apply(_ event: HistoryEvent) {
        switch event.kind {
        case .orchestratorStarted:
            status = .running
            startAt = nil
            if let author = event.author { self.author = author }
        case .timerCreated(let fireAt):
            openTimers[event.eventID] = fireAt
        case .subOrchestrationCreated(let child):
            if !child.isDetached { openChildren[event.eventID] = child.instanceID }
        case .patchRecorded(let id, _):
            patches.insert(id)
        case .entityOperationCalled(let call):
            openEntityCalls[event.eventID] = call.target
        case .entityLockRequested(let request):
            openSections[event.eventID] = request.lockSet
        case .entityUnlockSent(let unlock):
            if let id = EventID(entityRequest: unlock.section) { openSections[id] = nil }
        case .updateRequested(let request):
            updates.begin(request.id)
        case .updateCompleted(let id, let result, let failure):
            updates.end(id, failure.map { .failed($0) } ?? .completed(result))
        case .executionTerminated:
            isTerminating = true
        case .executionCompleted(let status, let result, let failure):
            self.status = status
            output = result
            self.failure = failure
        default:
            close(event)
        }
    }

    /// A suspension counts from its arrival on: no episode runs over it until it is over.
    private mutating func suspend(_ event: HistoryEvent) {
        switch event.kind {
        case .executionSuspended: status = .suspended
        case .executionResumed: status = historyCount == 0 ? .pending : .running
        // What is to be undone does not wait any longer.
        case .executionTerminated where compensatesTermination && status == .suspended: status = .running
        default: break
        }
    }

    /// What an accepted event answers is open no longer, whether its episode ran yet or not; after a rewind other answers
    /// count.
    private mutating func close(_ event: HistoryEvent) {
        switch event.kind {
        case .taskCompleted(let taskID, _), .taskFailed(let taskID, _): openTasks[taskID] = nil
        case .timerFired(let timerID, _): openTimers[timerID] = nil
        case .subOrchestrationCompleted(let taskID, _), .subOrchestrationFailed(let taskID, _):
            openChildren[taskID] = nil
        case .entityOperationCompleted(let requestID, _), .entityOperationFailed(let requestID, _):
            if let id = EventID(entityRequest: requestID) { openEntityCalls[id] = nil }
        case .executionRewound(_, let count): rewindCount = count
        default: break
        }
    }
}
