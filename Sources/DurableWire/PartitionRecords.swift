package import DurableCore

extension PartitionRecord: WireCodable {
    package init(wire bytes: [UInt8]) throws(WireError) {
        switch try PBPartitionRecord(alone: bytes).kind {
        case .begin(let wire):
            try required(wire.hasEpoch, "epoch of a partition record")
            self = .begin(
                Begin(epoch: Epoch(wire.epoch), worker: WorkerID(wire.worker), time: Timestamp(ms: wire.timeMs)))
        case .checkpoint(let wire):
            self = .checkpoint(try Checkpoint(wire))
        case .outboxConfirmed(let wire):
            self = .outboxConfirmed(wire.ids.map(OutboxID.init))
        case .released(let wire):
            self = .released(nextDue: wire.hasNextDueMs ? Timestamp(ms: wire.nextDueMs) : nil)
        case .attempt(let wire):
            try required(wire.hasEpoch, "epoch of an attempt")
            self = .attempt(
                Attempt(
                    epoch: Epoch(wire.epoch), instanceID: InstanceID(wire.instanceID),
                    messageID: wire.hasMessageID ? MessageID(wire.messageID) : nil, build: wire.build))
        case .delivered(let wire):
            self = .delivered(try wire.applied.map(AppliedThrough.init))
        case .redriven:
            self = .redriven
        case .purged(let wire):
            self = .purged(
                Purged(
                    time: Timestamp(ms: wire.timeMs), ids: wire.ids.map { InstanceID($0) },
                    expiredBefore: wire.hasExpiredBeforeMs ? Timestamp(ms: wire.expiredBeforeMs) : nil))
        case nil:
            throw .undecodable("partition record of a kind this version does not know")
        }
    }

    package var wireBytes: [UInt8] {
        var wire = PBPartitionRecord()
        switch self {
        case .begin(let begin):
            wire.begin.epoch = PBEpoch(begin.epoch)
            wire.begin.worker = begin.worker.value
            wire.begin.timeMs = begin.time.millisecondsSinceEpoch
        case .checkpoint(let checkpoint):
            wire.checkpoint = PBCheckpoint(checkpoint)
        case .outboxConfirmed(let ids):
            wire.outboxConfirmed.ids = ids.map(\.value)
        case .released(let nextDue):
            wire.released = PBPartitionRecord.Released()
            if let nextDue { wire.released.nextDueMs = nextDue.millisecondsSinceEpoch }
        case .delivered(let applied):
            wire.delivered.applied = applied.map(PBAppliedThrough.init)
        case .redriven:
            wire.redriven = PBPartitionRecord.Redriven()
        case .purged(let purged):
            wire.purged.timeMs = purged.time.millisecondsSinceEpoch
            wire.purged.ids = purged.ids.map(\.value)
            if let time = purged.expiredBefore { wire.purged.expiredBeforeMs = time.millisecondsSinceEpoch }
        case .attempt(let attempt):
            wire.attempt.epoch = PBEpoch(attempt.epoch)
            wire.attempt.instanceID = attempt.instanceID.value
            wire.attempt.build = attempt.build
            if let messageID = attempt.messageID { wire.attempt.messageID = messageID.value }
        }
        return wire.aloneBytes(version: format)
    }

    /// The oldest version of the layout whose readers make no mistake about it.
    private var format: Int32 {
        if case .purged = self { return 4 }
        guard case .checkpoint(let checkpoint) = self else { return 1 }
        var format: Int32 = 1
        for change in checkpoint.changes {
            if change.saysWhatFormat3DoesNot { return 4 }
            if change.continuesAsNew { format = max(format, 3) }
            for event in change.history { format = max(format, event.recordFormat(isBuffered: false)) }
            for event in change.buffered { format = max(format, event.recordFormat(isBuffered: true)) }
        }
        return format
    }
}

extension InstanceChange {
    /// Readers of format 3 would keep activities open, end code that has something to undo, lose updates, go on with an
    /// instance that another one has replaced, or answer a start that counts no longer.
    fileprivate var saysWhatFormat3DoesNot: Bool {
        !canceledTasks.isEmpty || compensatesTermination != .unchanged || !requestedUpdates.isEmpty
            || !rejectedUpdates.isEmpty || entity != nil || !handled.isEmpty || replaces || startDispatch != nil
    }
}

extension HistoryEvent {
    /// The oldest version of histories whose readers make no mistake about it.
    var historyFormat: Int32 {
        if isSealed { return 4 }
        return switch kind {
        case .cancellationRequested, .updateRequested, .updateCompleted, .entityOperationSignaled,
            .entityOperationCalled,
            .entityOperationCompleted, .entityOperationFailed, .entityLockRequested, .entityLockGranted,
            .entityUnlockSent, .executionRewound:
            3
        case .patchRecorded: 2
        default: 1
        }
    }

    /// Whether readers of records and states of format 3 know nothing of it.
    var needsFormat4: Bool { recordFormat(isBuffered: true) == 4 }

    /// Whether code would be handed what only this version opens.
    var isSealed: Bool { handsPayloadToCode && payload?.isInEnvelope == true }

    /// The oldest version of records whose readers make no mistake about it.
    fileprivate func recordFormat(isBuffered: Bool) -> Int32 {
        if isSealed { return 4 }
        return switch kind {
        case .cancellationRequested, .updateRequested, .updateCompleted, .entityOperationSignaled,
            .entityOperationCalled,
            .entityOperationCompleted, .entityOperationFailed, .entityLockRequested, .entityLockGranted,
            .entityUnlockSent, .executionRewound:
            4
        case .patchRecorded: 3
        // In a history it is over.
        case .executionSuspended, .executionResumed: isBuffered ? 3 : 1
        case .executionStarted(let start): start.parent == nil ? 1 : 2
        case .subOrchestrationCreated(let child): child.isDetached ? 1 : 2
        default: 1
        }
    }
}
