import DurableBackend
import DurableCore

/// Folds records of a log into a copy of which nobody is the owner here.
///
/// What changed is kept until `flush`, so that an instance that changes often is written once.
struct CopyFold {
    private let copy: any PartitionStore
    private let partitionCount: Int
    private(set) var state: PartitionState
    /// Of the last record folded in, and of the last one written.
    private(set) var position: LogPosition
    private var flushed: LogPosition
    private var touched: [InstanceID: Touched] = [:]  // sorted before use
    private var lastNumber = 0
    private var outbox = OutboxChanges()
    private var purged = PurgedChanges()
    /// Memory the unwritten changes take, roughly.
    private(set) var bytes = 0

    private struct Touched {
        /// In order of the first change.
        var number: Int
        var state: InstanceState
        var unwritten: [HistoryEvent] = []
        /// Events the copy has of this execution.
        var written: Int
        /// Of the record with which it ended.
        var endedAt: LogPosition?
    }

    init(_ copy: any PartitionStore, partitionCount: Int) throws(StoreError) {
        self.copy = copy
        self.partitionCount = partitionCount
        let recovery = try copy.recover()
        state = recovery.state
        position = recovery.position
        flushed = recovery.position
    }

    /// Takes the record that follows `position`.
    mutating func take(_ record: PartitionRecord) throws(StoreError) {
        if case .checkpoint(let checkpoint) = record {
            for change in checkpoint.changes { try take(change) }
            for entry in checkpoint.outbox { bytes += entry.estimatedBytes }
        }
        if case .purged(let record) = record { forget(record) }
        outbox.take(record, over: state, partitionCount: partitionCount)
        state.evolve(with: record, partitionCount: partitionCount)
        position.value += 1
        bytes += 64
    }

    private mutating func forget(_ record: PartitionRecord.Purged) {
        var ends: [InstanceID: LogPosition] = [:]  // look-up only
        for id in record.ids {
            bytes += 128
            guard let known = touched.removeValue(forKey: id) else { continue }
            ends[id] = known.endedAt
        }
        purged.take(record, at: LogPosition(position.value + 1), over: state) { ends[$0] }
    }

    /// Another instance takes the ID.
    private mutating func replace(_ id: InstanceID) throws(StoreError) {
        bytes += 128
        let position = LogPosition(position.value + 1)
        if let known = touched.removeValue(forKey: id) {
            purged.take(known.state, endedAt: known.endedAt, at: position)
        } else if !purged.contains(id), let stored = try copy.instance(id) {
            purged.take(stored, endedAt: nil, at: position)
        } else {
            // It is in a stream that this copy does not have yet, or began with the same record.
            purged.take(id, at: position)
        }
    }

    private mutating func take(_ change: InstanceChange) throws(StoreError) {
        let id = change.instanceID
        if change.replaces { try replace(id) }
        var instance: Touched
        if let known = touched.removeValue(forKey: id) {
            instance = known
        } else {
            lastNumber += 1
            if !purged.contains(id), let stored = try copy.instance(id) {
                instance = Touched(number: lastNumber, state: stored, written: stored.historyCount)
            } else if let made = InstanceState.created(by: change) {
                instance = Touched(number: lastNumber, state: made, written: 0)
            } else {
                throw .damaged("a record changes instance \(id), which does not exist")
            }
            bytes += 512
        }
        instance.state.evolve(with: change)
        if change.continuesAsNew {
            (instance.unwritten, instance.written) = ([], 0)
        } else {
            instance.unwritten += change.history
        }
        for event in change.history { bytes += event.estimatedBytes }
        instance.endedAt = instance.state.status.isTerminal ? LogPosition(position.value + 1) : nil
        touched[id] = instance
    }

    /// - Parameter bookmark: Where the log goes on behind what was taken.
    mutating func flush(_ bookmark: LogBookmark?) throws(StoreError) {
        guard position > flushed else { return }
        var flush = StoreFlush(
            previous: flushed, position: position, epoch: state.epoch,
            instances: touched.values.sorted { $0.number < $1.number }.map {
                .init(state: $0.state, newHistory: $0.unwritten, firstIndex: $0.written, endedAt: $0.endedAt)
            })
        flush.setState(state)
        outbox.write(to: &flush, state)
        purged.write(to: &flush)
        flush.bookmark = bookmark
        try copy.flush(flush)
        flushed = position
        touched = [:]
        lastNumber = 0
        outbox = OutboxChanges()
        purged = PurgedChanges()
        bytes = 0
    }
}
