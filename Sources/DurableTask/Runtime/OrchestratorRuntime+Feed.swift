import DurableCore

/// A page of history on its way into the code.
struct HistoryFeed {
    private(set) var events: [HistoryEvent] = []
    private var next = 0
    /// Index in the whole history, from 0, of the event after the last one taken.
    private(set) var position = 0

    /// The next event, which stays.
    var upcoming: HistoryEvent? { next < events.count ? events[next] : nil }

    mutating func load(_ events: [HistoryEvent]) {
        self.events = events
        next = 0
    }

    /// Takes the upcoming event, before it is applied.
    mutating func advance() {
        next += 1
        position += 1
    }

    mutating func unload() { events = [] }

    /// Counts the events that the episode's actions leave in history.
    mutating func skip(recorded count: Int) { position += count }
}

extension OrchestratorRuntime {
    /// Hands one event to the code that waits for it; what that code does runs when the queue is drained.
    func apply(_ event: HistoryEvent) {
        switch event.kind {
        case .orchestratorStarted: startEpisode(event)
        case .taskScheduled, .timerCreated, .eventSent, .executionCompleted, .subOrchestrationCreated:
            match(event)
        case .patchRecorded(let id, let isDeprecated):
            passPatch(id, isDeprecated: isDeprecated, event)
        case .taskCompleted(let id, let result):
            settle(id, event, .completed(result))
        case .taskFailed(let id, let failure):
            settle(id, event, .failed(failure))
        case .timerFired(let id, _):
            settle(id, event, .timerFired)
        case .subOrchestrationCompleted(let id, let result):
            settle(id, event, .completed(result))
        case .subOrchestrationFailed(let id, let failure):
            settle(id, event, .failed(failure))
        case .eventRaised(let name, let input):
            raise(name, input, recorded: event.sealedPayload ?? input)
        case .updateRequested(let request):
            beginUpdate(request, event)
        case .updateCompleted, .entityOperationSignaled, .entityOperationCalled, .entityLockRequested,
            .entityUnlockSent:
            match(event)
        case .entityOperationCompleted(let requestID, let output):
            settle(EventID(entityRequest: requestID) ?? .none, event, .completed(output))
        case .entityOperationFailed(let requestID, let failure):
            settle(EventID(entityRequest: requestID) ?? .none, event, .failed(failure))
        case .entityLockGranted(let section):
            settle(EventID(entityRequest: section) ?? .none, event, .completed(nil))
        case .cancellationRequested(let reason):
            requestCancellation(reason)
        case .executionTerminated(let reason, let recurse):
            tellOfTermination(reason, recurse: recurse)
        case .executionRewound:
            // Outside it is known as of the end that is no more.
            askUnlessReplaying(.setCompensatesTermination(ending.compensatingScopes > 0))
        case .executionStarted, .executionSuspended, .executionResumed, .continueAsNew:
            break
        }
    }

    private func startEpisode(_ event: HistoryEvent) {
        // An episode's actions are recorded with it: what is left over, history does not know.
        if let first = asked.first {
            diverge(event, holds: "the end of that episode", codeAsked: HistoryText.describe(first))
        }
        now = event.timestamp
    }

    private func raise(_ name: String, _ input: Payload?, recorded: Payload?) {
        if isComplete {
            // The next execution's, even where a handler of this one waits for it.
            if continuation != nil { events.buffer(input, recorded: recorded, name: name) }
            return
        }
        guard let waiter = events.firstWaiter(for: name) else {
            return events.buffer(input, recorded: recorded, name: name)
        }
        if let timer = waiter.timeout {
            _ = operations.settle(timer)
            dropTimer(timer)
        }
        deliveredBytes += input?.count ?? 0
        waiter.continuation.resume(returning: .completed(input))
    }

    private func settle(_ id: EventID, _ event: HistoryEvent, _ outcome: WaitOutcome) {
        let operation = operations[id]
        if case .settled? = operation { return }  // late: cancelled before
        if case .eventTimeout(let name)? = operation, case .timerFired = outcome {
            _ = operations.settle(id)
            events.removeWaiter(for: name) { $0.timeout == id }?.continuation.resume(returning: .timerFired)
            return
        }
        guard let operation, operation.isAnswered(by: event.kind) else {
            return diverge(event, codeAsked: asked(for: id))
        }
        if case .completed(let payload) = outcome { deliveredBytes += payload?.count ?? 0 }
        operations.settle(id)?.resume(returning: outcome)
    }

    /// Compares a recorded action with the first one the code asked for and history has not confirmed yet.
    func match(_ event: HistoryEvent) {
        guard let action = asked.first else {
            if isRecordedEncodingFailure(event) { return }
            return diverge(event, codeAsked: "nothing more")
        }
        guard HistoryText.isRecord(event, of: action) else {
            if isRecordedEncodingFailure(event) { return }
            return diverge(event, codeAsked: HistoryText.describe(action))
        }
        _ = asked.popFirst()
    }

    /// The instance failed because a value could not be encoded. Replay does not encode, so that the code went on.
    private func isRecordedEncodingFailure(_ event: HistoryEvent) -> Bool {
        guard case .executionCompleted(.failed, _, let failure?) = event.kind,
            failure.errorType == PayloadError.encodingErrorType || failure == unencodable
        else { return false }
        asked.removeAll()
        unencodable = failure
        isComplete = true
        return true
    }

    /// The outcome of `id`, when history's next word for the code is just that and no other task of the orchestration
    /// could run before: suspending and being resumed would give the same order.
    func recordedOutcome(of id: EventID) -> WaitOutcome? {
        // Conditions are asked when all code waits, which is to be as often as it was live.
        guard !executor.hasQueuedJobs, conditions.isEmpty else { return nil }
        while fault == nil, let event = feed.upcoming {
            let outcome: WaitOutcome
            switch event.kind {
            case .taskScheduled, .timerCreated, .eventSent, .subOrchestrationCreated, .orchestratorStarted,
                .patchRecorded, .updateCompleted, .entityOperationSignaled, .entityOperationCalled,
                .entityLockRequested, .entityUnlockSent:
                feed.advance()
                apply(event)
                continue
            case .taskCompleted(id, let result), .subOrchestrationCompleted(id, let result):
                outcome = .completed(result)
            case .taskFailed(id, let failure), .subOrchestrationFailed(id, let failure): outcome = .failed(failure)
            case .timerFired(id, _): outcome = .timerFired
            case .entityOperationCompleted(let requestID, let output) where EventID(entityRequest: requestID) == id:
                outcome = .completed(output)
            case .entityOperationFailed(let requestID, let failure) where EventID(entityRequest: requestID) == id:
                outcome = .failed(failure)
            case .entityLockGranted(let section) where EventID(entityRequest: section) == id:
                outcome = .completed(nil)
            default: return nil
            }
            guard operations[id]?.isAnswered(by: event.kind) == true else { return nil }
            if case .completed(let payload) = outcome { deliveredBytes += payload?.count ?? 0 }
            feed.advance()
            _ = operations.settle(id)
            return outcome
        }
        return nil
    }

    func diverge(_ event: HistoryEvent, holds: String? = nil, codeAsked: String) {
        if fault != nil { return }
        fault = .nonDeterministic(
            position: feed.position - 1, historyHolds: holds ?? HistoryText.describe(event), codeAsked: codeAsked)
    }

    private func asked(for id: EventID) -> String {
        switch operations[id] {
        case .task?: "an activity (event ID \(id))"
        case .timer?, .eventTimeout?: "a timer (event ID \(id))"
        case .child?: "a sub-orchestration (event ID \(id))"
        case .entity?: "an operation of an entity (event ID \(id))"
        case .section?: "a critical section (event ID \(id))"
        case .settled?: "something else (event ID \(id))"
        case nil: "nothing with that event ID"
        }
    }
}
