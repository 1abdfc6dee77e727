import DurableBackend
import DurableCore
import DurableWire
import Logging

extension PartitionProcessor {
    func runEpisode(of entry: InstanceEntry, in batch: inout Batch) throws(PartitionEnd) {
        endPredecessors(of: entry, in: &batch)
        if entry.state.entity != nil { return try runEntity(entry, in: &batch) }
        try runInbox(of: entry, in: &batch)
        // What is not finished yet comes first.
        if !batch.isPending(entry) { try runUpdates(of: entry, in: &batch) }
    }

    private func runInbox(of entry: InstanceEntry, in batch: inout Batch) throws(PartitionEnd) {
        let now = entry.state.time(at: batch.now)
        if entry.state.isEndImposed(at: now) {
            let (change, messages) = entry.state.imposeEnd(at: now)
            addToOutbox(messages, in: &batch)
            apply(change, to: entry, in: &batch)
            return
        }
        if let outcome = batch.outcomes.removeValue(forKey: entry.state.id) {
            let executionID = entry.state.executionID
            try apply(outcome, to: entry, in: &batch)
            // The next execution waits for its turn.
            if entry.state.executionID != executionID { return }
        }
        if entry.state.inbox.isEmpty { return }
        guard entry.state.mayRun(at: now) else {
            if entry.state.hold?.isForCode == true { batch.withoutCode.append(entry) }
            return
        }
        do throws(EpisodeEnd) {
            try runCode(of: entry, over: entry.state.episodeEvents(at: now), in: &batch)
        } catch {
            try end(error, entry, in: &batch)
        }
    }

    /// Runs one episode. It is finished later if there are payloads to be stored first.
    func runCode(
        of entry: InstanceEntry, over events: [HistoryEvent], in batch: inout Batch
    ) throws(EpisodeEnd) {
        var events = events
        let session = try session(of: entry)
        let author = EpisodeAuthor(build: parts.configuration.build, version: session.registeredVersion)
        if author != entry.state.author { events[0].author = author }
        var contents: [SealedPayload.Content] = []
        let actions = parts.configuration.limited(
            try sealed(try actions(of: entry, in: session, over: events), of: entry, contents: &contents))
        fetches.arrived[entry.state.id] = nil
        if contents.isEmpty {
            do throws(PartitionEnd) {
                try finish(entry, over: events, actions: actions, in: &batch)
            } catch {
                throw .end(error)
            }
        } else {
            batch.pending.append(PendingEpisode(entry: entry, events: events, actions: actions, contents: contents))
        }
    }

    /// What an episode that cannot be used comes to: its instance is held, or the partition ends.
    func end(_ end: EpisodeEnd, _ entry: InstanceEntry, in batch: inout Batch) throws(PartitionEnd) {
        switch end {
        case .end(let end): throw end
        case .held(let hold): self.hold(entry, hold, in: &batch)
        case .lacksCode: waitForCode(entry, in: &batch)
        case .missing(let references): park(entry, until: references, in: &batch)
        }
    }

    /// Turns what an episode's code asked for into history and messages.
    ///
    /// - Parameter shippedCount: Of an episode that ran on another worker: how many events of the inbox it was shipped
    ///   with; more may have arrived meanwhile.
    func finish(
        _ entry: InstanceEntry, over events: [HistoryEvent], actions: [OrchestratorAction], shippedCount: Int? = nil,
        in batch: inout Batch
    ) throws(PartitionEnd) {
        episodeCount += 1
        fetches.forget(entry.state.id)
        var (change, outbox) = entry.state.finishEpisode(
            over: events, actions: actions, at: events[0].timestamp, epoch: parts.epoch, outboxID: &batch.outboxID)
        if let shippedCount {
            // Its events are of the time the code saw, which has passed, unless the clock was set back.
            change.time = max(change.time, entry.state.time(at: batch.now))
            entry.state.settle(&change, over: shippedCount)
        }
        batch.outbox += outbox.map { stampOrigin($0, in: &batch) }
        if let payloads = try storedPayloads(of: entry, continuing: actions, over: events) {
            batch.unneededPayloads.append(payloads)
        }
        apply(change, to: entry, in: &batch)
        guard parts.configuration.checksReplay, shippedCount == nil else { return }
        do throws(EpisodeEnd) {
            try checkReplay(of: entry)
        } catch {
            if case .missing = error { return }
            try end(error, entry, in: &batch)
        }
    }

    /// Holds instances whose code came back from an await that is not durable: nothing else may ever wake them.
    func holdEscaped(in batch: inout Batch) {
        let some = escapes
        escapes = []
        for id in some {
            guard let entry = cache[id], let session = entry.session, entry.state.inbox.isEmpty else { continue }
            do {
                let start = HistoryEvent(timestamp: entry.state.time(at: batch.now), kind: .orchestratorStarted)
                _ = try session.run([start])
                // Nothing wrong after all: that episode is in no history, so the code is rebuilt from it when needed.
                session.evict()
                entry.session = nil
            } catch {
                hold(entry, OperatorText.episodeFailure(error, of: entry.state), in: &batch)
            }
        }
    }

    /// Tells whoever waits for instances whose ID this one has taken that they have ended.
    func endPredecessors(of entry: InstanceEntry, in batch: inout Batch) {
        for old in entry.predecessors.reversed() {
            let (change, messages) = old.state.replaced(at: entry.state.createdAt)
            addToOutbox(messages, in: &batch)
            abandonTasks(of: old.state, by: change, in: &batch)
            old.state.evolve(with: change)
            batch.ended.append(old)
        }
        entry.predecessors = []
    }

    private func abandonTasks(of state: InstanceState, by change: InstanceChange, in batch: inout Batch) {
        for (key, outboxID) in state.tasksAbandoned(by: change) {
            batch.abandonedTasks.append(key)
            // One that this batch asked for itself is not sent at all.
            if self.state.outbox[outboxID] != nil || batch.outbox.contains(where: { $0.id == outboxID }) {
                batch.outboxRemoved.append(outboxID)
            }
        }
    }

    func hold(_ entry: InstanceEntry, _ hold: Hold, in batch: inout Batch) {
        entry.dropCode()
        fetches.arrived[entry.state.id] = nil
        logger.warning("\(hold.text)")
        apply(InstanceChange(instanceID: entry.state.id, time: batch.now, hold: .set(hold)), to: entry, in: &batch)
    }

    func apply(_ change: InstanceChange, to entry: InstanceEntry, in batch: inout Batch) {
        abandonTasks(of: entry.state, by: change, in: &batch)
        fold(change, into: entry)
        batch.note(change, of: entry)
        if entry.state.status.isTerminal {
            entry.dropCode()
            batch.ended.append(entry)
        } else if entry.state.historyHasPassed(InstanceState.longHistory, grownBy: change.history.count) {
            logger.warning("\(OperatorText.longHistory(of: entry.state))")
        }
    }

    enum EpisodeEnd: Error {
        case held(Hold)
        /// Stored payloads are not here yet.
        case missing([StoredPayload])
        case end(PartitionEnd)
        /// This worker cannot run it.
        case lacksCode
    }

    private func actions(
        of entry: InstanceEntry, in session: any OrchestrationSession, over events: [HistoryEvent]
    ) throws(EpisodeEnd) -> [OrchestratorAction] {
        let events = try opened(events, of: entry)
        do {
            return try session.run(events)
        } catch {
            throw .held(OperatorText.episodeFailure(error, of: entry.state))
        }
    }

    /// The suspended code of an instance, rebuilt from its history when it is not in memory.
    func session(of entry: InstanceEntry) throws(EpisodeEnd) -> any OrchestrationSession {
        if let session = entry.session { return session }
        let session = try rebuiltSession(of: entry)
        entry.session = session
        return session
    }

    func rebuiltSession(of entry: InstanceEntry) throws(EpisodeEnd) -> any OrchestrationSession {
        let state = entry.state
        let begun = entry.rebuilding
        entry.rebuilding = nil
        let session: any OrchestrationSession
        if let begun {
            session = begun.session
        } else if case .here(let code) = place(of: state),
            let new = parts.executor.makeSession(
                code, version: state.version, instanceID: state.id, executionID: state.executionID,
                patches: has(.forgetsPatches) ? [] : state.patches,
                onEscape: { [weak self, id = state.id] in Task { await self?.noteEscape(of: id) } })
        {
            session = new
        } else {
            throw .lacksCode
        }
        do throws(EpisodeEnd) {
            var position = begun?.position ?? 0
            let end = try endOfReplay(of: entry)
            while position < min(end, entry.flushedCount) {
                let page = try history(of: entry, from: position).prefix(end - position)
                try replay(page, from: position, in: session, of: entry)
                position += page.count
            }
            if end > entry.flushedCount {
                let rest = entry.unflushed.dropFirst(position - entry.flushedCount).prefix(end - position)
                if !rest.isEmpty {
                    try replay(
                        has(.replaysTooLittle) ? rest.dropLast() : rest, from: position, in: session, of: entry)
                }
            }
            return session
        } catch {
            if case .missing = error { throw error }
            session.evict()
            throw error
        }
    }

    /// Index of the event that replay ends before: an end that the code had no part in (the instance was ended from
    /// outside, or its worker refused what the code asked for) is not replayed, with all of its episode.
    private func endOfReplay(of entry: InstanceEntry) throws(EpisodeEnd) -> Int {
        guard entry.state.mayHaveImposedEnd else { return entry.state.historyCount }
        var (start, episode): (Int, [HistoryEvent]) = (0, [])
        func take(_ events: some Collection<HistoryEvent>, from position: Int) {
            for (offset, event) in events.enumerated() {
                if event.kind == .orchestratorStarted { (start, episode) = (position + offset, []) }
                episode.append(event)
            }
        }
        var position = 0
        while position < entry.flushedCount {
            let page = try history(of: entry, from: position)
            take(page, from: position)
            position += page.count
        }
        take(entry.unflushed, from: entry.flushedCount)
        return episode.withoutImposedEnd.isEmpty ? start : entry.state.historyCount
    }

    private func history(of entry: InstanceEntry, from position: Int) throws(EpisodeEnd) -> [HistoryEvent] {
        do throws(PartitionEnd) {
            return try recorded(entry, from: position)
        } catch {
            throw .end(error)
        }
    }

    /// A page of the history that the tables have.
    ///
    /// - Parameter position: Less than the number of events they have.
    func recorded(_ entry: InstanceEntry, from position: Int) throws(PartitionEnd) -> [HistoryEvent] {
        let page: [HistoryEvent]
        do {
            page = try parts.storage.store.history(of: entry.state.id, from: position, byteLimit: 256 << 10)
        } catch {
            throw PartitionEnd(error)
        }
        if page.isEmpty {
            throw .corrupt("history of instance \(entry.state.id) ends at event \(position) of \(entry.flushedCount)")
        }
        return page
    }

    /// Messages to other instances.
    func addToOutbox(_ messages: [Message], in batch: inout Batch) {
        for message in messages {
            let entry = OutboxEntry(id: batch.outboxID, epoch: parts.epoch, body: .message(message))
            batch.outboxID = OutboxID(batch.outboxID.value + 1)
            batch.outbox.append(stampOrigin(entry, in: &batch))
        }
    }

    func stampOrigin(_ entry: OutboxEntry, in batch: inout Batch) -> OutboxEntry {
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
        do throws(EpisodeEnd) {
            try rebuiltSession(of: entry).evict()
        } catch {
            entry.rebuilding?.session.evict()
            entry.rebuilding = nil
            throw error
        }
    }
}
