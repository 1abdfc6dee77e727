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
        guard case .checkpoint(let checkpoint) = self else { return 1 }
        if checkpoint.changes.contains(where: \.continuesAsNew) { return 3 }
        if checkpoint.changes.contains(where: { $0.buffered.contains(where: \.isOfSuspension) }) { return 3 }
        if checkpoint.changes.contains(where: { $0.history.contains(where: \.isPatch) }) { return 3 }
        let hasFamily = checkpoint.changes.contains { change in
            change.history.contains(where: \.isOfFamily) || change.buffered.contains(where: \.isOfFamily)
        }
        return hasFamily ? 2 : 1
    }
}

extension HistoryEvent {
    var isPatch: Bool { if case .patchRecorded = kind { true } else { false } }

    fileprivate var isOfSuspension: Bool {
        switch kind {
        case .executionSuspended, .executionResumed: true
        default: false
        }
    }

    fileprivate var isOfFamily: Bool {
        switch kind {
        case .executionStarted(let start): start.parent != nil
        case .subOrchestrationCreated(let child): !child.isDetached
        default: false
        }
    }
}
