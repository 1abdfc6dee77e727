internal import DurableCore

extension PBInstanceSnapshot {
    init(_ snapshot: InstanceSnapshot) {
        self.init()
        id = snapshot.id.value
        executionID = snapshot.executionID.value
        name = snapshot.name
        if let version = snapshot.version { self.version = version }
        status = PBOrchestrationStatus(snapshot.status)
        createdAtMs = snapshot.createdAt.millisecondsSinceEpoch
        lastUpdatedAtMs = snapshot.lastUpdatedAt.millisecondsSinceEpoch
        if let startAt = snapshot.startAt { startAtMs = startAt.millisecondsSinceEpoch }
        if let input = snapshot.input { self.input = input.data }
        if let output = snapshot.output { self.output = output.data }
        if let failure = snapshot.failure { self.failure = PBFailureDetails(failure) }
        if let customStatus = snapshot.customStatus { self.customStatus = customStatus.data }
        tags = snapshot.tags.map(PBTag.init)
        historyCount = Int64(snapshot.historyCount)
        openTaskCount = Int64(snapshot.openTaskCount)
        openTimerCount = Int64(snapshot.openTimerCount)
        openChildCount = Int64(snapshot.openChildCount)
        inboxCount = Int64(snapshot.inboxCount)
        openUpdateCount = Int64(snapshot.openUpdateCount)
        openEntityCallCount = Int64(snapshot.openEntityCallCount)
        if let entity = snapshot.entity { self.entity = PBEntityState(entity) }
        if let holdCode = snapshot.holdCode { self.holdCode = holdCode }
        if let holdText = snapshot.holdText { self.holdText = holdText }
        if let parent = snapshot.parent { self.parent = parent.value }
    }
}

extension InstanceSnapshot {
    init(_ wire: PBInstanceSnapshot) throws(WireError) {
        self.init(
            id: InstanceID(wire.id), executionID: ExecutionID(wire.executionID), name: wire.name,
            status: try OrchestrationStatus(wire.status))
        if wire.hasVersion { version = wire.version }
        createdAt = Timestamp(ms: wire.createdAtMs)
        lastUpdatedAt = Timestamp(ms: wire.lastUpdatedAtMs)
        if wire.hasStartAtMs { startAt = Timestamp(ms: wire.startAtMs) }
        if wire.hasInput { input = Payload(wire.input) }
        if wire.hasOutput { output = Payload(wire.output) }
        if wire.hasFailure { failure = FailureDetails(wire.failure) }
        if wire.hasCustomStatus { customStatus = Payload(wire.customStatus) }
        tags = [ExecutionStarted.Tag](wire.tags)
        historyCount = try checkedCount(wire.historyCount, "history count of instance \(wire.id)")
        openTaskCount = try checkedCount(wire.openTaskCount, "open tasks of instance \(wire.id)")
        openTimerCount = try checkedCount(wire.openTimerCount, "open timers of instance \(wire.id)")
        openChildCount = try checkedCount(wire.openChildCount, "open children of instance \(wire.id)")
        inboxCount = try checkedCount(wire.inboxCount, "inbox count of instance \(wire.id)")
        openUpdateCount = try checkedCount(wire.openUpdateCount, "open updates of instance \(wire.id)")
        openEntityCallCount = try checkedCount(wire.openEntityCallCount, "open calls of instance \(wire.id)")
        if wire.hasEntity { entity = try EntityState(wire.entity) }
        if wire.hasHoldCode { holdCode = wire.holdCode }
        if wire.hasHoldText { holdText = wire.holdText }
        if wire.hasParent { parent = InstanceID(wire.parent) }
    }
}
