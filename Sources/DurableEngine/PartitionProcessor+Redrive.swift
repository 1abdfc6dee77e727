import DurableBackend
import DurableCore
import Logging

/// Sending again what is pending, because queues have lost it: on request, after a restore, and when queues end with
/// the process.
///
/// It goes page by page, the next one when the broker has the last: neither memory nor the partition's own work depends
/// on how much there is.
struct Redrive {
    /// Who asked; none: the partition itself.
    var askers: [ReplyAddress] = []
    var stage = Stage.sent(after: nil)
    /// Not confirmed yet.
    var underWay = 0
    var sent = Redriven(tasks: 0, messages: 0, timers: 0)

    enum Stage {
        /// Messages to other partitions that these have not applied.
        case sent(after: SentPlace?)
        /// Open activities.
        case tasks(TaskPages)
        case confirming
    }

    /// Where the reading of open activities stands.
    struct TaskPages {
        var listed: ListCursor?
        var isListed = false
        var instances: ArraySlice<InstanceState> = []
        /// Next event of the first instance.
        var position = 0
    }

    /// Memory a page takes, roughly.
    static var pageBytes: Int { 512 << 10 }
    /// Messages that no queue takes, beyond which the rest has to wait.
    static var parkedLimit: Int { 10_000 }
}

extension PartitionProcessor {
    /// Begins to send again what is pending, or joins one asker more to what is under way.
    ///
    /// Receivers know repeats; an activity whose task was not lost may run once more.
    func startRedrive(for asker: ReplyAddress?) async throws(PartitionEnd) {
        if let asker, let last = lastRedrive, last.askers.contains(asker) {
            // The answer and the question crossed.
            return reply(.answer(.redriven(last.sent)), to: asker)
        }
        if redrive != nil {
            if let asker, redrive?.askers.contains(asker) == false { redrive?.askers.append(asker) }
            return
        }
        // What the tables have is what is read.
        try await flush()
        var run = Redrive()
        if let asker { run.askers = [asker] }
        let pending = state.pendingOutbox
        // What waits for its next try goes at once, and once.
        reliableLane.withdraw(pending.map { .outbox($0.id) })
        send(pending, isRedispatch: true)
        run.sent.tasks = pending.count { if case .task = $0.body { true } else { false } }
        run.sent.messages = pending.count - run.sent.tasks
        // Should the one of this epoch be lost, nothing would say any more what was queued before it.
        if !isMarkerBack { sendMarker() }
        try loadTimers()
        isAlarmKnown = false
        alarmNotBefore = parts.clock.uptime()
        run.sent.timers = try countTimers()
        redrive = run
    }

    /// Sends the next page when the broker has the one before.
    ///
    /// - Returns: Whether there is more to do at once.
    func continueRedrive() async throws(PartitionEnd) -> Bool {
        if isMarkerBack, state.mustRedrive || isRedriveDue, redrive == nil, !isRedriveIdle {
            isRedriveDue = false
            try await startRedrive(for: nil)
        }
        guard var run = redrive, run.underWay <= reliableLane.parkedCount else { return false }
        if case .confirming = run.stage { return try await finish(run) }
        guard reliableLane.parkedCount < Redrive.parkedLimit else { return false }
        var page: [OutboxEntry] = []
        switch run.stage {
        case .sent(let after):
            let messages = try read { () throws(StoreError) in
                try parts.storage.store.sent(after: after, byteLimit: Redrive.pageBytes)
            }
            page = messages.map(\.entry)
            run.sent.messages += page.count
            run.stage = messages.last.map { .sent(after: $0.place) } ?? .tasks(Redrive.TaskPages())
        case .tasks(var pages):
            page = try nextTasks(&pages)
            run.sent.tasks += page.count
            run.stage = pages.isListed && pages.instances.isEmpty ? .confirming : .tasks(pages)
        case .confirming: break
        }
        run.underWay += page.count
        redrive = run
        reliableLane.submit(
            page.map { .init(key: .redrive, message: message(for: $0.body, isRedispatch: true)) })
        return page.isEmpty
    }

    private func finish(_ run: Redrive) async throws(PartitionEnd) -> Bool {
        redrive = nil
        lastRedrive = run
        if state.mustRedrive {
            // What no queue takes is in memory alone: the next owner sends all of it once more.
            if run.underWay == 0 { try await append([.redriven]) } else { isRedriveIdle = true }
        }
        for asker in run.askers { reply(.answer(.redriven(run.sent)), to: asker) }
        logger.info(
            "sent again what is pending",
            metadata: ["tasks": "\(run.sent.tasks)", "messages": "\(run.sent.messages)"])
        return true
    }

    /// Open activities that the broker has confirmed before, under the dispatch they had: about a page, or what a stretch
    /// of instances has.
    private func nextTasks(_ pages: inout Redrive.TaskPages) throws(PartitionEnd) -> [OutboxEntry] {
        var (page, bytes, stored) = ([OutboxEntry](), 0, 0)
        while bytes < Redrive.pageBytes, stored < 2 * Redrive.pageBytes {
            guard let instance = pages.instances.first else {
                if pages.isListed || stored > 0 { break }
                let listed = pages.listed
                let next = try read { () throws(StoreError) in
                    try parts.storage.store.list(
                        ListFilter(statuses: [.running, .suspended]), after: listed, limit: 256)
                }
                pages.listed = next.last.map { ListCursor(createdAt: $0.createdAt, id: $0.id) }
                pages.isListed = next.count < 256
                pages.instances = next.filter { !$0.openTasks.isEmpty }[...]
                pages.position = 0
                stored += 1
                continue
            }
            let position = pages.position
            // Another execution's tasks went out after this began.
            let live = try current(instance)
            let events =
                position >= instance.historyCount || live?.executionID != instance.executionID
                ? []
                : try read { () throws(StoreError) in
                    try parts.storage.store.history(of: instance.id, from: position, byteLimit: 64 << 10)
                }
            for event in events {
                stored += event.estimatedBytes
                guard let live, let entry = openTask(of: live, event) else { continue }
                page.append(entry)
                bytes += entry.estimatedBytes
            }
            pages.position += events.count
            if events.isEmpty {
                pages.instances.removeFirst()
                pages.position = 0
            }
        }
        return page
    }

    /// The instance as it is now; since it was listed it may have run, and have left memory again. nil: it is gone.
    private func current(_ instance: InstanceState) throws(PartitionEnd) -> InstanceState? {
        if let entry = cache[instance.id] { return entry.state }
        return try read { () throws(StoreError) in try parts.storage.store.instance(instance.id) }
    }

    private func openTask(of instance: InstanceState, _ event: HistoryEvent) -> OutboxEntry? {
        guard case .taskScheduled(let name, let input) = event.kind, let task = instance.openTasks[event.eventID],
            state.outbox[task.outboxID] == nil
        else { return nil }
        return OutboxEntry(
            id: task.outboxID, epoch: parts.epoch,
            body: .task(
                TaskMessage(
                    instanceID: instance.id, executionID: instance.executionID, taskID: event.eventID,
                    dispatch: task.dispatch, name: name, input: input, traceParent: instance.traceParent)))
    }

    private func countTimers() throws(PartitionEnd) -> Int {
        var (count, after) = (0, DueInstance?.none)
        while true {
            let last = after
            let page = try read { () throws(StoreError) in
                try parts.storage.store.due(after: last, through: .distantFuture, limit: 1024)
            }
            count += page.count
            guard page.count == 1024 else { return count }
            after = page.last
        }
    }

    private func read<Value>(_ body: () throws(StoreError) -> Value) throws(PartitionEnd) -> Value {
        do {
            return try body()
        } catch {
            throw PartitionEnd(error)
        }
    }
}
