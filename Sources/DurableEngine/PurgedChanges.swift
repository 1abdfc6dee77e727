import DurableBackend
import DurableCore

/// What a stretch of a log purged, as the store shall be told of it.
struct PurgedChanges {
    private var purged: [PurgedInstance] = []
    private var expired: [InstanceID] = []
    private var ids: Set<InstanceID> = []  // look-up only

    /// Whether the store may have an instance of that ID that is gone by now.
    func contains(_ id: InstanceID) -> Bool { ids.contains(id) }

    /// - Parameters:
    ///   - position: Of the record.
    ///   - state: As it is before the record is folded into it.
    ///   - end: Position by which an instance of that ID had ended that the store was not told of yet.
    mutating func take(
        _ record: PartitionRecord.Purged, at position: LogPosition, over state: PartitionState,
        end: (InstanceID) -> LogPosition?
    ) {
        // Then streams of the archive need not be told of each.
        let areExpired = record.expiredBefore.map { time in state.expiredBefore.map { $0 < time } ?? true } ?? false
        for id in record.ids {
            ids.insert(id)
            let endedAt = end(id)
            if areExpired {
                expired.append(id)
            } else {
                purged.append(PurgedInstance(id: id, position: position, endedAt: endedAt))
            }
        }
    }

    func write(to flush: inout StoreFlush) {
        flush.purged = purged
        flush.expired = expired
    }
}
