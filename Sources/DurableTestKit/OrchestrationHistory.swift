public import DurableCore
import DurableTask

/// The history of one execution of an instance, as a test looks at it or keeps it as a fixture.
public struct OrchestrationHistory: Hashable, Sendable {
    /// Whose history it is: UUIDs and random numbers of a replay depend on it.
    public var instanceID: InstanceID
    /// Oldest first.
    public var events: [HistoryEvent]

    /// Of what was recorded elsewhere, such as `TaskHubClient.history(of:)`.
    public init(instanceID: InstanceID, events: [HistoryEvent]) {
        self.instanceID = instanceID
        self.events = events
    }

    // MARK: - Begin and end

    /// What the execution was started with; nil: the history has no `ExecutionStarted`.
    public var start: ExecutionStarted? { events.executionStarted }

    /// The status the history ends with; `running` while it has no end.
    public var status: OrchestrationStatus { end?.status ?? .running }

    /// Why the instance failed; nil: it did not.
    public var failure: FailureDetails? { end?.failure }

    private var end: (status: OrchestrationStatus, result: Payload?, failure: FailureDetails?)? {
        for case .executionCompleted(let status, let result, let failure) in events.reversed().lazy.map(\.kind) {
            return (status, result, failure)
        }
        return nil
    }

    /// What the orchestration returned.
    ///
    /// - Throws: `FailureDetails` when it did not complete: what it failed with, or that it was terminated or has not
    ///   ended; `PayloadError` if the output is no `Output`.
    public func output<Output: Decodable>(as type: Output.Type = Output.self) throws -> Output {
        guard let end, end.status == .completed else {
            throw failure
                ?? FailureDetails(
                    errorType: status == .terminated ? "OrchestrationTerminated" : "OrchestrationNotCompleted",
                    message: "instance \(instanceID) is \(status)", isNonRetryable: true)
        }
        return try PayloadCoding.decode(type, from: end.result, as: "the output of instance \"\(instanceID)\"")
    }

    // MARK: - What was asked for

    /// Activities in order of request.
    public var activities: [ScheduledActivity] {
        var outcomes: [EventID: (time: Timestamp, result: Result<Payload?, FailureDetails>)] = [:]
        for event in events {
            switch event.kind {
            case .taskCompleted(let id, let result): outcomes[id] = (event.timestamp, .success(result))
            case .taskFailed(let id, let failure): outcomes[id] = (event.timestamp, .failure(failure))
            default: break
            }
        }
        return events.compactMap { event in
            guard case .taskScheduled(let name, let input) = event.kind else { return nil }
            let outcome = outcomes[event.eventID]
            return ScheduledActivity(
                name: name, taskID: event.eventID, input: input, scheduledAt: event.timestamp, endedAt: outcome?.time,
                outcome: outcome?.result)
        }
    }

    /// Timers in order of request, those that limit the wait for an event too.
    public var timers: [DurableTimer] {
        var fired: [EventID: Timestamp] = [:]
        for event in events { if case .timerFired(let id, _) = event.kind { fired[id] = event.timestamp } }
        return events.compactMap { event in
            guard case .timerCreated(let fireAt) = event.kind else { return nil }
            return DurableTimer(
                timerID: event.eventID, createdAt: event.timestamp, fireAt: fireAt, firedAt: fired[event.eventID])
        }
    }

    /// IDs of the patches that were recorded (`context.isPatched`, `context.deprecatePatch`), in order.
    public var patches: [String] {
        events.compactMap { if case .patchRecorded(let id, _) = $0.kind { id } else { nil } }
    }

    /// Updates that were let in, in order. Those that were rejected leave nothing in a history.
    public var updates: [AdmittedUpdate] {
        var outcomes: [UpdateID: Result<Payload?, FailureDetails>] = [:]
        for event in events {
            guard case .updateCompleted(let id, let result, let failure) = event.kind else { continue }
            outcomes[id] = failure.map { .failure($0) } ?? .success(result)
        }
        return events.compactMap { event in
            guard case .updateRequested(let request) = event.kind else { return nil }
            return AdmittedUpdate(request: request, outcome: outcomes[request.id])
        }
    }

    /// Sub-orchestrations in order of request, those too that nobody waits for.
    public var children: [SubOrchestration] {
        var outcomes: [EventID: Result<Payload?, FailureDetails>] = [:]
        for event in events {
            switch event.kind {
            case .subOrchestrationCompleted(let id, let result): outcomes[id] = .success(result)
            case .subOrchestrationFailed(let id, let failure): outcomes[id] = .failure(failure)
            default: break
            }
        }
        return events.compactMap { event in
            guard case .subOrchestrationCreated(let start) = event.kind else { return nil }
            return SubOrchestration(taskID: event.eventID, start: start, outcome: outcomes[event.eventID])
        }
    }

    /// External events that came, in order of arrival, whether the code took them or not.
    public var raisedEvents: [ExternalEvent] {
        events.compactMap { event in
            guard case .eventRaised(let name, let data) = event.kind else { return nil }
            return ExternalEvent(name: name, instanceID: instanceID, data: data, time: event.timestamp)
        }
    }

    /// Events raised to other instances, in order of request.
    public var sentEvents: [ExternalEvent] {
        events.compactMap { event in
            guard case .eventSent(let target, let name, let data) = event.kind else { return nil }
            return ExternalEvent(name: name, instanceID: target, data: data, time: event.timestamp)
        }
    }
}
