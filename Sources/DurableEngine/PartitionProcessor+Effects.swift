import DurableBackend
import DurableCore
import DurableWire
import Logging

extension PartitionProcessor {
    /// Releases what a durable checkpoint caused, in order.
    func release(_ batch: Batch) throws(PartitionEnd) {
        for tag in batch.acknowledgements { acknowledge(tag) }
        receipts.note(batch.sources, at: parts.clock.uptime())
        if !has(.releasesBeforeDurable) {
            let removed = Set(batch.outboxRemoved)
            send(removed.isEmpty ? batch.outbox : batch.outbox.filter { !removed.contains($0.id) }, isRedispatch: false)
        }
        for (address, verdict) in batch.verdicts { reply(.verdict(verdict), to: address) }
        if !waiters.isEmpty { for entry in batch.touched + batch.ended { try answerUpdateWaiters(of: entry) } }
        for entry in batch.ended { answerWaiters(of: entry) }
        cancelActivities(batch.abandonedTasks)
        removePayloads(batch.unneededPayloads)
        // Last: completions that stood before the marker have removed their tasks from the outbox by now.
        if batch.markersTaken > 0 { markersArrived(batch.markersTaken) }
    }

    /// Tells the workers, which may run them or meet them yet. One that does not hear of it runs an activity whose result
    /// is ignored.
    private func cancelActivities(_ tasks: [TaskKey]) {
        for first in stride(from: 0, to: tasks.count, by: 1000) {
            let some = TaskCancellation(tasks: Array(tasks[first..<min(first + 1000, tasks.count)]))
            replyLane.submit([
                .init(key: .reply, message: topology.taskCancellation(some, at: parts.clock.now()))
            ])
        }
    }

    func send(_ entries: [OutboxEntry], isRedispatch: Bool) {
        reliableLane.submit(
            entries.map { .init(key: .outbox($0.id), message: message(for: $0.body, isRedispatch: isRedispatch)) })
    }

    func message(for body: OutboxEntry.Body, isRedispatch: Bool) -> OutgoingMessage {
        let now = parts.clock.now()
        switch body {
        case .task(var task):
            task.isRedispatch = isRedispatch
            return topology.taskMessage(task, at: now)
        case .message(let message):
            let destination = message.instanceID.partition(of: topology.partitionCount)
            return topology.controlMessage(
                [message], to: destination, through: .control, at: now,
                applied: receipts.take(for: destination).flatMap(appliedThrough))
        }
    }

    // MARK: - Marker and what older epochs left

    func sendMarker() {
        markersSent += 1
        reliableLane.submit([
            .init(
                key: .marker,
                message: topology.marker(of: parts.epoch, to: parts.partition, at: parts.clock.now()))
        ])
    }

    /// Everything queued before this epoch has been handled: what is still unanswered of older epochs is sent again.
    private func markersArrived(_ count: Int) {
        markersTaken += count
        caughtUp.raise()
        guard !isMarkerBack else { return }
        isMarkerBack = true
        // A redrive that is due sends them with everything else.
        if !state.mustRedrive, !isRedriveDue { resendMessages(tasks: true) }
    }

    /// Sends unconfirmed messages of older epochs: those to partitions at once (receivers know repeats), tasks only
    /// after the marker, since completions may stand before it.
    func resendMessages(tasks: Bool) {
        if has(.forgetsOutboxAtRecovery) { return }
        let old = state.pendingOutbox.filter { entry in
            guard entry.epoch < parts.epoch else { return false }
            if case .task = entry.body { return tasks }
            return !tasks
        }
        if !old.isEmpty {
            logger.info("sending \(old.count) messages again that an earlier owner left unconfirmed")
            send(old, isRedispatch: true)
        }
    }

    // MARK: - Dead letters

    /// Moves a delivery to the dead-letter queue with the reason; it is acknowledged once the broker holds it there.
    func setAside(_ delivery: Delivery, code: String, reason: String) {
        let queue = topology.queue(.control, parts.partition)
        logger.warning(
            """
            \(code) message \(delivery.properties.messageID ?? "without ID") from exchange \(delivery.exchange): \
            \(reason). Moved to \(topology.name(.dead)); look at it with dtq dead list. See ops/errors/\(code).md
            """)
        reliableLane.submit([
            .init(
                key: .deadLetter(delivery.tag),
                message: topology.deadLetter(delivery, from: queue, code: code, reason: reason))
        ])
    }

    // MARK: - Replies

    func reply(_ body: Reply.Body, to address: ReplyAddress) {
        let reply = Reply(
            correlationID: address.correlationID, partition: parts.partition, epoch: parts.epoch, body: body)
        replyLane.submit([
            .init(key: .reply, message: topology.reply(reply, to: address.routingKey, at: parts.clock.now()))
        ])
    }
}
