import DurableBackend
import DurableCore

/// Between two rounds of the loop.
extension PartitionProcessor {
    /// Lets whatever waits for this thread run, where work of the partition's own making is due at once: an instance that
    /// continues as new without waiting, a timer of no length. Where a log's append does not suspend, nothing else would
    /// get a turn: no delivery, no question, no other partition.
    func giveWay() async {
        guard !begun.isEmpty || timers.nextDue.map({ $0 <= parts.clock.now() }) ?? false else { return }
        Task { turn.raise() }
        await turn.wait()
    }

    /// Waits until there is something to do, or something may be due.
    func waitForWork() async {
        if isStopping || arrivalsEnded || !queries.isEmpty || !withheld.retriedQueries.isEmpty { return }
        if compaction?.isPrepared != nil { return }
        if !isPaused
            && (!arrivals.isEmpty || !retries.isEmpty || !escapes.isEmpty || timers.needsPage || !begun.isEmpty
                || !askedAgain.isEmpty || !fetches.ready.isEmpty)
        {
            return
        }
        let now = parts.clock.uptime()
        var next = isBatonSent ? now + .seconds(3600) : batonDue
        if let flushDue { next = min(next, flushDue) }
        if let confirmDue { next = min(next, confirmDue) }
        if !isPaused, let retentionDue { next = min(next, retentionDue) }
        if let due = receipts.due { next = min(next, due) }
        // Nothing tells when messages are parked that no queue takes.
        if redrive != nil { next = min(next, now + .milliseconds(500)) }
        if holdsTooMuch { next = min(next, putBackDue) }
        if let alarmCheck { next = min(next, alarmCheck) }
        if !isPaused, let due = timers.nextDue {
            // Looks again now and then: the wall clock may have been set forward meanwhile.
            next = min(next, now + min(due.since(parts.clock.now()), .seconds(60)))
        }
        if next <= now { return }
        if wakeUp.map({ next < $0.due }) ?? true { armWakeUp(at: next, now: now) }
        await signal.wait()
    }

    /// - Parameter due: By the clock's uptime, as is `now`.
    private func armWakeUp(at due: Duration, now: Duration) {
        wakeUp?.task.cancel()
        wakeUpNumber += 1
        let (number, clock, delay) = (wakeUpNumber, parts.clock, due - now)
        let task = Task { [weak self] in
            await clock.sleep(for: delay)
            if !Task.isCancelled { await self?.rang(number) }
        }
        wakeUp = (due, number, task)
    }

    private func rang(_ number: Int) {
        if wakeUp?.number == number { wakeUp = nil }
        signal.raise()
    }
}
