import DurableBackend
import DurableCore
import DurableWire
import Logging

/// After an owner that ended without handing over: something it ran may have ended its worker.
///
/// What it had in hand comes again, marked as redelivered, before this epoch's marker. Until the marker is back and the
/// timers that were due at the beginning have fired, each of these runs alone, after a record that says whose code is
/// about to run. The broker's count of deliveries is no evidence: it charges all that shared the worker's prefetch.
extension PartitionProcessor {
    /// One step of cautious work.
    ///
    /// - Returns: Whether there was anything to do.
    func processCautiously(at now: Timestamp) async throws(PartitionEnd) -> Bool {
        try refillTimers()
        var worked = false
        if let first = arrivals.first {
            let limit = first.isRedelivered ? 1 : parts.configuration.batchLimit
            let deliveries = arrivals.prefix(limit).prefix { $0.isRedelivered == first.isRedelivered }
            var batch = newBatch(at: now)
            let count = try take(deliveries, into: &batch)
            arrivals.removeFirst(count)
            if first.isRedelivered {
                try await saveRewound(of: &batch)
                try await runAlone(batch, first.properties.messageID)
            } else {
                try await run(batch)
            }
            worked = true
        }
        for step in [fireTimers, retryHeld, runBegun, askAgainAlone, runFetched] {
            var batch = newBatch(at: now)
            try step(&batch, 1)
            if batch.touched.isEmpty { continue }
            try await runAlone(batch, nil)
            worked = true
        }
        var batch = newBatch(at: now)
        holdEscaped(in: &batch)
        if !batch.touched.isEmpty {
            try await run(batch)
            worked = true
        }
        if isMarkerBack, retries.isEmpty, withheld.messages.allSatisfy({ !$0.isRedelivered }),
            timers.nextDue.map({ $0 > cautionBegan }) ?? true
        {
            isCautious = false
            logger.info("what the last owner left has been handled: nothing of it ended this worker")
        }
        return worked
    }

    /// Saves what a batch rewinds together with what that dispatches, before any code of it runs.
    private func saveRewound(of batch: inout Batch) async throws(PartitionEnd) {
        if batch.rewound.isEmpty { return }
        var part = Batch(now: batch.now, outboxID: batch.outboxID, deduplication: batch.deduplication)
        for entry in batch.touched where batch.rewound.contains(entry.state.id) {
            if let change = batch.changes.removeValue(forKey: entry.state.id) { part.note(change, of: entry) }
        }
        (part.outbox, batch.outbox) = (batch.outbox, [])
        try await save(part)
    }

    /// Saves a batch one instance at a time, each with a record before its code runs.
    ///
    /// - Parameter messageID: The delivery it came by; nil for timers.
    private func runAlone(_ batch: Batch, _ messageID: String?) async throws(PartitionEnd) {
        if batch.touched.isEmpty { return try await save(batch) }
        for (index, entry) in batch.touched.enumerated() {
            var part = Batch(now: batch.now, outboxID: state.nextOutboxID, deduplication: batch.deduplication)
            if let change = batch.changes[entry.state.id] { part.note(change, of: entry) }
            part.outcomes = batch.outcomes
            // Acknowledgements and sequences come last: until then a crash brings the whole delivery again, and what
            // was applied of it is known by the instances themselves.
            if index == batch.touched.count - 1 {
                part.takeEffects(of: batch)
            } else if var entity = entry.state.entity, let origins = batch.appliedToEntities[entry.state.id] {
                // Nothing it keeps says of itself that an operation was performed.
                entity.note(applied: origins)
                var change = InstanceChange(instanceID: entry.state.id, time: batch.now)
                change.entity = entity
                fold(change, into: entry)
                part.note(change, of: entry)
            }
            if runsCode(entry, at: batch.now) {
                let build = parts.configuration.build
                let epochs = state.evidence.epochs(of: entry.state.id, build: build).filter {
                    $0 != parts.epoch && !parts.survivedEpochs.contains($0)
                }
                if epochs.count >= parts.configuration.attemptLimit {
                    endPredecessors(of: entry, in: &part)
                    hold(entry, OperatorText.crashes(entry.state, in: epochs, build: build), in: &part)
                } else {
                    try await append([
                        .attempt(
                            .init(
                                epoch: parts.epoch, instanceID: entry.state.id,
                                messageID: messageID.map { MessageID($0) }, build: build))
                    ])
                    part.outboxID = state.nextOutboxID
                    try runEpisode(of: entry, in: &part)
                }
            } else {
                try runEpisode(of: entry, in: &part)
            }
            if !part.pending.isEmpty { try await finishPending(in: &part) }
            try await save(part)
        }
    }

    /// Whether an episode of the instance would run its code now.
    private func runsCode(_ entry: InstanceEntry, at now: Timestamp) -> Bool {
        let now = entry.state.time(at: now)
        if entry.state.isEndImposed(at: now) || !isHere(entry.state) { return false }
        return entry.state.mayAdmitUpdates || !entry.state.inbox.isEmpty && entry.state.mayRun(at: now)
    }
}
