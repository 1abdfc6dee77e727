import DurableBackend
import DurableCore

/// What a stretch of a log did to a partition's messages, as its store shall be told of it: what came and went in between
/// not at all.
struct OutboxChanges {
    private(set) var added: [OutboxEntry] = []
    private(set) var removed: [OutboxID] = []
    private(set) var sent: [SentMessage] = []

    var count: Int { added.count + removed.count + sent.count }

    /// - Parameter state: As it is before the record is folded into it.
    mutating func take(_ record: PartitionRecord, over state: PartitionState, partitionCount: Int) {
        switch record {
        case .checkpoint(let checkpoint):
            added += checkpoint.outbox
            removed += checkpoint.outboxRemoved
        case .outboxConfirmed(let ids):
            removed += ids
            for id in ids {
                guard let entry = state.outbox[id], let place = entry.place(partitionCount: partitionCount),
                    place.sequence > state.delivered[place.destination] ?? 0
                else { continue }
                sent.append(SentMessage(place: place, entry: entry))
            }
        case .begin, .released, .attempt, .delivered, .redriven, .purged: break
        }
    }

    /// - Parameter state: What the stretch led to.
    func write(to flush: inout StoreFlush, _ state: PartitionState) {
        let gone = Set(removed)
        flush.outboxAdded = added.filter { !gone.contains($0.id) }
        let skipped = Set(added.map(\.id)).subtracting(flush.outboxAdded.map(\.id))
        flush.outboxRemoved = removed.filter { !skipped.contains($0) }
        flush.sent = sent.filter { $0.place.sequence > state.delivered[$0.place.destination] ?? 0 }
    }
}
