/// What an orchestrator asked for during an episode, in order of request.
/// Kinds are those of the Durable Task protocol.
package enum OrchestratorAction: Hashable, Sendable {
    case scheduleTask(id: EventID, name: String, input: Payload?)
    case createTimer(id: EventID, fireAt: Timestamp)
    /// The timer's result is not wanted any more; leaves no history event.
    case cancelTimer(id: EventID)
    /// Nobody waits for the activity's result any more; leaves no history event.
    case cancelTask(id: EventID)
    /// Nobody waits for the sub-orchestration's result any more, which is asked to end; leaves no history event.
    case cancelChild(id: EventID)
    case sendEvent(id: EventID, instanceID: InstanceID, name: String, input: Payload?)
    case createSubOrchestration(id: EventID, ChildStart)
    /// The execution is over; the instance's next one begins with `input`. Always the last action of an execution.
    /// - `version`: of the next one; nil: as before.
    /// - `carriedOver`: events the code has not taken, in order of arrival.
    case continueAsNew(id: EventID, input: Payload?, version: String?, carriedOver: [RaisedEvent])
    /// Always the last action of an instance. `status` is `.completed`, `.failed`, `.canceled` after a cancellation was
    /// requested, or `.terminated` when the code was told of that. Has no event ID where the worker refused what the
    /// code asked for.
    case completeOrchestration(id: EventID, status: OrchestrationStatus, result: Payload?, failure: FailureDetails?)
    case setCustomStatus(Payload?)
    /// The code has reached that patch for the first time. Has no event ID, so that those of other actions do not
    /// depend on it.
    case recordPatch(id: String, isDeprecated: Bool)
    /// The handler of an update has ended. Has no event ID.
    case completeUpdate(id: UpdateID, result: Payload?, failure: FailureDetails?)
    /// - `section`: event ID of the request for the critical section that this is called in; nil: in none.
    case callEntity(id: EventID, target: InstanceID, operation: String, input: Payload?, section: EventID?)
    case signalEntity(id: EventID, target: InstanceID, operation: String, input: Payload?)
    /// A critical section is to begin once it has these, which are in ascending order.
    case lockEntities(id: EventID, [InstanceID])
    /// The section ends at one of its entities. Has no event ID of its own.
    case unlockEntity(section: EventID, target: InstanceID)
    /// Nobody waits for the section any more, which may have some of its entities. Has no event ID of its own.
    case abandonSection(EventID)
    /// A request about the instance's end that came when the code had continued as new already: the next execution's.
    /// Leaves no history event.
    case passOn(HistoryEvent.Kind)
    /// Whether a termination is to be told to the code, which has something to undo then; leaves no history event.
    case setCompensatesTermination(Bool)
}

/// An external event as its instance keeps it.
package struct RaisedEvent: Hashable, Sendable {
    package var name: String
    package var input: Payload?
    package init(name: String, input: Payload?) {
        self.name = name
        self.input = input
    }

    /// Memory it takes, roughly.
    package var estimatedBytes: Int { 64 + name.utf8.count + (input?.count ?? 0) }
}

/// Why an episode could not be used. Its instance is held: history unchanged, nothing lost.
package enum EpisodeFailure: Error, Hashable, Sendable {
    /// Replay asked for something other than what history holds (DTQ2003).
    /// - `position`: index in the history, from 0, of the event that does not fit.
    case nonDeterministic(position: Int, historyHolds: String, codeAsked: String)
    /// The code awaited something that is not durable (DTQ2001).
    case nonDurableAwait(String)
    /// The context was used from outside the orchestrator's own tasks (DTQ2002).
    case contextMisuse(String)
}

extension OrchestratorAction {
    /// Bytes of user data it carries; nil when it carries none.
    package var payloadBytes: Int? {
        switch self {
        case .scheduleTask(_, _, let input), .sendEvent(_, _, _, let input), .continueAsNew(_, let input, _, _):
            input?.count
        case .createSubOrchestration(_, let child): child.input?.count
        case .completeOrchestration(_, _, let result, _): result?.count
        case .setCustomStatus(let status): status?.count
        case .completeUpdate(_, let result, _): result?.count
        case .callEntity(_, _, _, let input, _), .signalEntity(_, _, _, let input): input?.count
        case .createTimer, .cancelTimer, .cancelTask, .cancelChild, .recordPatch, .setCompensatesTermination, .passOn,
            .lockEntities, .unlockEntity, .abandonSection:
            nil
        }
    }

    /// What its data is, for error texts.
    package var payloadDescription: String {
        switch self {
        case .scheduleTask(_, let name, _): "the input of activity \"\(name)\""
        case .sendEvent(_, _, let name, _): "the data of event \"\(name)\""
        case .createSubOrchestration(_, let child): "the input of orchestration \"\(child.name)\""
        case .continueAsNew: "the input of the next execution"
        case .completeOrchestration: "the orchestration's result"
        case .setCustomStatus: "the custom status"
        case .createTimer, .cancelTimer: "a timer"
        case .cancelTask, .cancelChild: "a cancellation"
        case .recordPatch: "a patch"
        case .completeUpdate(let id, _, _): "the result of update \"\(id)\""
        case .callEntity(_, let target, let operation, _, _), .signalEntity(_, let target, let operation, _):
            "the input of operation \"\(operation)\" of \(target)"
        case .lockEntities, .unlockEntity, .abandonSection: "a critical section"
        case .setCompensatesTermination: "a scope with compensations"
        case .passOn: "a request to end"
        }
    }

    package var eventID: EventID {
        switch self {
        case .scheduleTask(let id, _, _), .createTimer(let id, _), .cancelTimer(let id), .cancelTask(let id),
            .cancelChild(let id), .sendEvent(let id, _, _, _), .createSubOrchestration(let id, _),
            .continueAsNew(let id, _, _, _),
            .completeOrchestration(let id, _, _, _), .callEntity(let id, _, _, _, _), .signalEntity(let id, _, _, _),
            .lockEntities(let id, _):
            id
        case .setCustomStatus, .recordPatch, .completeUpdate, .setCompensatesTermination, .passOn, .unlockEntity,
            .abandonSection:
            .none
        }
    }
}
