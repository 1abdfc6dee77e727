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
        let wire = try PBTaskCancellation(alone: bytes)
        self.init(
            tasks: wire.tasks.map { task in
                TaskKey(
                    instanceID: InstanceID(task.instanceID), executionID: ExecutionID(task.executionID),
                    taskID: EventID(task.taskID), dispatch: task.dispatch)
            })
    }

    package var wireBytes: [UInt8] {
        var wire = PBTaskCancellation()
        wire.tasks = tasks.map { task in
            var wire = PBTaskCancellation.Task()
            wire.instanceID = task.instanceID.value
            wire.executionID = task.executionID.value
            wire.taskID = task.taskID.value
            wire.dispatch = task.dispatch
            return wire
        }
        return wire.aloneBytes()
    }
}
