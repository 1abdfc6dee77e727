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
    /// Sequences given out so far, on top of the partition's.
    var sequences: [PartitionID: UInt64] = [:]
    /// Watermarks with what this batch applied.
    var deduplication: Deduplication

    // Effects, released when the checkpoint is durable.
    var acknowledgements: [DeliveryTag] = []
    var verdicts: [(address: ReplyAddress, verdict: Verdict)] = []
    var ended: [InstanceEntry] = []
    /// How many of this epoch's markers came by.
    var markersTaken = 0
    /// Whose messages came: they are told what was applied, and told again when they repeat one.
    var sources: [Deduplication.Source] = []

    /// Takes over what must wait for the last checkpoint of `whole`.
    mutating func takeEffects(of whole: Batch) {
        outboxRemoved = whole.outboxRemoved
        applied = whole.applied
        acknowledgements = whole.acknowledgements
        verdicts = whole.verdicts
        markersTaken = whole.markersTaken
        sources = whole.sources
    }

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
        let deliveries = Array(arrivals.prefix(parts.configuration.batchLimit))
        arrivals.removeFirst(deliveries.count)
        var batch = newBatch(at: now)
        for delivery in deliveries { try take(delivery, into: &batch) }
        try fireTimers(into: &batch, limit: parts.configuration.batchLimit)
        try retryHeld(into: &batch, limit: parts.configuration.batchLimit)
        holdEscaped(in: &batch)
        if deliveries.isEmpty && batch.touched.isEmpty { return false }
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
        try await save(batch)
    }

    // MARK: - Taking deliveries

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
        if let applied = content.applied {
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
                _ = isNews(origin, in: &batch)
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
        for message in content.messages {
            if isFromClient(delivery) {
                if !message.isClientMessage { return ("DTQ3002", "a client may not send \(message.event.typeName)") }
                if message.origin != nil { return ("DTQ3002", "a client may not speak for a partition") }
            }
            if let defect = message.instanceID.defect { return ("DTQ3001", defect) }
            let home = message.instanceID.partition(of: topology.partitionCount)
            if home != parts.partition {
                return (
                    "DTQ3001", "instance \(message.instanceID) belongs to partition \(home), not \(parts.partition)"
                )
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
        let message = defective(message, for: entry)
        let acceptance =
            entry.map { $0.state.decide(message, at: $0.state.time(at: batch.now)) }
            ?? InstanceState.decide(message, at: batch.now)
        switch acceptance {
        case .ignored(let verdict):
            if verdict == .duplicate || verdict == .unexpected { duplicateCount += 1 }
            // Only until the marker is back may a task be sent again.
            if verdict == .unexpected, !isMarkerBack { settleOutbox(answeredBy: message, in: &batch) }
            if let reply = message.reply { batch.verdicts.append((reply, verdict)) }
        case .accepted(let change, let verdict):
            if let entry { settleOutbox(answeredBy: message, of: entry.state, in: &batch) }
            let entry = try self.entry(for: change)
            fold(change, into: entry)
            batch.note(change, of: entry)
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

    /// A task of an execution that has ended was run all the same: it need not be sent again either.
    private func settleOutbox(answeredBy message: Message, in batch: inout Batch) {
        switch message.event.kind {
        case .taskCompleted(let taskID, _), .taskFailed(let taskID, _):
            let answered = state.outbox.values.first { entry in
                guard case .task(let task) = entry.body else { return false }
                return task.instanceID == message.instanceID && task.executionID == message.executionID
                    && task.taskID == taskID && task.dispatch == message.dispatch
            }
            if let answered { batch.outboxRemoved.append(answered.id) }
        default: break
        }
    }

    // MARK: - Episodes

    func runEpisode(of entry: InstanceEntry, in batch: inout Batch) throws(PartitionEnd) {
        if entry.state.inbox.isEmpty { return }
        let now = entry.state.time(at: batch.now)
        if entry.state.isTerminationRequested {
            for (_, task) in entry.state.openTasks.sorted(by: { $0.key < $1.key })
            where state.outbox[task.outboxID] != nil {
                batch.outboxRemoved.append(task.outboxID)
            }
            apply(entry.state.terminate(at: now), to: entry, in: &batch)
            return
        }
        guard entry.state.mayRun(at: now) else { return }
        let events = entry.state.episodeEvents(at: now)
        do throws(EpisodeEnd) {
            let actions = try actions(of: entry, over: events)
            episodeCount += 1
            let (change, outbox) = entry.state.finishEpisode(
                over: events, actions: limited(actions), at: now, epoch: parts.epoch, outboxID: &batch.outboxID)
            batch.outbox += outbox.map { stampOrigin($0, in: &batch) }
            apply(change, to: entry, in: &batch)
            if parts.configuration.checksReplay { try checkReplay(of: entry) }
        } catch {
            switch error {
            case .end(let end): throw end
            case .held(let hold): self.hold(entry, hold, in: &batch)
            }
        }
    }

    /// Holds instances whose code came back from an await that is not durable: nothing else may ever wake them.
    func holdEscaped(in batch: inout Batch) {
        let some = escapes
        escapes = []
        for id in some {
            guard let entry = cache[id], let session = entry.session, entry.state.inbox.isEmpty else { continue }
            do {
                _ = try session.run([HistoryEvent(timestamp: entry.state.time(at: batch.now), kind: .orchestratorStarted)])
                // Nothing wrong after all: that episode is in no history, so the code is rebuilt from it when needed.
                session.evict()
                entry.session = nil
            } catch {
                hold(entry, OperatorText.episodeFailure(error, of: entry.state), in: &batch)
            }
        }
    }

    func hold(_ entry: InstanceEntry, _ hold: Hold, in batch: inout Batch) {
        entry.session?.evict()
        entry.session = nil
        logger.warning("\(hold.text)")
        apply(InstanceChange(instanceID: entry.state.id, time: batch.now, hold: .set(hold)), to: entry, in: &batch)
    }

    private func apply(_ change: InstanceChange, to entry: InstanceEntry, in batch: inout Batch) {
        fold(change, into: entry)
        batch.note(change, of: entry)
        if entry.state.status.isTerminal {
            entry.session?.evict()
            entry.session = nil
            batch.ended.append(entry)
        }
    }

    enum EpisodeEnd: Error {
        case held(Hold)
        case end(PartitionEnd)
    }

    private func actions(
        of entry: InstanceEntry, over events: [HistoryEvent]
    ) throws(EpisodeEnd) -> [OrchestratorAction] {
        let session = try session(of: entry)
        do {
            return try session.run(events)
        } catch {
            throw .held(OperatorText.episodeFailure(error, of: entry.state))
        }
    }

    /// The suspended code of an instance, rebuilt from its history when it is not in memory.
    private func session(of entry: InstanceEntry) throws(EpisodeEnd) -> any OrchestrationSession {
        if let session = entry.session { return session }
        let session = try rebuiltSession(of: entry)
        entry.session = session
        return session
    }

    func rebuiltSession(of entry: InstanceEntry) throws(EpisodeEnd) -> any OrchestrationSession {
        let state = entry.state
        guard
            let session = parts.executor.makeSession(
                name: state.name, version: state.version, instanceID: state.id, executionID: state.executionID,
                onEscape: { [weak self, id = state.id] in Task { await self?.noteEscape(of: id) } })
        else { throw .held(OperatorText.noCode(for: state)) }
        do {
            var position = 0
            while position < entry.flushedCount {
                let page = try history(of: entry, from: position)
                try session.replay(page)
                position += page.count
            }
            if !entry.unflushed.isEmpty {
                try session.replay(has(.replaysTooLittle) ? entry.unflushed.dropLast() : entry.unflushed)
            }
            return session
        } catch let failure as EpisodeFailure {
            session.evict()
            throw .held(OperatorText.episodeFailure(failure, of: state))
        } catch let end as PartitionEnd {
            session.evict()
            throw .end(end)
        } catch {
            session.evict()
            throw .end(.corrupt("\(error)"))
        }
    }

    private func history(of entry: InstanceEntry, from position: Int) throws(PartitionEnd) -> [HistoryEvent] {
        do {
            let page = try parts.storage.store.history(of: entry.state.id, from: position, byteLimit: 256 << 10)
            if page.isEmpty {
                throw PartitionEnd.corrupt(
                    "history of instance \(entry.state.id) ends at event \(position) of \(entry.flushedCount)")
            }
            return page
        } catch let end as PartitionEnd {
            throw end
        } catch let error as StoreError {
            throw PartitionEnd(error)
        } catch {
            throw .corrupt("\(error)")
        }
    }

    /// A payload over the limit fails the orchestration: nothing of that size may enter the log.
    private func limited(_ actions: [OrchestratorAction]) -> [OrchestratorAction] {
        let limit = parts.configuration.payloadLimit
        for action in actions {
            guard let bytes = action.payloadBytes, bytes > limit else { continue }
            return [
                .completeOrchestration(
                    id: action.eventID, status: .failed, result: nil,
                    failure: OperatorText.payloadTooLarge(bytes, limit: limit, what: action.payloadDescription))
            ]
        }
        return actions
    }

    private func stampOrigin(_ entry: OutboxEntry, in batch: inout Batch) -> OutboxEntry {
        guard case .message(var message) = entry.body else { return entry }
        let destination = message.instanceID.partition(of: topology.partitionCount)
        let sequence = (batch.sequences[destination] ?? state.sequences[destination] ?? 0) + 1
        batch.sequences[destination] = sequence
        message.origin = Origin(partition: parts.partition, incarnation: incarnation, sequence: sequence)
        var stamped = entry
        stamped.body = .message(message)
        return stamped
    }

    /// Test aid: what replay makes of the history must be what the cached code is.
    private func checkReplay(of entry: InstanceEntry) throws(EpisodeEnd) {
        guard !entry.state.status.isTerminal else { return }
        let session = try rebuiltSession(of: entry)
        session.evict()
    }

    // MARK: - Checkpoint

    func save(_ batch: Batch) async throws(PartitionEnd) {
        var batch = batch
        for origin in batch.applied where origin.partition == parts.partition {
            if let id = ownMessages.removeValue(forKey: origin.sequence) { batch.outboxRemoved.append(id) }
        }
        let checkpoint = Checkpoint(
            time: batch.now, changes: batch.touched.compactMap { batch.changes[$0.state.id] }, outbox: batch.outbox,
            outboxRemoved: batch.outboxRemoved, applied: batch.applied)
        if has(.releasesBeforeDurable) { send(batch.outbox, isRedispatch: false) }
        // Before it is durable that they are gone: an answered task must not go out once more because its first confirm
        // was lost, nor one of a terminated instance that still waits. Should the append fail, the next owner sends them.
        reliableLane.withdraw(batch.outboxRemoved.map { .outbox($0) })
        if !checkpoint.isEmpty {
            try await append(has(.splitsCheckpoints) ? checkpoint.split : [.checkpoint(checkpoint)])
            checkpointCount += 1
        }
        release(batch)
        for entry in batch.touched { cache.touch(entry) }
    }
}
