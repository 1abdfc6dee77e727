internal import DurableCore
internal import SwiftProtobuf

extension PBHistoryEvent {
    init(_ event: HistoryEvent) {
        self.init()
        eventID = event.eventID.value
        timestamp = Google_Protobuf_Timestamp(event.timestamp)
        kind = OneOf_Kind(event.kind)
        if let author = event.author, case .orchestratorStarted(var wire)? = kind {
            wire.author = PBEpisodeAuthor(author)
            kind = .orchestratorStarted(wire)
        }
        if !event.unknownFields.isEmpty { merge(unknown: event.unknownFields) }
    }

    /// Puts back what a newer version had written. Bytes that do not fit this kind of event are left out.
    private mutating func merge(unknown bytes: [UInt8]) {
        var merged = self
        guard (try? merged.merge(serializedBytes: bytes)) != nil, merged.kind?.fieldNumber == kind?.fieldNumber else {
            return
        }
        self = merged
    }
}

extension PBHistoryEvent.OneOf_Kind {
    init(_ kind: HistoryEvent.Kind) {
        switch kind {
        case .orchestratorStarted:
            self = .orchestratorStarted(PBOrchestratorStarted())
        case .executionStarted(let start):
            self = .executionStarted(PBExecutionStarted(start))
        case .executionCompleted(let status, let result, let failure):
            var wire = PBExecutionCompleted()
            wire.status = PBOrchestrationStatus(status)
            if let result { wire.result = Google_Protobuf_BytesValue(result) }
            if let failure { wire.failure = PBFailureDetails(failure) }
            self = .executionCompleted(wire)
        case .executionTerminated(let reason, let recurse):
            var wire = PBExecutionTerminated()
            if let reason { wire.reason = Google_Protobuf_BytesValue(reason) }
            wire.recurse = recurse
            self = .executionTerminated(wire)
        case .cancellationRequested(let reason):
            var wire = PBGenericEvent()
            wire.cancellation = PBGenericEvent.CancellationRequest()
            if let reason { wire.cancellation.reason = Google_Protobuf_BytesValue(reason) }
            self = .genericEvent(wire)
        case .executionSuspended(let reason):
            var wire = PBExecutionSuspended()
            if let reason { wire.reason = Google_Protobuf_BytesValue(reason) }
            self = .executionSuspended(wire)
        case .executionResumed(let reason):
            var wire = PBExecutionResumed()
            if let reason { wire.reason = Google_Protobuf_BytesValue(reason) }
            self = .executionResumed(wire)
        case .executionRewound(let reason, let count):
            var wire = PBExecutionRewound()
            if let reason { wire.reason = Google_Protobuf_BytesValue(reason) }
            wire.count = count
            self = .executionRewound(wire)
        case .taskScheduled(let name, let input):
            var wire = PBTaskScheduled()
            wire.name = name
            if let input { wire.input = Google_Protobuf_BytesValue(input) }
            self = .taskScheduled(wire)
        case .taskCompleted(let taskID, let result):
            var wire = PBTaskCompleted()
            wire.taskScheduledID = taskID.value
            if let result { wire.result = Google_Protobuf_BytesValue(result) }
            self = .taskCompleted(wire)
        case .taskFailed(let taskID, let failure):
            var wire = PBTaskFailed()
            wire.taskScheduledID = taskID.value
            wire.failure = PBFailureDetails(failure)
            self = .taskFailed(wire)
        case .timerCreated(let fireAt):
            var wire = PBTimerCreated()
            wire.fireAt = Google_Protobuf_Timestamp(fireAt)
            self = .timerCreated(wire)
        case .timerFired(let timerID, let fireAt):
            var wire = PBTimerFired()
            wire.timerID = timerID.value
            wire.fireAt = Google_Protobuf_Timestamp(fireAt)
            self = .timerFired(wire)
        case .eventSent(let instanceID, let name, let input):
            var wire = PBEventSent()
            wire.instanceID = instanceID.value
            wire.name = name
            if let input { wire.input = Google_Protobuf_BytesValue(input) }
            self = .eventSent(wire)
        case .eventRaised(let name, let input):
            var wire = PBEventRaised()
            wire.name = name
            if let input { wire.input = Google_Protobuf_BytesValue(input) }
            self = .eventRaised(wire)
        case .subOrchestrationCreated(let child):
            var wire = PBSubOrchestrationCreated()
            wire.instanceID = child.instanceID.value
            wire.name = child.name
            if let version = child.version { wire.version = Google_Protobuf_StringValue(text: version) }
            if let input = child.input { wire.input = Google_Protobuf_BytesValue(input) }
            wire.isDetached = child.isDetached
            wire.tags = child.tags.map(PBTag.init)
            self = .subOrchestrationCreated(wire)
        case .subOrchestrationCompleted(let taskID, let result):
            var wire = PBSubOrchestrationCompleted()
            wire.taskScheduledID = taskID.value
            if let result { wire.result = Google_Protobuf_BytesValue(result) }
            self = .subOrchestrationCompleted(wire)
        case .subOrchestrationFailed(let taskID, let failure):
            var wire = PBSubOrchestrationFailed()
            wire.taskScheduledID = taskID.value
            wire.failure = PBFailureDetails(failure)
            self = .subOrchestrationFailed(wire)
        case .patchRecorded(let id, let isDeprecated):
            var wire = PBGenericEvent()
            wire.patch = id
            wire.isDeprecated = isDeprecated
            self = .genericEvent(wire)
        case .updateRequested(let request):
            var wire = PBGenericEvent()
            wire.updateRequested = PBUpdateRequested(request)
            self = .genericEvent(wire)
        case .updateCompleted(let id, let result, let failure):
            var wire = PBGenericEvent()
            wire.updateCompleted.id = id.value
            if let result { wire.updateCompleted.result = Google_Protobuf_BytesValue(result) }
            if let failure { wire.updateCompleted.failure = PBFailureDetails(failure) }
            self = .genericEvent(wire)
        case .entityOperationSignaled(let signal):
            self = .entityOperationSignaled(PBEntityOperationSignaled(signal))
        case .entityOperationCalled(let call):
            self = .entityOperationCalled(PBEntityOperationCalled(call))
        case .entityOperationCompleted(let requestID, let output):
            var wire = PBEntityOperationCompleted()
            wire.requestID = requestID
            if let output { wire.output = Google_Protobuf_BytesValue(output) }
            self = .entityOperationCompleted(wire)
        case .entityOperationFailed(let requestID, let failure):
            var wire = PBEntityOperationFailed()
            wire.requestID = requestID
            wire.failure = PBFailureDetails(failure)
            self = .entityOperationFailed(wire)
        case .entityLockRequested(let request):
            self = .entityLockRequested(PBEntityLockRequested(request))
        case .entityLockGranted(let section):
            var wire = PBEntityLockGranted()
            wire.criticalSectionID = section
            self = .entityLockGranted(wire)
        case .entityUnlockSent(let unlock):
            self = .entityUnlockSent(PBEntityUnlockSent(unlock))
        case .continueAsNew(let input):
            var wire = PBContinueAsNew()
            if let input { wire.input = Google_Protobuf_BytesValue(input) }
            self = .continueAsNew(wire)
        }
    }

    /// Number of the kind's field in the public protocol.
    var fieldNumber: Int {
        switch self {
        case .executionStarted: 3
        case .executionCompleted: 4
        case .executionTerminated: 5
        case .taskScheduled: 6
        case .taskCompleted: 7
        case .taskFailed: 8
        case .subOrchestrationCreated: 9
        case .subOrchestrationCompleted: 10
        case .subOrchestrationFailed: 11
        case .timerCreated: 12
        case .timerFired: 13
        case .orchestratorStarted: 14
        case .eventSent: 16
        case .eventRaised: 17
        case .genericEvent: 18
        case .continueAsNew: 20
        case .executionSuspended: 21
        case .executionResumed: 22
        case .entityOperationSignaled: 23
        case .entityOperationCalled: 24
        case .entityOperationCompleted: 25
        case .entityOperationFailed: 26
        case .entityLockRequested: 27
        case .entityLockGranted: 28
        case .entityUnlockSent: 29
        case .executionRewound: 30
        }
    }
}
