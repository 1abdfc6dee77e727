internal import DurableCore
internal import SwiftProtobuf

extension HistoryEvent {
    init(_ wire: PBHistoryEvent) throws(WireError) {
        guard let kind = wire.kind else {
            let field = wire.unknownFields.firstFieldNumber.map { "field \($0)" } ?? "no kind at all"
            throw .undecodable("history event of a kind this version does not know (\(field))")
        }
        self.init(
            eventID: EventID(wire.eventID),
            // Clients in other languages may leave it out: the owner writes its own time.
            timestamp: wire.hasTimestamp ? try Timestamp(wire.timestamp) : Timestamp(ms: 0),
            kind: try Kind(kind))
        if case .orchestratorStarted(let wire) = kind, wire.hasAuthor { author = EpisodeAuthor(wire.author) }
        if let residue = wire.residue { unknownFields = (try? residue.serializedBytes()) ?? [] }
    }
}

extension HistoryEvent.Kind {
    init(_ wire: PBHistoryEvent.OneOf_Kind) throws(WireError) {
        switch wire {
        case .orchestratorStarted:
            self = .orchestratorStarted
        case .executionStarted(let wire):
            self = .executionStarted(try ExecutionStarted(wire))
        case .executionCompleted(let wire):
            self = .executionCompleted(
                status: try OrchestrationStatus(wire.status),
                result: wire.hasResult ? Payload(wire.result) : nil,
                failure: wire.hasFailure ? FailureDetails(wire.failure) : nil)
        case .executionTerminated(let wire):
            self = .executionTerminated(reason: wire.hasReason ? Payload(wire.reason) : nil, recurse: wire.recurse)
        case .executionSuspended(let wire):
            self = .executionSuspended(reason: wire.hasReason ? Payload(wire.reason) : nil)
        case .executionResumed(let wire):
            self = .executionResumed(reason: wire.hasReason ? Payload(wire.reason) : nil)
        case .executionRewound(let wire):
            self = .executionRewound(reason: wire.hasReason ? Payload(wire.reason) : nil, count: wire.count)
        case .taskScheduled(let wire):
            self = .taskScheduled(name: wire.name, input: wire.hasInput ? Payload(wire.input) : nil)
        case .taskCompleted(let wire):
            self = .taskCompleted(
                taskID: EventID(wire.taskScheduledID), result: wire.hasResult ? Payload(wire.result) : nil)
        case .taskFailed(let wire):
            self = .taskFailed(taskID: EventID(wire.taskScheduledID), failure: FailureDetails(wire.failure))
        case .timerCreated(let wire):
            try required(wire.hasFireAt, "TimerCreated: time")
            self = .timerCreated(fireAt: try Timestamp(wire.fireAt))
        case .timerFired(let wire):
            try required(wire.hasFireAt, "TimerFired: time")
            self = .timerFired(timerID: EventID(wire.timerID), fireAt: try Timestamp(wire.fireAt))
        case .eventSent(let wire):
            self = .eventSent(
                instanceID: InstanceID(wire.instanceID), name: wire.name,
                input: wire.hasInput ? Payload(wire.input) : nil)
        case .eventRaised(let wire):
            self = .eventRaised(name: wire.name, input: wire.hasInput ? Payload(wire.input) : nil)
        case .subOrchestrationCreated(let wire):
            self = .subOrchestrationCreated(
                ChildStart(
                    instanceID: InstanceID(wire.instanceID), name: wire.name,
                    version: wire.hasVersion ? wire.version.value : nil,
                    input: wire.hasInput ? Payload(wire.input) : nil, isDetached: wire.isDetached,
                    tags: [ExecutionStarted.Tag](wire.tags)))
        case .subOrchestrationCompleted(let wire):
            self = .subOrchestrationCompleted(
                taskID: EventID(wire.taskScheduledID), result: wire.hasResult ? Payload(wire.result) : nil)
        case .subOrchestrationFailed(let wire):
            self = .subOrchestrationFailed(
                taskID: EventID(wire.taskScheduledID), failure: FailureDetails(wire.failure))
        case .genericEvent(let wire) where wire.hasUpdateRequested:
            self = .updateRequested(UpdateRequest(wire.updateRequested))
        case .genericEvent(let wire) where wire.hasUpdateCompleted:
            self = .updateCompleted(
                id: UpdateID(wire.updateCompleted.id),
                result: wire.updateCompleted.hasResult ? Payload(wire.updateCompleted.result) : nil,
                failure: wire.updateCompleted.hasFailure ? FailureDetails(wire.updateCompleted.failure) : nil)
        case .genericEvent(let wire):
            if wire.hasCancellation {
                let request = wire.cancellation
                self = .cancellationRequested(reason: request.hasReason ? Payload(request.reason) : nil)
                return
            }
            try required(!wire.patch.isEmpty, "GenericEvent: patch")
            self = .patchRecorded(id: wire.patch, isDeprecated: wire.isDeprecated)
        case .entityOperationSignaled(let wire):
            self = .entityOperationSignaled(EntitySignal(wire))
        case .entityOperationCalled(let wire):
            self = .entityOperationCalled(EntityCall(wire))
        case .entityOperationCompleted(let wire):
            self = .entityOperationCompleted(
                requestID: wire.requestID, output: wire.hasOutput ? Payload(wire.output) : nil)
        case .entityOperationFailed(let wire):
            self = .entityOperationFailed(requestID: wire.requestID, failure: FailureDetails(wire.failure))
        case .entityLockRequested(let wire):
            self = .entityLockRequested(try EntityLockRequest(wire))
        case .entityLockGranted(let wire):
            self = .entityLockGranted(section: wire.criticalSectionID)
        case .entityUnlockSent(let wire):
            self = .entityUnlockSent(try EntityUnlock(wire))
        case .continueAsNew(let wire):
            self = .continueAsNew(input: wire.hasInput ? Payload(wire.input) : nil)
        }
    }
}
