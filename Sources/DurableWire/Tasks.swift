package import DurableCore

extension TaskMessage: WireCodable {
    package init(wire bytes: [UInt8]) throws(WireError) {
        self.init(try PBTaskMessage(alone: bytes))
    }

    package var wireBytes: [UInt8] { PBTaskMessage(self).aloneBytes() }
}

extension PBTaskMessage {
    init(_ task: TaskMessage) {
        self.init()
        instanceID = task.instanceID.value
        executionID = task.executionID.value
        taskID = task.taskID.value
        dispatch = task.dispatch
        name = task.name
        if let input = task.input { self.input = input.data }
        if let traceParent = task.traceParent { self.traceParent = traceParent }
        isRedispatch = task.isRedispatch
    }
}

extension TaskMessage {
    init(_ wire: PBTaskMessage) {
        self.init(
            instanceID: InstanceID(wire.instanceID), executionID: ExecutionID(wire.executionID),
            taskID: EventID(wire.taskID), dispatch: wire.dispatch, name: wire.name,
            input: wire.hasInput ? Payload(wire.input) : nil,
            traceParent: wire.hasTraceParent ? wire.traceParent : nil, isRedispatch: wire.isRedispatch)
    }
}

extension TaskCancellation: WireCodable {
    package init(wire bytes: [UInt8]) throws(WireError) {
        self.init(tasks: try PBTaskCancellation(alone: bytes).tasks.map(TaskKey.init))
    }

    package var wireBytes: [UInt8] {
        var wire = PBTaskCancellation()
        wire.tasks = tasks.map(PBTaskKey.init)
        return wire.aloneBytes()
    }
}

extension PBTaskKey {
    init(_ key: TaskKey) {
        self.init()
        instanceID = key.instanceID.value
        executionID = key.executionID.value
        taskID = key.taskID.value
        dispatch = key.dispatch
    }
}

extension TaskKey {
    init(_ wire: PBTaskKey) {
        self.init(
            instanceID: InstanceID(wire.instanceID), executionID: ExecutionID(wire.executionID),
            taskID: EventID(wire.taskID), dispatch: wire.dispatch)
    }
}

extension PBTaskDetails {
    init(_ key: TaskKey, _ details: Payload?) {
        self.init()
        task = PBTaskKey(key)
        if let details { self.details = details.data }
    }

    var payload: Payload? { hasDetails ? Payload(details) : nil }
}
