internal import DurableCore

extension PBCheckpoint {
    init(_ checkpoint: Checkpoint) {
        self.init()
        timeMs = checkpoint.time.millisecondsSinceEpoch
        changes = checkpoint.changes.map(PBInstanceChange.init)
        outbox = checkpoint.outbox.map(PBOutboxEntry.init)
        outboxRemoved = checkpoint.outboxRemoved.map(\.value)
        applied = checkpoint.applied.map(PBOrigin.init)
    }
}

extension Checkpoint {
    init(_ wire: PBCheckpoint) throws(WireError) {
        self.init(
            time: Timestamp(ms: wire.timeMs),
            changes: try wire.changes.map(InstanceChange.init),
            outbox: try wire.outbox.map(OutboxEntry.init),
            outboxRemoved: wire.outboxRemoved.map(OutboxID.init),
            applied: try wire.applied.map(Origin.init))
    }
}

extension PBInstanceChange {
    init(_ change: InstanceChange) {
        self.init()
        instanceID = change.instanceID.value
        timeMs = change.time.millisecondsSinceEpoch
        history = change.history.map(PBHistoryEvent.init)
        buffered = change.buffered.map(PBHistoryEvent.init)
        appliedMessages = change.appliedMessages.map(\.value)
        scheduledTasks = change.scheduledTasks.map { task in
            var wire = ScheduledTask()
            wire.taskID = task.taskID.value
            wire.dispatch = task.dispatch
            wire.outboxID = task.outboxID.value
            return wire
        }
        canceledTimers = change.canceledTimers.map(\.value)
        canceledTasks = change.canceledTasks.map(\.value)
        replaces = change.replaces
        if let end = change.atEnd { atEnd = PBAtEnd(end) }
        if let time = change.createdAt { createdAtMs = time.millisecondsSinceEpoch }
        if let ids = change.givenUp { givenUp = PBGivenUp(ids) }
        if let dispatch = change.startDispatch { startDispatch = dispatch }
        heartbeats = change.heartbeats.map { heartbeat in
            var wire = Heartbeat()
            wire.taskID = heartbeat.taskID.value
            wire.details = heartbeat.details.data
            return wire
        }
        if case .set(let value) = change.compensatesTermination { compensatesTermination = value }
        if case .set(let status) = change.customStatus {
            var update = CustomStatusUpdate()
            if let status { update.value = status.data }
            customStatus = update
        }
        if case .set(let value) = change.hold {
            var update = HoldUpdate()
            if let value { update.value = PBHold(value) }
            hold = update
        }
        requestedUpdates = change.requestedUpdates.map(PBUpdateRequested.init)
        rejectedUpdates = change.rejectedUpdates.map(PBEndedUpdate.init)
        if let entity = change.entity { self.entity = PBEntityState(entity) }
        handled = change.handled
    }
}

extension InstanceChange {
    init(_ wire: PBInstanceChange) throws(WireError) {
        self.init(
            instanceID: InstanceID(wire.instanceID),
            time: Timestamp(ms: wire.timeMs),
            history: try wire.history.map(HistoryEvent.init),
            buffered: try wire.buffered.map(HistoryEvent.init),
            appliedMessages: wire.appliedMessages.map(MessageID.init),
            scheduledTasks: wire.scheduledTasks.map {
                ScheduledTask(taskID: EventID($0.taskID), dispatch: $0.dispatch, outboxID: OutboxID($0.outboxID))
            },
            canceledTimers: wire.canceledTimers.map(EventID.init),
            canceledTasks: wire.canceledTasks.map(EventID.init),
            heartbeats: wire.heartbeats.map {
                Heartbeat(taskID: EventID($0.taskID), details: Payload($0.details))
            }, replaces: wire.replaces)
        if wire.hasAtEnd { atEnd = InstanceState.AtEnd(wire.atEnd) }
        if wire.hasCreatedAtMs { createdAt = Timestamp(millisecondsSinceEpoch: wire.createdAtMs) }
        if wire.hasGivenUp { givenUp = InstanceState.GivenUp(wire.givenUp) }
        if wire.hasStartDispatch { startDispatch = wire.startDispatch }
        if replaces, InstanceState.created(by: self) == nil {
            throw .undecodable("a change of instance \(instanceID) replaces another one and has no start")
        }
        if wire.hasCompensatesTermination { compensatesTermination = .set(wire.compensatesTermination) }
        if wire.hasCustomStatus {
            customStatus = .set(wire.customStatus.hasValue ? Payload(wire.customStatus.value) : nil)
        }
        if wire.hasHold { hold = .set(wire.hold.hasValue ? Hold(wire.hold.value) : nil) }
        requestedUpdates = wire.requestedUpdates.map(UpdateRequest.init)
        rejectedUpdates = try wire.rejectedUpdates.map(UpdateLedger.Ended.init)
        if wire.hasEntity { entity = try EntityState(wire.entity) }
        handled = wire.handled
        if continuesAsNew {
            guard case .executionStarted? = buffered.first?.kind else {
                throw .undecodable(
                    "a change of instance \(instanceID) continues as new and has no start of what follows")
            }
        }
    }
}

extension PBHold {
    init(_ hold: Hold) {
        self.init()
        code = hold.code
        text = hold.text
        if let build = hold.build { self.build = build }
    }
}

extension Hold {
    init(_ wire: PBHold) {
        self.init(code: wire.code, text: wire.text, build: wire.hasBuild ? wire.build : nil)
    }
}
