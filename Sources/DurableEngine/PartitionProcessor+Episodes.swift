import DurableBackend
import DurableCore
import DurableWire
import Logging

extension PartitionProcessor {
    func runEpisode(of entry: InstanceEntry, in batch: inout Batch) throws(PartitionEnd) {
        if entry.state.entity != nil { return try runEntity(entry, in: &batch) }
        try runInbox(of: entry, in: &batch)
        try runUpdates(of: entry, in: &batch)
    }

    private func runInbox(of entry: InstanceEntry, in batch: inout Batch) throws(PartitionEnd) {
        if entry.state.inbox.isEmpty { return }
        let now = entry.state.time(at: batch.now)
        if entry.state.isEndImposed(at: now) {
            let (change, messages) = entry.state.imposeEnd(at: now)
            addToOutbox(messages, in: &batch)
            apply(change, to: entry, in: &batch)
            return
        }
        guard entry.state.mayRun(at: now) else { return }
        do throws(EpisodeEnd) {
            try runCode(of: entry, over: entry.state.episodeEvents(at: now), at: now, in: &batch)
        } catch {
            try end(error, entry, in: &batch)
        }
    }

    func runCode(
        of entry: InstanceEntry, over events: [HistoryEvent], at now: Timestamp, in batch: inout Batch
    ) throws(EpisodeEnd) {
        let actions = try actions(of: entry, over: events)
        episodeCount += 1
        let (change, outbox) = entry.state.finishEpisode(
            over: events, actions: limited(actions), at: now, epoch: parts.epoch, outboxID: &batch.outboxID)
        batch.outbox += outbox.map { stampOrigin($0, in: &batch) }
        apply(change, to: entry, in: &batch)
        if parts.configuration.checksReplay { try checkReplay(of: entry) }
    }

    /// What an episode that cannot be used comes to: its instance is held, or the partition ends.
    func end(_ end: EpisodeEnd, _ entry: InstanceEntry, in batch: inout Batch) throws(PartitionEnd) {
        switch end {
        case .end(let end): throw end
        case .held(let hold): self.hold(entry, hold, in: &batch)
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

    func hold(_ entry: InstanceEntry, _ hold: Hold, in batch: inout Batch) {
        entry.session?.evict()
        entry.session = nil
        logger.warning("\(hold.text)")
        apply(InstanceChange(instanceID: entry.state.id, time: batch.now, hold: .set(hold)), to: entry, in: &batch)
    }

    func apply(_ change: InstanceChange, to entry: InstanceEntry, in batch: inout Batch) {
        for (key, outboxID) in entry.state.tasksAbandoned(by: change) {
            batch.abandonedTasks.append(key)
            if state.outbox[outboxID] != nil { batch.outboxRemoved.append(outboxID) }
        }
        fold(change, into: entry)
        batch.note(change, of: entry)
        if entry.state.status.isTerminal {
            entry.session?.evict()
            entry.session = nil
            batch.ended.append(entry)
        } else if entry.state.historyHasPassed(InstanceState.longHistory, grownBy: change.history.count) {
            logger.warning("\(OperatorText.longHistory(of: entry.state))")
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
    func session(of entry: InstanceEntry) throws(EpisodeEnd) -> any OrchestrationSession {
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
                patches: has(.forgetsPatches) ? [] : state.patches,
                onEscape: { [weak self, id = state.id] in Task { await self?.noteEscape(of: id) } })
        else { throw .held(OperatorText.noCode(for: state)) }
        do {
            var position = 0
            var ending = ImposedEnd(of: state)
            while position < entry.flushedCount {
                let page = try history(of: entry, from: position)
                try session.replay(ending.passing(page))
                position += page.count
            }
            if !entry.unflushed.isEmpty {
                let page = has(.replaysTooLittle) ? entry.unflushed.dropLast() : entry.unflushed
                try session.replay(ending.passing(page))
            }
            if !ending.rest.isEmpty { try session.replay(ending.rest) }
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

    func history(of entry: InstanceEntry, from position: Int) throws(PartitionEnd) -> [HistoryEvent] {
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

    /// A payload over the limit fails the orchestration (that of an update fails the update alone), and so do too many events that it left to its next execution:
    /// nothing of that size may enter the log.
    private func limited(_ actions: [OrchestratorAction]) -> [OrchestratorAction] {
        let limits = parts.configuration
        var actions = actions
        for (index, action) in actions.enumerated() {
            let failure: FailureDetails
            if let bytes = action.payloadBytes, bytes > limits.payloadLimit {
                failure = OperatorText.payloadTooLarge(
                    bytes, limit: limits.payloadLimit, what: action.payloadDescription)
                if case .completeUpdate(let id, _, _) = action {
                    actions[index] = .completeUpdate(id: id, result: nil, failure: failure)
                    continue
                }
            } else if case .continueAsNew(_, _, _, let events) = action,
                case let bytes = events.reduce(0, { $0 + $1.estimatedBytes }), bytes > limits.carryOverLimit
            {
                failure = OperatorText.tooManyEvents(events.count, bytes, limit: limits.carryOverLimit)
            } else {
                continue
            }
            return [
                .completeOrchestration(id: action.eventID, status: .failed, result: nil, failure: failure)
            ]
        }
        return actions
    }

    /// Messages to other instances.
    func addToOutbox(_ messages: [Message], in batch: inout Batch) {
        for message in messages {
            let entry = OutboxEntry(id: batch.outboxID, epoch: parts.epoch, body: .message(message))
            batch.outboxID = OutboxID(batch.outboxID.value + 1)
            batch.outbox.append(stampOrigin(entry, in: &batch))
        }
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
}

/// Keeps an end that the code had no part in from being replayed: the instance was ended from outside, or its worker
/// refused what the code asked for. Then the last episode is left out.
private struct ImposedEnd {
    private let isPossible: Bool
    /// The episode that may be the last one.
    private var kept: [HistoryEvent] = []

    init(of state: InstanceState) { isPossible = state.mayHaveImposedEnd }

    /// - Parameter page: The next events of the history.
    /// - Returns: Those that may be replayed by now.
    mutating func passing(_ page: [HistoryEvent]) -> [HistoryEvent] {
        guard isPossible else { return page }
        kept += page
        guard let last = kept.lastIndex(where: { $0.kind == .orchestratorStarted }) else { return [] }
        defer { kept.removeFirst(last) }
        return Array(kept[..<last])
    }

    /// What of the last episode is to be replayed.
    var rest: [HistoryEvent] { kept.withoutImposedEnd }
}
