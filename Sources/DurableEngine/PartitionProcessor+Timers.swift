import DurableBackend
import DurableCore
import Logging

extension PartitionProcessor {
    /// Gives due instances their timers' events, and lets those run whose start time has come.
    func fireTimers(into batch: inout Batch, limit: Int) throws(PartitionEnd) {
        var fired = 0
        while fired < limit, let due = timers.popDue(at: batch.now) {
            // Stale entries are normal: the instance ended, or what was due moved.
            guard let entry = try entry(for: due.id) else { continue }
            entry.armedDue = nil
            guard let next = entry.state.nextDue else { continue }
            // It may be due by the instance's own time, which is ahead of this clock: then it waits for nothing more.
            let now = entry.state.time(at: batch.now)
            guard next <= now else {
                timers.insert(DueInstance(due: next, id: due.id))
                entry.armedDue = next
                continue
            }
            fired += 1
            if let change = entry.state.fireTimers(at: now) {
                fold(change, into: entry)
                batch.note(change, of: entry)
            } else {
                // Its start time has come: the episode's change joins this one.
                batch.note(InstanceChange(instanceID: due.id, time: batch.now), of: entry)
            }
        }
    }

    /// Runs executions that began in this epoch, in order. Not by the timer queue, in which they would always come first:
    /// instances that continue without waiting take turns with everything else.
    func runBegun(into batch: inout Batch, limit: Int) throws(PartitionEnd) {
        let some = begun.prefix(limit)
        begun.removeFirst(some.count)
        for id in some {
            guard let entry = try entry(for: id), entry.state.status == .pending, entry.state.hold == nil else {
                continue
            }
            batch.note(InstanceChange(instanceID: id, time: batch.now), of: entry)
        }
    }

    /// Fills the timer queue from the store once everything below its horizon is done.
    func refillTimers() throws(PartitionEnd) {
        guard timers.needsPage else { return }
        try flushStore()
        try loadPage(after: timers.horizon)
    }

    func loadTimers() throws(PartitionEnd) {
        timers = TimerQueue(limit: parts.configuration.timerLimit)
        if has(.forgetsTimersAtRecovery) { return }
        try loadPage(after: nil)
    }

    private func loadPage(after: DueInstance?) throws(PartitionEnd) {
        let limit = max(1, parts.configuration.timerLimit / 2)
        do {
            let page = try parts.storage.store.due(after: after, through: .distantFuture, limit: limit)
            timers.load(page, isLast: page.count < limit)
        } catch {
            throw PartitionEnd(error)
        }
    }

    // MARK: - Start of an epoch

    /// Finds the instances earlier epochs held: this worker may have the code that fits.
    func findHeld() throws(PartitionEnd) {
        var after: InstanceID?
        while true {
            let page: [InstanceID]
            do {
                page = try parts.storage.store.held(after: after, limit: 256)
            } catch {
                throw PartitionEnd(error)
            }
            for id in page { heldInstances.insert(id) }
            retries += page
            guard let last = page.last, page.count == 256 else { return }
            after = last
        }
    }

    /// Lets some of the held instances try again; those the code still does not fit are held again.
    func retryHeld(into batch: inout Batch, limit: Int) throws(PartitionEnd) {
        let (here, away) = (retries.prefix(limit), awayRetries.ids.prefix(limit))
        retries.removeFirst(here.count)
        awayRetries.ids.removeFirst(away.count)
        for id in here { try retry(id, mayBeHere: true, in: &batch) }
        for id in away {
            let hold = try entry(for: id)?.state.hold
            if hold?.build == nil, !awayRetries.mayAll { continue }
            try retry(id, mayBeHere: false, in: &batch)
        }
    }

    /// - Parameter mayBeHere: With this worker's code too; otherwise with that of others.
    private func retry(_ id: InstanceID, mayBeHere: Bool, in batch: inout Batch) throws(PartitionEnd) {
        guard let entry = try entry(for: id), let hold = entry.state.hold else { return }
        switch place(of: entry.state, otherThan: hold.build) {
        case .here:
            // Code that ended workers gets no further chance; that of another build does.
            guard mayBeHere, hold.build != parts.configuration.build else { return }
            let change = InstanceChange(instanceID: id, time: batch.now, hold: .set(nil))
            fold(change, into: entry)
            batch.note(change, of: entry)
        case .away where entry.state.inbox.isEmpty:
            let change = InstanceChange(instanceID: id, time: batch.now, hold: .set(nil))
            apply(change, to: entry, in: &batch)
        case .away:
            waitForCode(entry, in: &batch)
            // Held as it was: there may be nothing to write, and nothing to wait for.
            if hold.isForCode { shipments.wait(id, for: entry.state.codes) }
        case .nowhere:
            if hold.isForCode, entry.state.entity == nil { shipments.wait(id, for: entry.state.codes) }
        }
    }
}
