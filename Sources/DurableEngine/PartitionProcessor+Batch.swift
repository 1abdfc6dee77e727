import DurableBackend
import DurableCore
import DurableWire
import Logging

/// What one batch collects until its checkpoint is durable.
struct Batch {
    let now: Timestamp
    var outboxID: OutboxID
    /// Instances in order of first arrival.
    var touched: [InstanceEntry] = []
    var changes: [InstanceID: InstanceChange] = [:]
    var outbox: [OutboxEntry] = []
    var outboxRemoved: [OutboxID] = []
    var applied: [Origin] = []
    /// Instances that go on although they had failed; their histories are in `changes`.
    var rewound: [InstanceID] = []
    /// It holds as much as one checkpoint shall.
    var isFull: Bool { !rewound.isEmpty }
    /// To parents whose child could not be started, or has ended before.
    var refusals: [Message] = []
    /// What partitions sent to entities, by entity. Look-up only.
    var appliedToEntities: [InstanceID: [Origin]] = [:]
    /// What is to be deleted of the payload store.
    var unneededPayloads: [PayloadScope] = []
    /// Episodes whose payloads must be stored first.
    var pending: [PendingEpisode] = []
    /// Sequences given out so far, on top of the partition's.
    var sequences: [PartitionID: UInt64] = [:]
    /// Answers to shipped episodes. Look-up only.
    var outcomes: [InstanceID: PartitionProcessor.EpisodeOutcome] = [:]
    /// Watermarks with what this batch applied.
    var deduplication: Deduplication

    // Effects, released when the checkpoint is durable.
    var acknowledgements: [DeliveryTag] = []
    var verdicts: [(address: ReplyAddress, verdict: Verdict)] = []
    var ended: [InstanceEntry] = []
    /// Held because this worker lacks their code: to be shipped.
    var withoutCode: [InstanceEntry] = []
    /// Nobody waits for these activities any more.
    var abandonedTasks: [TaskKey] = []
    /// How many of this epoch's markers came by.
    var markersTaken = 0
    /// Whose messages came: they are told what was applied, and told again when they repeat one.
    var sources: [Deduplication.Source] = []

    /// Takes over what must wait for the last checkpoint of `whole`.
    mutating func takeEffects(of whole: Batch) {
        outboxRemoved = whole.outboxRemoved
        applied = whole.applied
        refusals = whole.refusals
        acknowledgements = whole.acknowledgements
        verdicts = whole.verdicts
        markersTaken = whole.markersTaken
        sources = whole.sources
    }

    /// Another one takes its ID: what happened to it in this batch is of no interest any more.
    mutating func drop(_ entry: InstanceEntry) {
        if changes.removeValue(forKey: entry.state.id) != nil { touched.removeAll { $0 === entry } }
    }

    /// Whether an episode of the instance waits for its payloads to be stored.
    func isPending(_ entry: InstanceEntry) -> Bool { pending.contains { $0.entry === entry } }

    mutating func note(_ change: InstanceChange, of entry: InstanceEntry) {
        if changes[change.instanceID]?.merge(change) == nil {
            changes[change.instanceID] = change
            touched.append(entry)
        }
    }
}

extension PartitionProcessor {
    /// Handles what is there: deliveries up to the limit and due timers, in one checkpoint.
    ///
    /// - Returns: Whether there was anything to do.
    func processBatch(at now: Timestamp) async throws(PartitionEnd) -> Bool {
        if isCautious { return try await processCautiously(at: now) }
        try refillTimers()
        var batch = newBatch(at: now)
        let count = try take(arrivals.prefix(parts.configuration.batchLimit), into: &batch)
        arrivals.removeFirst(count)
        try fireTimers(into: &batch, limit: parts.configuration.batchLimit)
        try runBegun(into: &batch, limit: parts.configuration.batchLimit)
        try retryHeld(into: &batch, limit: parts.configuration.batchLimit)
        try askAgain(into: &batch, limit: parts.configuration.batchLimit)
        try runFetched(into: &batch, limit: parts.configuration.batchLimit)
        holdEscaped(in: &batch)
        if count == 0 && batch.touched.isEmpty && batch.pending.isEmpty { return false }
        try await run(batch)
        return true
    }

    func newBatch(at now: Timestamp) -> Batch {
        Batch(now: now, outboxID: state.nextOutboxID, deduplication: state.deduplication)
    }

    /// Runs the episodes of a batch and saves it in one checkpoint.
    func run(_ batch: Batch) async throws(PartitionEnd) {
        var batch = batch
        for index in batch.touched.indices { try runEpisode(of: batch.touched[index], in: &batch) }
        if !batch.pending.isEmpty { try await finishPending(in: &batch) }
        try await save(batch)
    }

    // MARK: - Taking deliveries

    /// - Returns: How many of them were taken: as many as fit into one checkpoint.
    func take(_ deliveries: ArraySlice<Delivery>, into batch: inout Batch) throws(PartitionEnd) -> Int {
        var count = 0
        for delivery in deliveries where !batch.isFull {
            try take(delivery, into: &batch)
            count += 1
        }
        return count
    }

    func take(_ delivery: Delivery, into batch: inout Batch) throws(PartitionEnd) {
        let content: MessageBatch
        do {
            content = try MessageBatch(wire: delivery.body)
        } catch {
            setAside(delivery, code: "DTQ3001", reason: "cannot be decoded: \(error)")
            return
        }
        if let marker = content.marker {
            if marker == parts.epoch { batch.markersTaken += 1 }
            batch.acknowledgements.append(delivery.tag)
            return
        }
        if let answer = content.answer, !isFromClient(delivery) {
            try take(answer, into: &batch)
        } else if let applied = content.applied {
            if !isFromClient(delivery) { noteDelivered(applied) }
        } else if content.messages.isEmpty {
            // An alarm that rang: the timers it stands for are in the queue of timers.
            alarmCount += 1
        }
        let defect = defect(of: content, from: delivery)
        for message in content.messages {
            // A client's claim to be a partition is a defect: it must not count.
            let origin = defect == nil || !isFromClient(delivery) ? message.origin : nil
            let judgement = origin.map { batch.deduplication.judge($0) }
            if judgement == .gap, !has(.skipsGaps) {
                // Everything before it in this delivery is applied; repeats of that are recognised.
                heldBack.append(delivery)
                logger.debug("message above a gap held back", metadata: ["message": "\(message.id)"])
                return
            }
            if defect == nil {
                if judgement != .duplicate, try mustWaitForArchive(message.instanceID) {
                    return withheld.messages.append(delivery)
                }
                try take(message, into: &batch)
            } else if let origin {
                // What is set aside counts as taken, or all its sender sent later would wait for it.
                guard isNews(origin, in: &batch) else { continue }
                if let refusal = message.refusal(at: batch.now, because: defect?.reason) {
                    batch.refusals.append(refusal)
                }
            }
        }
        if let defect {
            setAside(delivery, code: defect.code, reason: defect.reason)
        } else {
            batch.acknowledgements.append(delivery.tag)
        }
        if !heldBack.isEmpty, content.messages.contains(where: { $0.origin != nil }) {
            let again = heldBack
            heldBack = []
            for delivery in again { try take(delivery, into: &batch) }
        }
    }

    private func isFromClient(_ delivery: Delivery) -> Bool { delivery.exchange == topology.name(.client) }

    /// Marks the sequence taken; false when it was before.
    private func isNews(_ origin: Origin, in batch: inout Batch) -> Bool {
        if origin.partition != parts.partition { batch.sources.append(origin.source) }
        if batch.deduplication.judge(origin) == .duplicate { return has(.appliesDuplicates) }
        batch.deduplication.markApplied(origin)
        batch.applied.append(origin)
        return true
    }

    /// Says why a delivery must not be applied; nil when it may.
    private func defect(of content: MessageBatch, from delivery: Delivery) -> (code: String, reason: String)? {
        if content.answer != nil, isFromClient(delivery) {
            return ("DTQ3002", "a client may not answer for a worker")
        }
        for message in content.messages {
            if isFromClient(delivery) {
                if !message.isClientMessage { return ("DTQ3002", "a client may not send \(message.event.typeName)") }
                if message.origin != nil { return ("DTQ3002", "a client may not speak for a partition") }
                if case .executionStarted(let start) = message.event.kind, start.parent != nil {
                    return ("DTQ3002", "a client may not speak for a parent instance")
                }
            }
            if case .executionStarted(let start) = message.event.kind, let defect = start.tags.defect {
                return ("DTQ3001", defect)
            }
            if let defect = message.instanceID.defect { return ("DTQ3001", defect) }
            if message.instanceID.isReserved, case .executionStarted = message.event.kind {
                return ("DTQ3001", "an instance ID that begins with @ is an entity's, not an orchestration's")
            }
            let home = message.instanceID.partition(of: topology.partitionCount)
            if home != parts.partition {
                return (
                    "DTQ3001", "instance \(message.instanceID) belongs to partition \(home), not \(parts.partition)"
                )
            }
            if case .updateRequested(let request) = message.event.kind, let defect = request.id.defect {
                return ("DTQ3001", defect)
            }
            if let bytes = message.event.payloadBytes, bytes > parts.configuration.payloadLimit {
                return ("DTQ2007", "\(bytes) bytes of data, the limit is \(parts.configuration.payloadLimit)")
            }
        }
        return nil
    }

    private func take(_ message: Message, into batch: inout Batch) throws(PartitionEnd) {
        if let origin = message.origin, !isNews(origin, in: &batch) {
            duplicateCount += 1
            return
        }
        let entry = try entry(for: message.instanceID)
        if let entry, entry.state.isRewound(by: message) { return try rewind(entry, by: message, in: &batch) }
        var message = defective(message, for: entry)
        if entry == nil, case .executionStarted(var start) = message.event.kind, start.version == nil {
            start.version = parts.configuration.defaultVersion
            message.event.kind = .executionStarted(start)
        }
        let acceptance =
            entry.map { decide(message, about: $0.state, at: $0.state.time(at: batch.now)) }
            ?? InstanceState.decide(message, at: batch.now)
        switch acceptance {
        case .ignored(let verdict):
            if verdict == .duplicate || verdict == .unexpected { duplicateCount += 1 }
            if verdict == .unexpected || verdict == .notFound { settleOutbox(answeredBy: message, in: &batch) }
            if verdict == .exists, let refusal = message.refusal(at: batch.now) { batch.refusals.append(refusal) }
            if verdict == .created, let answer = entry?.state.repeatedAnswer(to: message, at: batch.now) {
                // Whoever was purged and begun anew by a copy of its start calls it once more.
                batch.refusals.append(answer)
            }
            if let reply = message.reply { batch.verdicts.append((reply, verdict)) }
        case .accepted(var change, let verdict):
            if has(.losesUpdates) { change.requestedUpdates = [] }
            if let entry { settleOutbox(answeredBy: message, of: entry.state, in: &batch) }
            let old = change.replaces ? entry : nil
            if let old { batch.drop(old) }
            let entry = try self.entry(for: change)
            if let old, !old.state.status.isTerminal { entry.predecessors = [old] + old.predecessors }
            fold(change, into: entry)
            batch.note(change, of: entry)
            if entry.state.entity != nil, let origin = message.origin {
                batch.appliedToEntities[message.instanceID, default: []].append(origin)
            }
            if let reply = message.reply { batch.verdicts.append((reply, verdict)) }
        }
    }

    /// An answered task needs no confirmation of its dispatch any more.
    private func settleOutbox(answeredBy message: Message, of state: InstanceState, in batch: inout Batch) {
        switch message.event.kind {
        case .taskCompleted(let taskID, _), .taskFailed(let taskID, _):
            if let task = state.openTasks[taskID], self.state.outbox[task.outboxID] != nil {
                batch.outboxRemoved.append(task.outboxID)
            }
        default: break
        }
    }

    /// A task of an execution that has ended was run all the same: it need not be sent again either, as it would be
    /// where the broker has taken it and its confirm is not on record.
    private func settleOutbox(answeredBy message: Message, in batch: inout Batch) {
        switch message.event.kind {
        case .taskCompleted(let taskID, _), .taskFailed(let taskID, _):
            guard let executionID = message.executionID else { return }
            let key = TaskKey(
                instanceID: message.instanceID, executionID: executionID, taskID: taskID, dispatch: message.dispatch)
            settleOutbox(of: [key], in: &batch)
        default: break
        }
    }

    /// Nobody waits for these activities: they need not be sent again.
    func settleOutbox(of keys: Set<TaskKey>, in batch: inout Batch) {
        if keys.isEmpty { return }
        for entry in state.outbox.values {
            if case .task(let task) = entry.body, keys.contains(task.key) { batch.outboxRemoved.append(entry.id) }
        }
    }

    // MARK: - Checkpoint

    func save(_ batch: Batch) async throws(PartitionEnd) {
        var batch = batch
        addToOutbox(batch.refusals, in: &batch)
        for origin in batch.applied where origin.partition == parts.partition {
            if let id = ownMessages.removeValue(forKey: origin.sequence) { batch.outboxRemoved.append(id) }
        }
        let checkpoint = Checkpoint(
            time: batch.now, changes: batch.touched.compactMap { batch.changes[$0.state.id] }, outbox: batch.outbox,
            outboxRemoved: batch.outboxRemoved, applied: batch.applied)
        if has(.releasesBeforeDurable) { send(batch.outbox, isRedispatch: false) }
        // Before it is durable that they are gone: an answered task must not go out once more because its first confirm
        // was lost, nor one of a terminated instance that still waits. Should the append fail, the next owner sends
        // them.
        reliableLane.withdraw(batch.outboxRemoved.map { .outbox($0) })
        if !checkpoint.isEmpty {
            try await append(has(.splitsCheckpoints) ? checkpoint.split : [.checkpoint(checkpoint)])
            checkpointCount += 1
            for entry in batch.touched where entry.state.status.isTerminal { entry.endedAt = position }
        }
        try release(batch)
        for entry in batch.touched { cache.touch(entry) }
        if !postponedQueries.isEmpty {
            withheld.retriedQueries += postponedQueries
            postponedQueries = []
        }
    }
}
