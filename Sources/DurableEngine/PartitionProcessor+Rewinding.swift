import DurableBackend
import DurableCore
import Logging

/// Failed instances that are to go on from where they last asked for something.
extension PartitionProcessor {
    /// Puts the instance as it was in the place of the failed one, and dispatches anew what it waits for.
    func rewind(_ failed: InstanceEntry, by message: Message, in batch: inout Batch) throws(PartitionEnd) {
        var verdict = failed.state.verdict(onRewinding: message)
        if verdict == nil, has(.losesRewinds) {
            verdict = .accepted
        } else if verdict == nil {
            let history = try wholeHistory(of: failed)
            let now = failed.state.time(at: batch.now)
            if var (change, outbox) = forgetful(failed.state).rewound(
                history, by: message, at: now, epoch: parts.epoch, outboxID: &batch.outboxID)
            {
                outbox = defective(&change, outbox, of: failed.state, &batch.outboxID)
                batch.drop(failed)
                let entry = try entry(for: change)
                batch.outbox += outbox.map { stampOrigin($0, in: &batch) }
                fold(change, into: entry)
                batch.note(change, of: entry)
                logger.notice(
                    "instance \(failed.state.id) goes back to event \(change.history.count), as asked",
                    metadata: ["events": "\(history.count)"])
                verdict = .accepted
                batch.rewound.append(failed.state.id)
            } else {
                verdict = .notRewindable
            }
        } else if verdict == .notFailed, !failed.state.status.isTerminal, !has(.forgetsRefusedRewinds) {
            // A late repeat must not bring it about once it has failed.
            let change = InstanceChange(
                instanceID: failed.state.id, time: failed.state.time(at: batch.now), appliedMessages: [message.id])
            fold(change, into: failed)
            batch.note(change, of: failed)
        }
        if let reply = message.reply, let verdict { batch.verdicts.append((reply, verdict)) }
        guard case .executionStarted = message.event.kind, verdict != .accepted else { return }
        // The parent waits for it once more.
        if let answer = failed.state.repeatedAnswer(at: batch.now) { batch.refusals.append(answer) }
    }

    private func wholeHistory(of entry: InstanceEntry) throws(PartitionEnd) -> [HistoryEvent] {
        var history: [HistoryEvent] = []
        while history.count < entry.flushedCount { history += try recorded(entry, from: history.count) }
        return history + entry.unflushed
    }
}
