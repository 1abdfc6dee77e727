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

    /// Takes an instance whose ID another one has taken.
    ///
    /// - Parameters:
    ///   - end: Position by which it had ended, where the store was not told of that yet.
    ///   - position: Of the record.
    mutating func take(_ replaced: InstanceState, endedAt end: LogPosition?, at position: LogPosition) {
        ids.insert(replaced.id)
        if replaced.status.isTerminal {
            purged.append(PurgedInstance(id: replaced.id, position: position, endedAt: end))
        } else {
            // No stream of the archive has it.
            expired.append(replaced.id)
        }
    }

    /// The same of one that is not there.
    mutating func take(_ replaced: InstanceID, at position: LogPosition) {
        ids.insert(replaced)
        purged.append(PurgedInstance(id: replaced, position: position, endedAt: nil))
    }

    func write(to flush: inout StoreFlush) {
        flush.purged = purged
        flush.expired = expired
    }
}
