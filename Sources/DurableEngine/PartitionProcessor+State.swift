import DurableBackend
import DurableCore
import Logging

/// Instances in memory, the log, and filling the store behind it.
extension PartitionProcessor {
    /// The instance, from memory or the store; nil when there is none.
    func entry(for id: InstanceID) throws(PartitionEnd) -> InstanceEntry? {
        if let entry = cache[id] { return entry }
        if purgedChanges.contains(id) { return nil }
        do {
            guard let state = try parts.storage.store.instance(id) else { return nil }
            let entry = cache.insert(state, flushedCount: state.historyCount)
            // One that has not begun may be in `begun` instead.
            entry.armedDue = state.status == .pending ? nil : state.nextDue
            return entry
        } catch {
            throw PartitionEnd(error)
        }
    }

    /// The instance a change belongs to, which it may create.
    func entry(for change: InstanceChange) throws(PartitionEnd) -> InstanceEntry {
        if let entry = try entry(for: change.instanceID) {
            if !change.replaces { return entry }
            try replace(entry, isRewound: change.continues(entry.state.executionID))
        }
        guard let state = InstanceState.created(by: change) else {
            throw .corrupt("a record changes instance \(change.instanceID), which does not exist")
        }
        return cache.insert(state, flushedCount: 0)
    }

    /// Folds a change into its instance. Live work and recovery both come through here.
    func fold(_ change: InstanceChange, into entry: InstanceEntry) {
        entry.state.evolve(with: change)
        if change.continuesAsNew {
            entry.beginAnew()
            begun.append(entry.state.id)
        } else {
            entry.unflushed += change.history
        }
        if !entry.isDirty {
            entry.isDirty = true
            dirty.append(entry)
        }
        for event in change.history { dirtyBytes += event.estimatedBytes }
        dirtyBytes += 256
        scheduleFlush()
        // What begins waits in `begun`, not in the queue of timers.
        let due = change.continuesAsNew ? nil : entry.state.nextDue
        if due != entry.armedDue {
            if let due { timers.insert(DueInstance(due: due, id: entry.state.id)) }
            // Forgotten when nothing is due (it is held, suspended, or runs): the queue, read from tables that are
            // further, may never have had what was due before, and the same time may be due again.
            entry.armedDue = due
        }
        if entry.state.hold?.isForCode != true { shipments.forget(entry.state.id) }
        if entry.state.hold == nil {
            heldInstances.remove(entry.state.id)
        } else {
            heldInstances.insert(entry.state.id)
        }
    }

    // MARK: - Log

    /// Appends records, with the confirmations that wait, and folds them in.
    func append(_ records: [PartitionRecord]) async throws(PartitionEnd) {
        var records = records
        confirmDue = nil
        if !newlyDelivered.isEmpty {
            records.insert(.delivered(newlyDelivered.values.sorted { $0.destination < $1.destination }), at: 0)
            newlyDelivered = [:]
        }
        if !confirmed.isEmpty {
            let ids = confirmed.filter { state.outbox[$0] != nil }
            confirmed = []
            if !ids.isEmpty, !has(.forgetsConfirmations) { records.insert(.outboxConfirmed(ids), at: 0) }
        }
        guard !records.isEmpty else { return }
        // One append each, as nobody but the simulation asks for.
        let units = has(.splitsCheckpoints) ? records.map { [$0] } : [records]
        for unit in units {
            let end: LogPosition
            do {
                end = try await parts.storage.log.append(unit, epoch: parts.epoch)
            } catch {
                throw PartitionEnd(error)
            }
            guard end.value == position.value + UInt64(unit.count) else {
                throw .corrupt("\(unit.count) records appended after \(position) end at \(end)")
            }
            position = end
        }
        for record in records { evolve(with: record, at: position) }
        showProbe(records)
    }

    private func showProbe(_ records: [PartitionRecord]) {
        guard let probe = parts.probe else { return }
        var instances: [InstanceState] = []
        for case .checkpoint(let checkpoint) in records {
            instances += checkpoint.changes.compactMap { cache[$0.instanceID]?.state }
        }
        probe.hasFolded(
            PartitionView(
                partition: parts.partition, epoch: parts.epoch, position: position, state: state,
                instances: instances))
    }

    /// Folds a durable record into the partition's state and notes what the store must learn of it.
    ///
    /// - Parameter position: The record's, or the end of the append it was in.
    func evolve(with record: PartitionRecord, at position: LogPosition) {
        switch record {
        case .checkpoint(let checkpoint):
            for change in checkpoint.changes where change.replaces { noteReplaced(change.instanceID, at: position) }
            for entry in checkpoint.outbox { noteAdded(entry) }
            noteRemoved(checkpoint.outboxRemoved)
        case .outboxConfirmed(let ids):
            noteRemoved(ids)
        case .purged(let purged):
            forget(purged, at: position)
        case .begin, .released, .attempt, .delivered, .redriven:
            break
        }
        outboxChanges.take(record, over: state, partitionCount: topology.partitionCount)
        state.evolve(with: record, partitionCount: topology.partitionCount)
        scheduleFlush()
    }

    private func noteAdded(_ entry: OutboxEntry) {
        if let sequence = ownSequence(of: entry) {
            ownMessages[sequence] = entry.id
        } else {
            outboxBytes += entry.estimatedBytes
        }
    }

    private func noteRemoved(_ ids: [OutboxID]) {
        // One may be listed twice: confirmed twice, or answered and answered again.
        for id in Set(ids) {
            guard let entry = state.outbox[id] else { continue }
            if let sequence = ownSequence(of: entry) {
                ownMessages[sequence] = nil
            } else {
                outboxBytes -= entry.estimatedBytes
            }
        }
    }

    /// Whether an outbox entry goes to this partition, which needs no confirm: what it applies it has.
    func isToSelf(_ id: OutboxID) -> Bool { state.outbox[id].flatMap(ownSequence) != nil }

    /// - Returns: The sequence of a message to this partition itself; nil for everything else.
    private func ownSequence(of entry: OutboxEntry) -> UInt64? {
        guard case .message(let message) = entry.body, let origin = message.origin,
            message.instanceID.partition(of: topology.partitionCount) == parts.partition
        else { return nil }
        return origin.sequence
    }

    // MARK: - Store

    /// Writes waiting confirmations to the log and everything changed to the store.
    func flush() async throws(PartitionEnd) {
        try await append([])
        try flushStore()
    }

    func flushStore() throws(PartitionEnd) {
        flushDue = nil
        guard position > flushedPosition else { return }
        var flush = StoreFlush(
            previous: flushedPosition, position: position, epoch: parts.epoch,
            instances: dirty.compactMap {
                $0.isPurged
                    ? nil
                    : .init(
                        state: $0.state, newHistory: $0.unflushed, firstIndex: $0.flushedCount, endedAt: $0.endedAt)
            })
        flush.setState(state)
        outboxChanges.write(to: &flush, state)
        purgedChanges.write(to: &flush)
        if has(.flushesWithoutDeduplication) { flush.deduplication = Deduplication() }
        do {
            try parts.storage.store.flush(flush)
        } catch {
            throw PartitionEnd(error)
        }
        flushedPosition = position
        outboxChanges = OutboxChanges()
        purgedChanges = PurgedChanges()
        for entry in dirty where !entry.isPurged {
            entry.flushedCount += entry.unflushed.count
            entry.unflushed = []
            entry.isDirty = false
            if entry.state.status.isTerminal {
                cache.remove(entry)
            } else {
                cache.touch(entry)
            }
        }
        dirty = []
        dirtyBytes = 0
        _ = cache.shrink(to: parts.configuration.cacheBytes)
    }

    /// Keeps the cache within its bound whatever filled it: a batch, questions, stale timers, held instances.
    func boundCache() async throws(PartitionEnd) {
        if cache.shrink(to: parts.configuration.cacheBytes) || dirty.isEmpty { return }
        try await flush()
    }

    // MARK: - Recovery

    /// Begins the epoch and rebuilds the partition from the store and the log after it.
    func recover() async throws(PartitionEnd) {
        let store = parts.storage.store
        let begin: LogPosition
        // First: from here on no older owner can move records from the log to the tables while both are read.
        do {
            begin = try await parts.storage.log.begin(
                PartitionRecord.Begin(epoch: parts.epoch, worker: parts.worker, time: parts.clock.now()))
        } catch {
            throw PartitionEnd(error)
        }
        let recovery: StoreRecovery
        do {
            recovery = try store.recover()
        } catch {
            throw PartitionEnd(error)
        }
        state = recovery.state
        incarnation = recovery.incarnation
        position = recovery.position
        flushedPosition = recovery.position
        for entry in state.outbox.values { noteAdded(entry) }
        if has(.skipsLogAtRecovery) { position = begin }
        while position < begin { try await recoverPage(through: begin) }
        showProbe([])
        try flushStore()
        try loadTimers()
        // The queue has them now, as what an earlier owner left: with caution.
        begun = []
        try findHeld()
        isRedriveDue = parts.configuration.redrivesAtStart
        logger.info(
            "serving the partition",
            metadata: ["position": "\(position)", "outbox": "\(state.outbox.count)", "held": "\(heldInstances.count)"])
    }

    private func recoverPage(through begin: LogPosition) async throws(PartitionEnd) {
        let page: [LogEntry]
        do {
            page = try await parts.storage.log.read(after: position, limit: 256)
        } catch {
            throw PartitionEnd(error)
        }
        if page.isEmpty { throw .corrupt("the log ends at \(position), before this epoch's begin at \(begin)") }
        for entry in page where entry.position <= begin {
            if case .checkpoint(let checkpoint) = entry.record {
                for change in checkpoint.changes {
                    let touched = try self.entry(for: change)
                    fold(change, into: touched)
                    if touched.state.status.isTerminal { touched.endedAt = entry.position }
                    cache.touch(touched)
                }
            }
            if case .begin(let own) = entry.record, entry.position == begin {
                isCautious = state.epoch != .zero && !state.evidence.isReleased
                cautionBegan = own.time
            }
            evolve(with: entry.record, at: entry.position)
            position = entry.position
        }
        if dirtyBytes >= parts.configuration.flushBytes { try flushStore() }
    }
}

extension OutboxEntry {
    /// Memory it takes, roughly.
    var estimatedBytes: Int {
        switch body {
        case .task(let task): 256 + (task.input?.count ?? 0)
        case .message(let message): 256 + message.event.estimatedBytes
        }
    }
}
