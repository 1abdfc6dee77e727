internal import DurableCore
internal import SwiftProtobuf

extension PBExecutionStarted {
    init(_ start: ExecutionStarted) {
        self.init()
        name = start.name
        if let version = start.version { self.version = Google_Protobuf_StringValue(text: version) }
        if let input = start.input { self.input = Google_Protobuf_BytesValue(input) }
        orchestrationInstance = PBOrchestrationInstance(start.instanceID, start.executionID)
        if let parent = start.parent { parentInstance = PBParentInstance(parent) }
        if let time = start.scheduledStart { scheduledStart = Google_Protobuf_Timestamp(time) }
        if let traceParent = start.traceParent { traceContext.traceParent = traceParent }
        tags = start.tags.map(PBTag.init)
    }
}

extension ExecutionStarted {
    init(_ wire: PBExecutionStarted) throws(WireError) {
        self.init(
            name: wire.name,
            version: wire.hasVersion ? wire.version.value : nil,
            input: wire.hasInput ? Payload(wire.input) : nil,
            instanceID: InstanceID(wire.orchestrationInstance.instanceID),
            executionID: ExecutionID(wire.orchestrationInstance.executionID.value),
            scheduledStart: wire.hasScheduledStart ? try Timestamp(wire.scheduledStart) : nil,
            parent: wire.hasParentInstance ? ParentInstance(wire.parentInstance) : nil,
            traceParent: wire.hasTraceContext ? wire.traceContext.traceParent : nil,
            tags: [Tag](wire.tags))
    }
}

extension PBOrchestrationInstance {
    fileprivate init(_ instanceID: InstanceID, _ executionID: ExecutionID) {
        self.init()
        self.instanceID = instanceID.value
        self.executionID = Google_Protobuf_StringValue(text: executionID.value)
    }
}

extension PBParentInstance {
    init(_ parent: ExecutionStarted.ParentInstance) {
        self.init()
        taskScheduledID = parent.taskID.value
        name = Google_Protobuf_StringValue(text: parent.name)
        orchestrationInstance = PBOrchestrationInstance(parent.instanceID, parent.executionID)
    }
}

extension ExecutionStarted.ParentInstance {
    init(_ wire: PBParentInstance) {
        self.init(
            taskID: EventID(wire.taskScheduledID), name: wire.name.value,
            instanceID: InstanceID(wire.orchestrationInstance.instanceID),
            executionID: ExecutionID(wire.orchestrationInstance.executionID.value))
    }
}

extension PBTag {
    init(_ tag: ExecutionStarted.Tag) {
        self.init()
        key = tag.key
        value = tag.value
    }
}

extension [ExecutionStarted.Tag] {
    /// In order of key. Other writers keep no order, and of a repeated key the last one counts, as in any map.
    init(_ wire: [PBTag]) {
        self = wire.map { ExecutionStarted.Tag(key: $0.key, value: $0.value) }
        let isInOrder = zip(self, dropFirst()).allSatisfy { $0.key < $1.key }
        if isInOrder { return }
        // By bytes: keys that only Unicode calls equal are two keys.
        var last: [[UInt8]: ExecutionStarted.Tag] = [:]
        for tag in self { last[[UInt8](tag.key.utf8)] = tag }
        self = last.sorted { left, right in
            left.value.key == right.value.key
                ? left.key.lexicographicallyPrecedes(right.key) : left.value.key < right.value.key
        }.map(\.value)
    }
}
