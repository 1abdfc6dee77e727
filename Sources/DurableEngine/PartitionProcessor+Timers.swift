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
        let some = retries.prefix(limit)
        retries.removeFirst(some.count)
        for id in some {
            // Code that ended workers gets no further chance; that of another build does.
            guard let entry = try entry(for: id), let hold = entry.state.hold, hold.build != parts.configuration.build,
                let session = parts.executor.makeSession(
                    name: entry.state.name, version: entry.state.version, instanceID: id,
                    executionID: entry.state.executionID, onEscape: {})
            else { continue }
            session.evict()
            let change = InstanceChange(instanceID: id, time: batch.now, hold: .set(nil))
            fold(change, into: entry)
            batch.note(change, of: entry)
        }
    }

    /// Sends again all that the log holds as pending, and sets the alarm anew: queues may have lost what they held.
    /// Receivers know repeats; an activity whose task was not lost may run once more.
    func redrive() throws(PartitionEnd) -> Redriven {
        let pending = state.pendingOutbox
        // What waits for its next try goes at once, and once.
        reliableLane.withdraw(pending.map { .outbox($0.id) })
        send(pending, isRedispatch: true)
        let messages = try pending.count { if case .message = $0.body { true } else { false } } + redriveSent()
        let tasks = pending.count { if case .task = $0.body { true } else { false } }
        // Should the one of this epoch be lost, nothing would say any more what was queued before it.
        if !isMarkerBack { sendMarker() }
        try loadTimers()
        isAlarmKnown = false
        alarmNotBefore = parts.clock.uptime()
        let open = try redriveOpenTasks()
        let redriven = Redriven(
            tasks: tasks + open, messages: messages, timers: try countTimers())
        logger.info(
            "sent again what is pending, as asked",
            metadata: ["tasks": "\(redriven.tasks)", "messages": "\(redriven.messages)"])
        return redriven
    }

    /// Sends the messages again that the broker confirmed and their destinations have not applied.
    ///
    /// - Returns: How many.
    private func redriveSent() throws(PartitionEnd) -> Int {
        var (count, after) = (0, SentPlace?.none)
        while true {
            do {
                let page = try parts.storage.store.sent(after: after, byteLimit: 1 << 20)
                send(page.map(\.entry), isRedispatch: true)
                count += page.count
                guard let last = page.last else { return count }
                after = last.place
            } catch {
                throw PartitionEnd(error)
            }
        }
    }

    private func countTimers() throws(PartitionEnd) -> Int {
        var (count, after) = (0, DueInstance?.none)
        while true {
            do {
                let page = try parts.storage.store.due(after: after, through: .distantFuture, limit: 1024)
                count += page.count
                guard page.count == 1024 else { return count }
                after = page.last
            } catch {
                throw PartitionEnd(error)
            }
        }
    }

    /// Sends the task of every open activity again that the broker has confirmed before, under the dispatch it had.
    ///
    /// - Returns: How many.
    func redriveOpenTasks() throws(PartitionEnd) -> Int {
        var after: ListCursor?
        var count = 0
        while true {
            let page: [InstanceState]
            do {
                page = try parts.storage.store.list(
                    ListFilter(statuses: [.running, .suspended]), after: after, limit: 256)
            } catch {
                throw PartitionEnd(error)
            }
            for state in page where !state.openTasks.isEmpty { count += try redrive(state) }
            guard let last = page.last else { break }
            after = ListCursor(createdAt: last.createdAt, id: last.id)
        }
        if count > 0 { logger.info("sent \(count) open activities again") }
        return count
    }

    private func redrive(_ instance: InstanceState) throws(PartitionEnd) -> Int {
        var position = 0
        var count = 0
        while position < instance.historyCount {
            let page: [HistoryEvent]
            do {
                page = try parts.storage.store.history(of: instance.id, from: position, byteLimit: 256 << 10)
            } catch {
                throw PartitionEnd(error)
            }
            if page.isEmpty { break }
            for event in page {
                guard case .taskScheduled(let name, let input) = event.kind,
                    let task = instance.openTasks[event.eventID],
                    state.outbox[task.outboxID] == nil
                else { continue }
                let message = TaskMessage(
                    instanceID: instance.id, executionID: instance.executionID, taskID: event.eventID,
                    dispatch: task.dispatch, name: name, input: input, traceParent: instance.traceParent)
                send(
                    [OutboxEntry(id: task.outboxID, epoch: parts.epoch, body: .task(message))], isRedispatch: true)
                count += 1
            }
            position += page.count
        }
        return count
    }
}
