extension HistoryEvent {
    /// The user data it carries; nil when it carries none.
    package var payload: Payload? {
        get {
            switch kind {
            case .executionStarted(let start): start.input
            case .executionCompleted(_, let result, _): result
            case .executionTerminated(let reason, _), .cancellationRequested(let reason),
                .executionSuspended(let reason),
                .executionResumed(let reason), .executionRewound(let reason, _):
                reason
            case .taskScheduled(_, let input), .eventSent(_, _, let input), .eventRaised(_, let input),
                .continueAsNew(let input):
                input
            case .subOrchestrationCreated(let child): child.input
            case .taskCompleted(_, let result), .subOrchestrationCompleted(_, let result),
                .updateCompleted(_, let result, _):
                result
            case .updateRequested(let request): request.input
            case .entityOperationSignaled(let signal): signal.input
            case .entityOperationCalled(let call): call.input
            case .entityOperationCompleted(_, let output): output
            case .orchestratorStarted, .taskFailed, .timerCreated, .timerFired, .subOrchestrationFailed,
                .patchRecorded, .entityOperationFailed, .entityLockRequested, .entityLockGranted, .entityUnlockSent:
                nil
            }
        }
        set {
            switch kind {
            case .executionStarted(var start):
                start.input = newValue
                kind = .executionStarted(start)
            case .executionCompleted(let status, _, let failure):
                kind = .executionCompleted(status: status, result: newValue, failure: failure)
            case .executionTerminated(_, let recurse): kind = .executionTerminated(reason: newValue, recurse: recurse)
            case .cancellationRequested: kind = .cancellationRequested(reason: newValue)
            case .executionSuspended: kind = .executionSuspended(reason: newValue)
            case .executionResumed: kind = .executionResumed(reason: newValue)
            case .executionRewound(_, let count): kind = .executionRewound(reason: newValue, count: count)
            case .taskScheduled(let name, _): kind = .taskScheduled(name: name, input: newValue)
            case .eventSent(let target, let name, _):
                kind = .eventSent(instanceID: target, name: name, input: newValue)
            case .eventRaised(let name, _): kind = .eventRaised(name: name, input: newValue)
            case .continueAsNew: kind = .continueAsNew(input: newValue)
            case .subOrchestrationCreated(var child):
                child.input = newValue
                kind = .subOrchestrationCreated(child)
            case .taskCompleted(let id, _): kind = .taskCompleted(taskID: id, result: newValue)
            case .subOrchestrationCompleted(let id, _): kind = .subOrchestrationCompleted(taskID: id, result: newValue)
            case .updateRequested(var request):
                request.input = newValue
                kind = .updateRequested(request)
            case .updateCompleted(let id, _, let failure):
                kind = .updateCompleted(id: id, result: newValue, failure: failure)
            case .entityOperationSignaled(var signal):
                signal.input = newValue
                kind = .entityOperationSignaled(signal)
            case .entityOperationCalled(var call):
                call.input = newValue
                kind = .entityOperationCalled(call)
            case .entityOperationCompleted(let id, _): kind = .entityOperationCompleted(requestID: id, output: newValue)
            case .orchestratorStarted, .taskFailed, .timerCreated, .timerFired, .subOrchestrationFailed,
                .patchRecorded, .entityOperationFailed, .entityLockRequested, .entityLockGranted, .entityUnlockSent:
                break
            }
        }
    }

    /// Puts the opened payload in its place and keeps what history holds.
    package mutating func give(_ opened: Payload) {
        sealedPayload = payload
        payload = opened
    }

    /// Whether code is given its payload when it runs or is replayed. Of what it asked for itself, replay needs no data.
    package var handsPayloadToCode: Bool {
        switch kind {
        case .executionStarted, .taskCompleted, .subOrchestrationCompleted, .eventRaised, .updateRequested,
            .entityOperationCompleted:
            true
        default: false
        }
    }
}

extension OrchestratorAction {
    /// The user data it carries; nil when it carries none.
    package var payload: Payload? {
        get {
            switch self {
            case .scheduleTask(_, _, let input), .sendEvent(_, _, _, let input), .continueAsNew(_, let input, _, _):
                input
            case .createSubOrchestration(_, let child): child.input
            case .completeOrchestration(_, _, let result, _), .completeUpdate(_, let result, _): result
            case .setCustomStatus(let status): status
            case .callEntity(_, _, _, let input, _), .signalEntity(_, _, _, let input): input
            case .createTimer, .cancelTimer, .cancelTask, .cancelChild, .recordPatch, .setCompensatesTermination,
                .passOn, .lockEntities, .unlockEntity, .abandonSection:
                nil
            }
        }
        set {
            switch self {
            case .scheduleTask(let id, let name, _): self = .scheduleTask(id: id, name: name, input: newValue)
            case .sendEvent(let id, let target, let name, _):
                self = .sendEvent(id: id, instanceID: target, name: name, input: newValue)
            case .continueAsNew(let id, _, let version, let events):
                self = .continueAsNew(id: id, input: newValue, version: version, carriedOver: events)
            case .createSubOrchestration(let id, var child):
                child.input = newValue
                self = .createSubOrchestration(id: id, child)
            case .completeOrchestration(let id, let status, _, let failure):
                self = .completeOrchestration(id: id, status: status, result: newValue, failure: failure)
            case .completeUpdate(let id, _, let failure):
                self = .completeUpdate(id: id, result: newValue, failure: failure)
            case .setCustomStatus: self = .setCustomStatus(newValue)
            case .callEntity(let id, let target, let operation, _, let section):
                self = .callEntity(id: id, target: target, operation: operation, input: newValue, section: section)
            case .signalEntity(let id, let target, let operation, _):
                self = .signalEntity(id: id, target: target, operation: operation, input: newValue)
            case .createTimer, .cancelTimer, .cancelTask, .cancelChild, .recordPatch, .setCompensatesTermination,
                .passOn, .lockEntities, .unlockEntity, .abandonSection:
                break
            }
        }
    }

    /// Whether its user data is never put into a payload store: it is for an entity, which could not go on without it.
    package var keepsPayloadInline: Bool {
        switch self {
        case .callEntity, .signalEntity: true
        default: false
        }
    }

    /// Whom its user data belongs to: whoever needs it longest.
    ///
    /// - Parameters:
    ///   - instanceID: Of the instance that asks for it.
    ///   - executionID: Of its execution that does.
    ///   - parent: Whom its end is told to.
    package func payloadOwner(
        _ instanceID: InstanceID, _ executionID: ExecutionID, parent: ExecutionStarted.ParentInstance?
    ) -> PayloadOwner {
        switch self {
        case .sendEvent(let id, let target, _, _):
            PayloadOwner(target, sentIn: executionID.messageID(ofAction: id))
        case .createSubOrchestration(let id, let child):
            // As `finishEpisode` names the child's first execution.
            PayloadOwner(child.instanceID, ExecutionID(executionID.messageID(ofAction: id).value))
        case .continueAsNew: PayloadOwner(instanceID, executionID.successor)
        case .completeOrchestration:
            parent.map { PayloadOwner($0.instanceID, $0.executionID) } ?? PayloadOwner(instanceID, executionID)
        case .scheduleTask, .setCustomStatus, .completeUpdate, .createTimer, .cancelTimer, .cancelTask, .cancelChild,
            .recordPatch, .setCompensatesTermination, .passOn, .callEntity, .signalEntity, .lockEntities, .unlockEntity,
            .abandonSection:
            PayloadOwner(instanceID, executionID)
        }
    }
}
