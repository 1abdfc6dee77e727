package import DurableCore

extension InstanceState: WireCodable {
    package init(wire bytes: [UInt8]) throws(WireError) {
        let wire = try PBInstanceState(alone: bytes)
        let start = ExecutionStarted(
            name: wire.name, version: wire.hasVersion ? wire.version : nil, instanceID: InstanceID(wire.id),
            executionID: ExecutionID(wire.executionID),
            scheduledStart: wire.hasStartAtMs ? Timestamp(ms: wire.startAtMs) : nil,
            parent: wire.hasParent ? ExecutionStarted.ParentInstance(wire.parent) : nil,
            traceParent: wire.hasTraceParent ? wire.traceParent : nil,
            tags: [ExecutionStarted.Tag](wire.tags))
        self.init(start: start, startID: MessageID(wire.startID), at: Timestamp(ms: wire.createdAtMs))
        status = try OrchestrationStatus(wire.status)
        lastUpdatedAt = Timestamp(ms: wire.lastUpdatedAtMs)
        if wire.hasCustomStatus { customStatus = Payload(wire.customStatus) }
        if wire.hasOutput { output = Payload(wire.output) }
        if wire.hasFailure { failure = FailureDetails(wire.failure) }
        for task in wire.openTasks {
            openTasks[EventID(task.taskID)] = OpenTask(
                dispatch: task.dispatch, outboxID: OutboxID(task.outboxID),
                details: task.hasDetails ? Payload(task.details) : nil)
        }
        for timer in wire.openTimers { openTimers[EventID(timer.timerID)] = Timestamp(ms: timer.fireAtMs) }
        for child in wire.openChildren { openChildren[EventID(child.taskID)] = InstanceID(child.instanceID) }
        patches = Set(wire.patches)
        historyCount = try checkedCount(wire.historyCount, "history count of instance \(wire.id)")
        inbox = try wire.inbox.map(HistoryEvent.init)
        appliedMessages = wire.appliedMessages.map(MessageID.init)
        if wire.hasHold { hold = Hold(wire.hold) }
        if wire.hasAuthor { author = EpisodeAuthor(wire.author) }
        if wire.hasEntity { entity = try EntityState(wire.entity) }
        for call in wire.openEntityCalls { openEntityCalls[EventID(call.taskID)] = InstanceID(call.instanceID) }
        for section in wire.openSections where !section.lockSet.isEmpty {
            openSections[EventID(section.id)] = section.lockSet.map(InstanceID.init)
        }
        updates = UpdateLedger(
            requested: wire.requestedUpdates.map(UpdateRequest.init), open: wire.openUpdates.map(UpdateID.init),
            ended: try wire.endedUpdates.map(UpdateLedger.Ended.init),
            rejected: try wire.rejectedUpdates.map(UpdateLedger.Ended.init))
        compensatesTermination = wire.compensatesTermination
        isTerminating = wire.isTerminating
        if wire.hasAtEnd { atEnd = AtEnd(wire.atEnd) }
        if wire.hasGivenUp { givenUp = GivenUp(wire.givenUp) }
        startDispatch = wire.startDispatch
        rewindCount = wire.rewindCount
    }

    package var wireBytes: [UInt8] {
        var wire = PBInstanceState()
        wire.id = id.value
        wire.executionID = executionID.value
        wire.startID = startID.value
        wire.name = name
        if let version { wire.version = version }
        wire.status = PBOrchestrationStatus(status)
        wire.createdAtMs = createdAt.millisecondsSinceEpoch
        wire.lastUpdatedAtMs = lastUpdatedAt.millisecondsSinceEpoch
        if let startAt { wire.startAtMs = startAt.millisecondsSinceEpoch }
        if let customStatus { wire.customStatus = customStatus.data }
        if let output { wire.output = output.data }
        if let failure { wire.failure = PBFailureDetails(failure) }
        if let parent { wire.parent = PBParentInstance(parent) }
        if let traceParent { wire.traceParent = traceParent }
        wire.tags = tags.map(PBTag.init)
        wire.openTasks = openTasks.sorted { $0.key < $1.key }.map { id, task in
            var wire = PBInstanceState.OpenTask()
            wire.taskID = id.value
            wire.dispatch = task.dispatch
            wire.outboxID = task.outboxID.value
            if let details = task.details { wire.details = details.data }
            return wire
        }
        wire.openTimers = openTimers.sorted { $0.key < $1.key }.map { id, fireAt in
            var wire = PBInstanceState.OpenTimer()
            wire.timerID = id.value
            wire.fireAtMs = fireAt.millisecondsSinceEpoch
            return wire
        }
        wire.openChildren = openChildren.sorted { $0.key < $1.key }.map { id, child in
            var wire = PBInstanceState.OpenChild()
            wire.taskID = id.value
            wire.instanceID = child.value
            return wire
        }
        wire.patches = patches.sorted()
        wire.historyCount = Int64(historyCount)
        wire.inbox = inbox.map(PBHistoryEvent.init)
        wire.appliedMessages = appliedMessages.map(\.value)
        if let hold { wire.hold = PBHold(hold) }
        if let author { wire.author = PBEpisodeAuthor(author) }
        if let entity { wire.entity = PBEntityState(entity) }
        wire.openEntityCalls = openEntityCalls.sorted { $0.key < $1.key }.map { id, entity in
            var wire = PBInstanceState.OpenChild()
            wire.taskID = id.value
            wire.instanceID = entity.value
            return wire
        }
        wire.openSections = openSections.sorted { $0.key < $1.key }.map { id, lockSet in
            var wire = PBInstanceState.OpenSection()
            wire.id = id.value
            wire.lockSet = lockSet.map(\.value)
            return wire
        }
        wire.requestedUpdates = updates.requested.map(PBUpdateRequested.init)
        wire.openUpdates = updates.open.map(\.value)
        wire.endedUpdates = updates.ended.map(PBEndedUpdate.init)
        wire.rejectedUpdates = updates.rejected.map(PBEndedUpdate.init)
        wire.compensatesTermination = compensatesTermination
        wire.isTerminating = isTerminating
        if let atEnd { wire.atEnd = PBAtEnd(atEnd) }
        if givenUp != GivenUp() { wire.givenUp = PBGivenUp(givenUp) }
        wire.startDispatch = startDispatch
        wire.rewindCount = rewindCount
        return (consume wire).aloneBytes(version: format)
    }

    /// The oldest version of the layout whose readers make no mistake about it.
    private var format: Int32 {
        if entity != nil || !openEntityCalls.isEmpty || !openSections.isEmpty { return 4 }
        if !updates.isEmpty || compensatesTermination || isTerminating { return 4 }
        if startDispatch > 0 || rewindCount > 0 { return 4 }
        if inbox.contains(where: { $0.needsFormat4 || $0.isSealed }) { return 4 }
        if status == .suspended || !patches.isEmpty { return 3 }
        return openChildren.isEmpty && parent == nil ? 1 : 2
    }
}

extension PBAtEnd {
    init(_ end: InstanceState.AtEnd) {
        self.init()
        open = end.open.map(\.value)
        compensatesTermination = end.compensatesTermination
    }
}

extension InstanceState.AtEnd {
    init(_ wire: PBAtEnd) {
        self.init(open: wire.open.map { EventID($0) }, compensatesTermination: wire.compensatesTermination)
    }
}

extension PBGivenUp {
    init(_ ids: InstanceState.GivenUp) {
        self.init()
        lately = ids.lately.map(\.value)
        children = ids.children.map(\.value)
    }
}

extension InstanceState.GivenUp {
    init(_ wire: PBGivenUp) {
        self.init()
        lately = wire.lately.map { EventID($0) }
        children = wire.children.map { EventID($0) }
    }
}
