internal import DurableCore
internal import SwiftProtobuf

extension PBEntityOperationSignaled {
    init(_ signal: EntitySignal) {
        self.init()
        requestID = signal.requestID
        operation = signal.operation
        if let input = signal.input { self.input = Google_Protobuf_BytesValue(input) }
        if let target = signal.target { targetInstanceID = Google_Protobuf_StringValue(text: target.value) }
    }
}

extension EntitySignal {
    init(_ wire: PBEntityOperationSignaled) {
        self.init(
            requestID: wire.requestID, operation: wire.operation, input: wire.hasInput ? Payload(wire.input) : nil,
            target: wire.hasTargetInstanceID ? InstanceID(wire.targetInstanceID.value) : nil)
    }
}

extension PBEntityOperationCalled {
    init(_ call: EntityCall) {
        self.init()
        requestID = call.requestID
        operation = call.operation
        if let input = call.input { self.input = Google_Protobuf_BytesValue(input) }
        if let parent = call.parent { parentInstanceID = Google_Protobuf_StringValue(text: parent.value) }
        if let execution = call.parentExecution {
            parentExecutionID = Google_Protobuf_StringValue(text: execution.value)
        }
        if let target = call.target { targetInstanceID = Google_Protobuf_StringValue(text: target.value) }
        if let section = call.section { criticalSectionID = Google_Protobuf_StringValue(text: section) }
    }
}

extension EntityCall {
    init(_ wire: PBEntityOperationCalled) {
        self.init(
            requestID: wire.requestID, operation: wire.operation, input: wire.hasInput ? Payload(wire.input) : nil,
            target: wire.hasTargetInstanceID ? InstanceID(wire.targetInstanceID.value) : nil,
            parent: wire.hasParentInstanceID ? InstanceID(wire.parentInstanceID.value) : nil,
            parentExecution: wire.hasParentExecutionID ? ExecutionID(wire.parentExecutionID.value) : nil,
            section: wire.hasCriticalSectionID ? wire.criticalSectionID.value : nil)
    }
}

extension PBEntityLockRequested {
    init(_ request: EntityLockRequest) {
        self.init()
        criticalSectionID = request.section
        lockSet = request.lockSet.map(\.value)
        position = Int32(request.position)
        if let parent = request.parent { parentInstanceID = Google_Protobuf_StringValue(text: parent.value) }
        if let execution = request.parentExecution {
            parentExecutionID = Google_Protobuf_StringValue(text: execution.value)
        }
    }
}

extension EntityLockRequest {
    init(_ wire: PBEntityLockRequested) throws(WireError) {
        guard wire.lockSet.indices.contains(Int(wire.position)) else {
            throw .undecodable("EntityLockRequested: position \(wire.position) of \(wire.lockSet.count) entities")
        }
        self.init(
            section: wire.criticalSectionID, lockSet: wire.lockSet.map(InstanceID.init),
            position: Int(wire.position),
            parent: wire.hasParentInstanceID ? InstanceID(wire.parentInstanceID.value) : nil,
            parentExecution: wire.hasParentExecutionID ? ExecutionID(wire.parentExecutionID.value) : nil)
    }
}

extension PBEntityUnlockSent {
    init(_ unlock: EntityUnlock) {
        self.init()
        criticalSectionID = unlock.section
        if let target = unlock.target { targetInstanceID = Google_Protobuf_StringValue(text: target.value) }
        lockSet = unlock.lockSet.map(\.value)
        position = Int32(unlock.position)
    }
}

extension EntityUnlock {
    init(_ wire: PBEntityUnlockSent) throws(WireError) {
        guard wire.position >= 0 else { throw .undecodable("EntityUnlockSent: position \(wire.position)") }
        self.init(
            section: wire.criticalSectionID,
            target: wire.hasTargetInstanceID ? InstanceID(wire.targetInstanceID.value) : nil,
            lockSet: wire.lockSet.map(InstanceID.init), position: Int(wire.position))
    }
}

extension PBEntityState {
    init(_ entity: EntityState) {
        self.init()
        if let state = entity.state { self.state = state.data }
        if let lock = entity.lock {
            self.lock.section = lock.section
            self.lock.parent = lock.parent.value
        }
        appliedAhead = entity.appliedAhead.map(PBOrigin.init)
    }
}

extension EntityState {
    init(_ wire: PBEntityState) throws(WireError) {
        self.init(
            state: wire.hasState ? Payload(wire.state) : nil,
            lock: wire.hasLock ? Lock(section: wire.lock.section, parent: InstanceID(wire.lock.parent)) : nil,
            appliedAhead: try wire.appliedAhead.map(Origin.init))
    }
}
