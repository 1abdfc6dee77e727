/// What the owner does with one message.
package enum Acceptance: Hashable, Sendable {
    /// Taken: fold the change in, then run an episode if the instance may run.
    case accepted(InstanceChange, verdict: Verdict)
    /// Nothing changes; the message is acknowledged all the same.
    case ignored(Verdict)
}

/// The owner's answer to a client's message.
package enum Verdict: String, Hashable, Sendable {
    /// The instance was created by this message (now or when it first came).
    case created
    /// An instance of that ID is there, made by another start.
    case exists
    /// The same, and the start is content with it.
    case joined
    /// Taken into the history or the inbox.
    case accepted
    /// The same message was applied before.
    case duplicate
    /// No such instance.
    case notFound
    /// The instance has ended.
    case ended
    /// A completion nobody waits for: late, a repeat, or of an older execution.
    case unexpected
    /// It cannot be rewound: it has not failed.
    case notFailed
    /// It has failed in a way that rewinding does not help with.
    case notRewindable
}

extension InstanceState {
    /// Decides about a message for an instance that does not exist.
    package static func decide(_ message: Message, at now: Timestamp) -> Acceptance {
        if message.instanceID.isReserved { return decideAboutNewEntity(message, at: now) }
        guard case .executionStarted(var start) = message.event.kind else { return .ignored(.notFound) }
        // Clients in other languages may leave both to us.
        start.instanceID = message.instanceID
        if start.executionID.value.isEmpty { start.executionID = ExecutionID(message.id.value) }
        var change = InstanceChange(
            instanceID: message.instanceID, time: now,
            buffered: [HistoryEvent(timestamp: now, kind: .executionStarted(start))], appliedMessages: [message.id])
        if message.dispatch > 0 { change.startDispatch = message.dispatch }
        return .accepted(change, verdict: .created)
    }

    /// Decides about a message for this instance, without changing anything.
    package func decide(_ message: Message, at now: Timestamp) -> Acceptance {
        if entity != nil { return decideAsEntity(message, at: now) }
        switch message.event.kind {
        case .executionStarted(let start):
            return decideAboutStart(message, start, at: now)
        case .executionTerminated, .cancellationRequested:
            guard message.executionID.map({ $0.value == startID.value }) ?? true else {
                // From a parent whose child of this ID was never started: there was this one.
                return .ignored(.unexpected)
            }
            return decideAboutRequest(message, at: now)
        case .eventRaised, .executionSuspended, .executionResumed:
            return decideAboutRequest(message, at: now)
        case .taskCompleted(let taskID, _), .taskFailed(let taskID, _):
            guard !status.isTerminal, message.executionID == executionID, let task = openTasks[taskID],
                task.dispatch == message.dispatch
            else { return .ignored(.unexpected) }
            return accept(message, at: now, remember: false)
        case .subOrchestrationCompleted(let taskID, _), .subOrchestrationFailed(let taskID, _):
            guard message.executionID == executionID, message.dispatch == rewindCount, openChildren[taskID] != nil
            else { return .ignored(.unexpected) }
            return accept(message, at: now, remember: false)
        case .entityOperationCompleted(let requestID, _), .entityOperationFailed(let requestID, _):
            guard message.executionID == executionID, let id = EventID(entityRequest: requestID),
                openEntityCalls[id] != nil
            else { return .ignored(.unexpected) }
            return accept(message, at: now, remember: false)
        case .entityLockGranted(let section):
            guard message.executionID == executionID, let id = EventID(entityRequest: section), openSections[id] != nil
            else { return .ignored(.unexpected) }
            if appliedMessages.contains(message.id) { return .ignored(.duplicate) }
            return accept(message, at: now, remember: true)
        case .updateRequested(let request):
            if updates.standing(of: request.id) != nil { return .ignored(.duplicate) }
            if status.isTerminal { return .ignored(.ended) }
            return .accepted(arrival(of: request, at: now), verdict: .accepted)
        default:
            return .ignored(.unexpected)
        }
    }

    /// Decides about what somebody asks for by a message with an ID of its own.
    private func decideAboutRequest(_ message: Message, at now: Timestamp) -> Acceptance {
        if appliedMessages.contains(message.id) { return .ignored(.duplicate) }
        if status.isTerminal { return .ignored(.ended) }
        if message.event.kind.isSuspension == (status == .suspended) {
            // It is what was asked for already. Remembered all the same: a late repeat must not bring it about.
            return .accepted(
                InstanceChange(instanceID: id, time: now, appliedMessages: [message.id]), verdict: .accepted)
        }
        return accept(message, at: now, remember: true)
    }

    func accept(_ message: Message, at now: Timestamp, remember: Bool) -> Acceptance {
        var event = message.event
        event.eventID = .none
        event.timestamp = now
        return .accepted(
            InstanceChange(
                instanceID: id, time: now, buffered: [event], appliedMessages: remember ? [message.id] : []),
            verdict: .accepted)
    }

    /// The timers due at `now`, as events for the inbox, earliest first; nil when none is.
    package func fireTimers(at now: Timestamp) -> InstanceChange? {
        let due = openTimers.filter { $0.value <= now }
            .sorted { ($0.value, $0.key) < ($1.value, $1.key) }
        if due.isEmpty { return nil }
        return InstanceChange(
            instanceID: id, time: now,
            buffered: due.map {
                HistoryEvent(timestamp: now, kind: .timerFired(timerID: $0.key, fireAt: $0.value))
            })
    }

    /// The events an episode starts from: its time, then what is in the inbox.
    package func episodeEvents(at now: Timestamp) -> [HistoryEvent] {
        [HistoryEvent(timestamp: now, kind: .orchestratorStarted)] + inbox
    }

    /// Whether something in the inbox ends the instance from outside, without asking its code: a termination, unless its
    /// code has something to undo and was not told of one before; a cancellation before it was to begin.
    package func isEndImposed(at now: Timestamp) -> Bool {
        let terminations = inbox.count { if case .executionTerminated = $0.kind { true } else { false } }
        if terminations > 0 { return !compensatesTermination || isTerminating || terminations > 1 }
        guard status == .pending, let startAt, startAt > now else { return false }
        return inbox.contains { if case .cancellationRequested = $0.kind { true } else { false } }
    }

    /// Turns what the code asked for into history and messages.
    ///
    /// - Parameters:
    ///   - events: What the episode was run over: `episodeEvents(at:)`.
    ///   - actions: The code's requests in order.
    ///   - outboxID: Next free number of the partition's outbox; raised for each message.
    package func finishEpisode(
        over events: [HistoryEvent], actions: [OrchestratorAction], at now: Timestamp, epoch: Epoch,
        outboxID: inout OutboxID
    ) -> (change: InstanceChange, outbox: [OutboxEntry]) {
        var change = InstanceChange(instanceID: id, time: now, history: events)
        var outbox: [OutboxEntry] = []
        func record(_ id: EventID, _ kind: HistoryEvent.Kind) {
            change.history.append(HistoryEvent(eventID: id, timestamp: now, kind: kind))
        }
        var sections = openSections
        /// The engine ends the critical sections that the execution leaves behind.
        func endSections() {
            for (section, lockSet) in sections.sorted(by: { $0.key < $1.key }) {
                _ = send(.message(abandonment(of: section, lockSet, at: now)))
            }
        }
        func send(_ body: OutboxEntry.Body) -> OutboxID {
            defer { outboxID = OutboxID(outboxID.value + 1) }
            outbox.append(OutboxEntry(id: outboxID, epoch: epoch, body: body))
            return outboxID
        }
        // What ends the execution ends what it waited for.
        let unsent = Set(actions.lazy.compactMap(\.canceledTask))
        let endsExecution = actions.last?.endsExecution ?? false
        let passedOn = actions.compactMap(\.passedOn).map { HistoryEvent(timestamp: now, kind: $0) }
        if let end = events.terminationOfChildren {
            for message in messages(toOpenChildren: end, at: now) { _ = send(.message(message)) }
        }
        for action in actions {
            switch action {
            case .scheduleTask(let taskID, let name, let input):
                record(taskID, .taskScheduled(name: name, input: input))
                if endsExecution || unsent.contains(taskID) { continue }
                let dispatched = send(
                    .task(
                        TaskMessage(
                            instanceID: id, executionID: executionID, taskID: taskID, dispatch: 1, name: name,
                            input: input, traceParent: traceParent)))
                change.scheduledTasks.append(.init(taskID: taskID, dispatch: 1, outboxID: dispatched))
            case .createTimer(let timerID, let fireAt):
                record(timerID, .timerCreated(fireAt: fireAt))
            case .cancelTimer(let timerID):
                change.canceledTimers.append(timerID)
            case .cancelTask(let taskID):
                if openTasks[taskID] != nil { change.canceledTasks.append(taskID) }
            case .cancelChild(let taskID):
                let child = openChildren[taskID] ?? actions.child(startedAs: taskID)
                if let child { _ = send(.message(cancellation(of: child, startedAs: taskID, at: now))) }
            case .setCompensatesTermination(let value):
                change.compensatesTermination = .set(value)
            case .sendEvent(let eventID, let target, let name, let input):
                record(eventID, .eventSent(instanceID: target, name: name, input: input))
                _ = send(
                    .message(
                        Message(
                            id: executionID.messageID(ofAction: eventID), instanceID: target,
                            event: HistoryEvent(timestamp: now, kind: .eventRaised(name: name, input: input)))))
            case .createSubOrchestration(let taskID, let child):
                record(taskID, .subOrchestrationCreated(child))
                _ = send(.message(start(of: child, taskID, at: now)))
            case .continueAsNew(let eventID, let input, let version, let carriedOver):
                record(eventID, .executionCompleted(status: .continuedAsNew, result: input, failure: nil))
                change.buffered = beginning(of: executionID.successor, input, version, carriedOver, at: now) + passedOn
                endSections()
            case .passOn: break
            case .completeOrchestration(let eventID, let status, let result, let failure):
                record(eventID, .executionCompleted(status: status, result: result, failure: failure))
                if status != .completed { change.atEnd = presentEnd }
                if let answer = answerToParent(status, result, failure, at: now) { _ = send(.message(answer)) }
                endSections()
            case .callEntity(let id, let target, let operation, let input, let section):
                let call = EntityCall(
                    requestID: entityRequest(id), operation: operation, input: input, target: target,
                    section: section.map(entityRequest))
                record(id, .entityOperationCalled(call))
                _ = send(.message(message(of: call, to: target, at: now)))
            case .signalEntity(let id, let target, let operation, let input):
                var signal = EntitySignal(
                    requestID: entityRequest(id), operation: operation, input: input, target: target)
                record(id, .entityOperationSignaled(signal))
                signal.target = nil
                _ = send(
                    .message(
                        Message(
                            id: MessageID(signal.requestID), instanceID: target,
                            event: HistoryEvent(timestamp: now, kind: .entityOperationSignaled(signal)))))
            case .lockEntities(let id, let lockSet):
                let request = EntityLockRequest(section: entityRequest(id), lockSet: lockSet)
                record(id, .entityLockRequested(request))
                sections[id] = lockSet
                _ = send(.message(message(of: request, at: now)))
            case .unlockEntity(let section, let target):
                record(.none, .entityUnlockSent(EntityUnlock(section: entityRequest(section), target: target)))
                sections[section] = nil
                _ = send(.message(unlock(of: section, target, at: now)))
            case .abandonSection(let section):
                let lockSet = sections.removeValue(forKey: section) ?? []
                record(.none, .entityUnlockSent(EntityUnlock(section: entityRequest(section))))
                if !lockSet.isEmpty { _ = send(.message(abandonment(of: section, lockSet, at: now))) }
            case .recordPatch(let patchID, let isDeprecated):
                record(.none, .patchRecorded(id: patchID, isDeprecated: isDeprecated))
            case .completeUpdate(let id, let result, let failure):
                record(.none, .updateCompleted(id: id, result: result, failure: failure))
            case .setCustomStatus(let payload):
                change.customStatus = .set(payload)
            }
        }
        change.givenUp = givenUp(after: actions, recording: change.history.count { $0.kind.isRecordedByCode })
        return (change, outbox)
    }

    /// What the next execution finds in its inbox.
    private func beginning(
        of executionID: ExecutionID, _ input: Payload?, _ version: String?, _ carriedOver: [RaisedEvent],
        at now: Timestamp
    ) -> [HistoryEvent] {
        let start = ExecutionStarted(
            name: name, version: version ?? self.version, input: input, instanceID: id, executionID: executionID,
            parent: parent, traceParent: traceParent, tags: tags)
        return [HistoryEvent(timestamp: now, kind: .executionStarted(start))]
            + carriedOver.map { HistoryEvent(timestamp: now, kind: .eventRaised(name: $0.name, input: $0.input)) }
    }

    /// Ends the instance from outside, `isEndImposed`; its code does not run again.
    ///
    /// - Returns: What to tell its parent, and its children if it was asked to end these too.
    package func imposeEnd(at now: Timestamp) -> (change: InstanceChange, messages: [Message]) {
        let status: OrchestrationStatus
        var reason: Payload?
        var messages: [Message] = []
        if let termination = inbox.termination {
            status = .terminated
            reason = termination.reason
        } else {
            status = .canceled
            for case .cancellationRequested(let text) in inbox.reversed().map(\.kind) { reason = text }
        }
        let end = HistoryEvent(
            timestamp: now, kind: .executionCompleted(status: status, result: reason, failure: nil))
        if let answer = answerToParent(status, reason, nil, at: now) { messages.append(answer) }
        for (section, lockSet) in openSections.sorted(by: { $0.key < $1.key }) {
            messages.append(abandonment(of: section, lockSet, at: now))
        }
        if let end = inbox.terminationOfChildren { messages += self.messages(toOpenChildren: end, at: now) }
        var change = InstanceChange(instanceID: id, time: now, history: episodeEvents(at: now) + [end])
        change.atEnd = presentEnd
        return (change, messages)
    }

    /// Activities that nobody waits for any more once `change`, not folded in yet, is durable.
    package func tasksAbandoned(by change: InstanceChange) -> [(key: TaskKey, outboxID: OutboxID)] {
        if openTasks.isEmpty { return [] }
        var abandoned = change.canceledTasks
        if case .executionCompleted? = change.history.last?.kind { abandoned += openTasks.keys }
        if abandoned.isEmpty { return [] }
        return Set(abandoned).sorted().compactMap { taskID in
            openTasks[taskID].map { task in
                let key = TaskKey(
                    instanceID: id, executionID: executionID, taskID: taskID, dispatch: task.dispatch)
                return (key, task.outboxID)
            }
        }
    }
}

extension [OrchestratorAction] {
    fileprivate func child(startedAs taskID: EventID) -> InstanceID? {
        for case .createSubOrchestration(taskID, let child) in self { return child.instanceID }
        return nil
    }
}

extension OrchestratorAction {
    fileprivate var canceledTask: EventID? { if case .cancelTask(let id) = self { id } else { nil } }
    fileprivate var passedOn: HistoryEvent.Kind? { if case .passOn(let kind) = self { kind } else { nil } }

    fileprivate var endsExecution: Bool {
        switch self {
        case .completeOrchestration, .continueAsNew: true
        default: false
        }
    }
}

extension HistoryEvent.Kind {
    /// Whether it suspends (true) or resumes (false); nil: neither.
    fileprivate var isSuspension: Bool? {
        switch self {
        case .executionSuspended: true
        case .executionResumed: false
        default: nil
        }
    }
}

extension InstanceChange {
    /// Folds a later change of the same batch into this one. An episode's history contains what was buffered before.
    package mutating func merge(_ later: InstanceChange) {
        time = max(time, later.time)
        if later.history.isEmpty {
            buffered += later.buffered
        } else {
            buffered = later.buffered
            history += later.history
        }
        appliedMessages += later.appliedMessages
        scheduledTasks += later.scheduledTasks
        canceledTimers += later.canceledTimers
        requestedUpdates += later.requestedUpdates
        rejectedUpdates += later.rejectedUpdates
        if let later = later.entity { entity = later }
        handle(later.handled)
        canceledTasks += later.canceledTasks
        heartbeats += later.heartbeats
        if case .set = later.customStatus { customStatus = later.customStatus }
        if case .set = later.hold { hold = later.hold }
        if let end = later.atEnd { atEnd = end }
        if let ids = later.givenUp { givenUp = ids }
        if let dispatch = later.startDispatch { startDispatch = dispatch }
        if case .set = later.compensatesTermination { compensatesTermination = later.compensatesTermination }
    }
}

extension ExecutionID {
    /// Of the message by which the execution sends an event or starts a child.
    func messageID(ofAction eventID: EventID) -> MessageID { MessageID("\(stem)/\(eventID)") }
}
