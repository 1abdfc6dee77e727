internal import SwiftProtobuf

// What a newer version (or another implementation of the public protocol) wrote and this one has no place for.
// It is kept as an event that holds nothing else: merged into the event's known part it gives the whole again,
// because protobuf merges a message field by field, at every depth.

extension PBHistoryEvent {
    /// Nil almost always.
    var residue: PBHistoryEvent? {
        let kind = kind?.residue
        if kind == nil && unknownFields.isEmpty { return nil }
        var rest = PBHistoryEvent()
        rest.kind = kind
        rest.unknownFields = unknownFields
        return rest
    }
}

extension PBHistoryEvent.OneOf_Kind {
    fileprivate var residue: Self? {
        switch self {
        case .executionStarted(let wire): wire.residue.map(Self.executionStarted)
        case .executionCompleted(let wire): wire.residue.map(Self.executionCompleted)
        case .executionTerminated(let wire): wire.unknownPart.map(Self.executionTerminated)
        case .taskScheduled(let wire): wire.unknownPart.map(Self.taskScheduled)
        case .taskCompleted(let wire): wire.unknownPart.map(Self.taskCompleted)
        case .taskFailed(let wire): wire.residue.map(Self.taskFailed)
        case .subOrchestrationCreated(let wire): wire.unknownPart.map(Self.subOrchestrationCreated)
        case .subOrchestrationCompleted(let wire): wire.unknownPart.map(Self.subOrchestrationCompleted)
        case .subOrchestrationFailed(let wire): wire.residue.map(Self.subOrchestrationFailed)
        case .timerCreated(let wire): wire.unknownPart.map(Self.timerCreated)
        case .timerFired(let wire): wire.unknownPart.map(Self.timerFired)
        case .orchestratorStarted(let wire): wire.residue.map(Self.orchestratorStarted)
        case .eventSent(let wire): wire.unknownPart.map(Self.eventSent)
        case .eventRaised(let wire): wire.unknownPart.map(Self.eventRaised)
        case .genericEvent(let wire): wire.residue.map(Self.genericEvent)
        case .continueAsNew(let wire): wire.unknownPart.map(Self.continueAsNew)
        case .executionSuspended(let wire): wire.unknownPart.map(Self.executionSuspended)
        case .executionResumed(let wire): wire.unknownPart.map(Self.executionResumed)
        case .entityOperationSignaled(let wire): wire.unknownPart.map(Self.entityOperationSignaled)
        case .entityOperationCalled(let wire): wire.unknownPart.map(Self.entityOperationCalled)
        case .entityOperationCompleted(let wire): wire.unknownPart.map(Self.entityOperationCompleted)
        case .entityOperationFailed(let wire): wire.residue.map(Self.entityOperationFailed)
        case .entityLockRequested(let wire): wire.unknownPart.map(Self.entityLockRequested)
        case .entityLockGranted(let wire): wire.unknownPart.map(Self.entityLockGranted)
        case .entityUnlockSent(let wire): wire.unknownPart.map(Self.entityUnlockSent)
        case .executionRewound(let wire): wire.unknownPart.map(Self.executionRewound)
        }
    }
}

extension PBExecutionStarted {
    fileprivate var residue: Self? {
        let instance = hasOrchestrationInstance ? orchestrationInstance.unknownPart : nil
        let parent = hasParentInstance ? parentInstance.residue : nil
        let trace = hasTraceContext ? traceContext.unknownPart : nil
        if unknownFields.isEmpty && instance == nil && parent == nil && trace == nil { return nil }
        var rest = unknownPart ?? Self()
        if let instance { rest.orchestrationInstance = instance }
        if let parent { rest.parentInstance = parent }
        if let trace { rest.traceContext = trace }
        return rest
    }
}

extension PBParentInstance {
    fileprivate var residue: Self? {
        let instance = hasOrchestrationInstance ? orchestrationInstance.unknownPart : nil
        if unknownFields.isEmpty && instance == nil { return nil }
        var rest = unknownPart ?? Self()
        if let instance { rest.orchestrationInstance = instance }
        return rest
    }
}

extension PBExecutionCompleted {
    fileprivate var residue: Self? {
        let failure = hasFailure ? failure.residue(depth: 0) : nil
        if unknownFields.isEmpty && failure == nil { return nil }
        var rest = unknownPart ?? Self()
        if let failure { rest.failure = failure }
        return rest
    }
}

extension PBOrchestratorStarted {
    fileprivate var residue: Self? {
        let author = hasAuthor ? author.unknownPart : nil
        if unknownFields.isEmpty && author == nil { return nil }
        var rest = unknownPart ?? Self()
        if let author { rest.author = author }
        return rest
    }
}

extension PBTaskFailed {
    fileprivate var residue: Self? {
        let failure = hasFailure ? failure.residue(depth: 0) : nil
        if unknownFields.isEmpty && failure == nil { return nil }
        var rest = unknownPart ?? Self()
        if let failure { rest.failure = failure }
        return rest
    }
}

extension PBGenericEvent {
    fileprivate var residue: Self? {
        let cancellation = hasCancellation ? cancellation.unknownPart : nil
        let requested = hasUpdateRequested ? updateRequested.unknownPart : nil
        let completed = hasUpdateCompleted ? updateCompleted.residue : nil
        if unknownFields.isEmpty && cancellation == nil && requested == nil && completed == nil { return nil }
        var rest = unknownPart ?? Self()
        if let cancellation { rest.cancellation = cancellation }
        if let requested { rest.updateRequested = requested }
        if let completed { rest.updateCompleted = completed }
        return rest
    }
}

extension PBUpdateCompleted {
    fileprivate var residue: Self? {
        let failure = hasFailure ? failure.residue(depth: 0) : nil
        if unknownFields.isEmpty && failure == nil { return nil }
        var rest = unknownPart ?? Self()
        if let failure { rest.failure = failure }
        return rest
    }
}

extension PBEntityOperationFailed {
    fileprivate var residue: Self? {
        let failure = hasFailure ? failure.residue(depth: 0) : nil
        if unknownFields.isEmpty && failure == nil { return nil }
        var rest = unknownPart ?? Self()
        if let failure { rest.failure = failure }
        return rest
    }
}

extension PBSubOrchestrationFailed {
    fileprivate var residue: Self? {
        let failure = hasFailure ? failure.residue(depth: 0) : nil
        if unknownFields.isEmpty && failure == nil { return nil }
        var rest = unknownPart ?? Self()
        if let failure { rest.failure = failure }
        return rest
    }
}

extension PBFailureDetails {
    /// - Parameter depth: Of this failure among its causes; those too deep to be kept leave nothing here either.
    fileprivate func residue(depth: Int) -> Self? {
        let inner = hasInnerFailure && depth < Self.maximumDepth ? innerFailure.residue(depth: depth + 1) : nil
        if unknownFields.isEmpty && inner == nil { return nil }
        var rest = unknownPart ?? Self()
        if let inner { rest.innerFailure = inner }
        return rest
    }
}

extension SwiftProtobuf.Message {
    /// This message with nothing but its unknown fields; nil when it has none.
    fileprivate var unknownPart: Self? {
        if unknownFields.isEmpty { return nil }
        var rest = Self()
        rest.unknownFields = unknownFields
        return rest
    }
}

extension UnknownStorage {
    fileprivate var isEmpty: Bool { data.isEmpty }

    /// Number of the first field, for error texts.
    var firstFieldNumber: UInt64? {
        var tag: UInt64 = 0
        for (index, byte) in data.prefix(5).enumerated() {
            tag |= UInt64(byte & 0x7f) << (7 * UInt64(index))
            if byte & 0x80 == 0 { return tag >> 3 }
        }
        return nil
    }
}
