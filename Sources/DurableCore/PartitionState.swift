/// What a partition keeps in memory besides its instances: who owns it, what the broker has not confirmed, which
/// messages of other partitions were applied, and whose code ran when owners died.
package struct PartitionState: Hashable, Sendable {
    package var epoch: Epoch
    package var nextOutboxID: OutboxID
    /// Messages the broker has not confirmed. Look-up only; `pendingOutbox` has them in order.
    package var outbox: [OutboxID: OutboxEntry]
    package var deduplication: Deduplication
    /// Last sequence used towards each other partition. Look-up only.
    package var sequences: [PartitionID: UInt64]
    /// Last sequence that each other partition says it has applied; what was sent after it is kept in the store.
    /// Look-up only.
    package var delivered: [PartitionID: UInt64]
    package var evidence: CrashEvidence
    /// Restored from a backup, and not everything it holds as pending has been sent again.
    package var mustRedrive: Bool
    /// Every instance that ended before this time is purged; nil: nothing has expired yet.
    package var expiredBefore: Timestamp?

    package init(
        epoch: Epoch = .zero, nextOutboxID: OutboxID = OutboxID(1),
        outbox: [OutboxID: OutboxEntry] = [:], deduplication: Deduplication = Deduplication(),
        sequences: [PartitionID: UInt64] = [:], delivered: [PartitionID: UInt64] = [:],
        evidence: CrashEvidence = CrashEvidence(), mustRedrive: Bool = false,
        expiredBefore: Timestamp? = nil
    ) {
        self.epoch = epoch
        self.nextOutboxID = nextOutboxID
        self.outbox = outbox
        self.deduplication = deduplication
        self.sequences = sequences
        self.delivered = delivered
        self.evidence = evidence
        self.mustRedrive = mustRedrive
        self.expiredBefore = expiredBefore
    }

    /// Unconfirmed messages in order of their numbers.
    package var pendingOutbox: [OutboxEntry] { outbox.values.sorted { $0.id < $1.id } }

    /// Folds one durable record in; changes of instances are folded into `InstanceState`.
    ///
    /// - Parameter partitionCount: Of the hub; tells where a message goes.
    package mutating func evolve(with record: PartitionRecord, partitionCount: Int) {
        switch record {
        case .begin(let begin):
            epoch = begin.epoch
            evidence.isReleased = false
        case .checkpoint(let checkpoint):
            for entry in checkpoint.outbox {
                outbox[entry.id] = entry
                nextOutboxID = OutboxID(entry.id.value + 1)
                if case .message(let message) = entry.body, let origin = message.origin {
                    sequences[message.instanceID.partition(of: partitionCount)] = origin.sequence
                }
            }
            for id in checkpoint.outboxRemoved { outbox[id] = nil }
            for origin in checkpoint.applied { deduplication.markApplied(origin) }
            evidence.clear(checkpoint.changes)
        case .outboxConfirmed(let ids):
            for id in ids { outbox[id] = nil }
        case .delivered(let applied):
            for one in applied { delivered[one.destination] = max(delivered[one.destination] ?? 0, one.sequence) }
        case .redriven:
            mustRedrive = false
        case .attempt(let attempt):
            evidence.note(attempt)
        case .released:
            evidence.isReleased = true
        case .purged(let purged):
            if let time = purged.expiredBefore { expiredBefore = max(expiredBefore ?? time, time) }
        }
    }
}
