import DurableBackend
package import DurableCore
import DurableWire
import Logging

/// Episodes of code that this worker lacks: shipped to one that has it, by way of a queue of that code.
///
/// Such an instance is held (DTQ2005) in the log for as long as it has something to run: its messages are kept, others go
/// on, and a later owner finds it as it finds any held one. What was shipped is only in memory: an answer counts if this
/// very processor waits for it. Episodes are pure, so one that is dropped, or run twice, changes nothing.
extension PartitionProcessor {
    /// Where an instance's next episode can run.
    enum CodePlace {
        case here(OrchestrationCode)
        case away(OrchestrationCode)
        case nowhere
    }

    /// - Parameter build: A build whose code must not run it on another worker; nil: any may.
    func place(of state: InstanceState, otherThan build: String? = nil) -> CodePlace {
        // Operations of entities are not shipped.
        if let entity = state.id.entity {
            return parts.executor.hasEntity(named: entity.name) ? .here(OrchestrationCode(name: entity.name)) : .nowhere
        }
        for code in state.codes {
            if parts.executor.has(code) { return .here(code) }
            if parts.directory?.has(code, otherThan: build) == true { return .away(code) }
        }
        return .nowhere
    }

    func isHere(_ state: InstanceState) -> Bool {
        if case .here = place(of: state) { true } else { false }
    }

    /// Holds an instance until somebody has run its episode; it is shipped once that is durable.
    func waitForCode(_ entry: InstanceEntry, in batch: inout Batch) {
        if entry.state.hold?.isForCode != true {
            let hold = OperatorText.noCode(for: entry.state)
            apply(InstanceChange(instanceID: entry.state.id, time: batch.now, hold: .set(hold)), to: entry, in: &batch)
        }
        batch.withoutCode.append(entry)
    }

    // MARK: - Shipping

    /// Workers with that code have come, or others have gone.
    package nonisolated func codeChanged(_ gained: [OrchestrationCode]) {
        codeNews.withLock { news in
            news.isNews = true
            news.gained.formUnion(gained)
        }
        signal.raise()
    }

    private func takeCodeNews() {
        let (isNews, gained) = codeNews.withLock { news in
            defer { news = (false, []) }
            return news
        }
        guard isNews else { return }
        shipments.mustLook = true
        shipments.forgetPassedOver()
        unservedCode = []
        // What other workers' code did not fit, code that has come may; what one build must not run, the others may once
        // that is gone.
        awayRetries.mayAll = !gained.isEmpty || awayRetries.mayAll && !awayRetries.ids.isEmpty
        awayRetries.ids = heldInstances.filter { shipments[$0] == nil && !shipments.isWaiting($0) }
            .sorted { $0.value < $1.value }
    }

    /// Ships what waits, as far as somebody has its code and not too much is away.
    ///
    /// - Returns: Whether there was anything to do.
    func ship() throws(PartitionEnd) -> Bool {
        takeCodeNews()
        let now = parts.clock.uptime()
        for (id, shipment) in shipments.takeOverdue(at: now) {
            logger.info(
                "no answer to episode \(shipment.number) of instance \(id), shipping it anew",
                metadata: ["queue": "\(topology.episodeQueue(shipment.code))"])
            episodeLane.withdraw([.episode(shipment.number)])
            if let entry = try entry(for: id), entry.state.hold?.isForCode == true {
                shipments.wait(id, for: entry.state.codes)
            }
        }
        guard shipments.mustLook else { return false }
        shipments.mustLook = false
        var count = 0
        for codes in shipments.wanted {
            search: while let id = shipments.first(of: codes) {
                if shipments.awayCount >= parts.configuration.awayLimit { return count > 0 }
                if count == Self.shippedPerTurn {
                    shipments.mustLook = true
                    return true
                }
                guard let entry = try entry(for: id), mayShip(entry.state) else {
                    shipments.forget(id)
                    continue
                }
                switch place(of: entry.state) {
                case .away(let code):
                    try ship(entry, to: code, at: now)
                    count += 1
                case .here:
                    // What had that code and was the better choice has gone.
                    shipments.forget(id)
                    retries.append(id)
                case .nowhere:
                    warnOfMissingCode(of: entry.state)
                    break search
                }
            }
        }
        return count > 0
    }

    /// Deliveries must have their turn, too.
    private static var shippedPerTurn: Int { 64 }

    /// Its suspension or the like may have come meanwhile: then the message that ends that has it wait again.
    private func mayShip(_ state: InstanceState) -> Bool {
        guard state.hold?.isForCode == true, state.entity == nil else { return false }
        if state.inbox.isEmpty, !state.asksCode || shipments.unadmitted(by: state).isEmpty { return false }
        switch state.status {
        case .running: return true
        case .pending: return state.startAt.map { $0 <= state.time(at: parts.clock.now()) } ?? true
        default: return false
        }
    }

    private func ship(_ entry: InstanceEntry, to code: OrchestrationCode, at uptime: Duration) throws(PartitionEnd) {
        let state = entry.state
        let now = state.time(at: parts.clock.now())
        let events = state.shippedEvents(at: now, byteLimit: parts.configuration.shippedBytes)
        let updates = state.inbox.isEmpty ? shippedUpdates(of: state) : []
        let history = try history(of: entry, within: parts.configuration.shippedBytes)
        let number = shipments.begin(
            state, code: code, startedAt: now, eventCount: events.count - 1, updates: updates.map(\.id), at: uptime,
            patience: parts.configuration.episodePatience)
        let request = EpisodeRequest(
            partition: parts.partition, epoch: parts.epoch, number: number, instanceID: state.id,
            executionID: state.executionID, name: state.name, version: state.version, code: code,
            patches: state.patches.sorted(), historyCount: state.historyCount, history: history, newEvents: events,
            updates: updates)
        shippedCount += 1
        episodeLane.submit([.init(key: .episode(number), message: topology.episodeMessage(request, at: now))])
    }

    /// Updates that the code is to be asked about, one at least.
    private func shippedUpdates(of state: InstanceState) -> [UpdateRequest] {
        let unadmitted = shipments.unadmitted(by: state)
        var bytes = 0
        let fitting = unadmitted.prefix { request in
            bytes += request.estimatedBytes
            return bytes <= parts.configuration.shippedBytes
        }
        return fitting.isEmpty ? Array(unadmitted.prefix(1)) : Array(fitting)
    }

    /// The whole history, or nothing when it is longer.
    private func history(of entry: InstanceEntry, within byteLimit: Int) throws(PartitionEnd) -> [HistoryEvent] {
        var events: [HistoryEvent] = []
        var bytes = entry.unflushed.reduce(0) { $0 + $1.estimatedBytes }
        while events.count < entry.flushedCount, bytes <= byteLimit {
            let page = try recorded(entry, from: events.count)
            events += page
            bytes += page.reduce(0) { $0 + $1.estimatedBytes }
        }
        return bytes <= byteLimit ? events + entry.unflushed : []
    }

    private func warnOfMissingCode(of state: InstanceState) {
        if unservedCode.insert(state.code).inserted { logger.warning("\(OperatorText.waitsForCode(state).text)") }
    }

    // MARK: - Answers

    /// What became of a shipped episode.
    struct EpisodeOutcome {
        var shipment: Shipments.Shipment
        var author: EpisodeAuthor
        var result: Result<EpisodeResult, Failure>

        enum Failure: Error {
            case code(EpisodeFailure)
            case payload(PayloadFault)
        }
    }

    /// Takes an answer, or a part of one, if it is waited for.
    func take(_ answer: EpisodeAnswer, into batch: inout Batch) throws(PartitionEnd) {
        guard answer.id.epoch == parts.epoch, let shipment = shipments[answer.id.instanceID],
            shipment.number == answer.id.number, let entry = try entry(for: answer.id.instanceID)
        else {
            lateAnswerCount += 1
            return
        }
        let result: Result<EpisodeResult, EpisodeOutcome.Failure>
        switch answer.body {
        case .failure(let failure): result = .failure(.code(failure))
        case .payloadFault(let fault): result = .failure(.payload(fault))
        case .actions(let part):
            guard let bytes = shipments.take(part, of: answer.id.instanceID) else { return }
            do {
                result = .success(try OrchestratorActions.decode(bytes))
            } catch {
                logger.warning(
                    """
                    DTQ3001 the answer to episode \(shipment.number) of instance \(entry.state.id) cannot be decoded: \
                    \(error). It is shipped anew. See ops/errors/DTQ3001.md
                    """)
                return
            }
        }
        shipments.forget(answer.id.instanceID)
        batch.outcomes[answer.id.instanceID] = EpisodeOutcome(
            shipment: shipment, author: answer.author, result: result)
        // Folded too: the answer may be dropped, and its time is in the log all the same.
        let change = InstanceChange(instanceID: entry.state.id, time: batch.now)
        fold(change, into: entry)
        batch.note(change, of: entry)
    }

    /// Makes an answered episode part of the history, if the instance is as it was shipped.
    func apply(_ outcome: EpisodeOutcome, to entry: InstanceEntry, in batch: inout Batch) throws(PartitionEnd) {
        let (state, shipment) = (entry.state, outcome.shipment)
        guard state.executionID == shipment.executionID, state.mayTake(answerOver: shipment.eventCount) else { return }
        switch outcome.result {
        case .failure(.code(let failure)):
            hold(entry, OperatorText.episodeFailure(failure, of: state), in: &batch)
        case .failure(.payload(let fault)):
            hold(entry, OperatorText.payloadFault(fault, of: state), in: &batch)
            // Another worker that has the code may be able to, or the same one later.
            if fault.kind == .unavailable { retryLater(state.id) }
        case .success(var result):
            // As this worker's configuration has it, which its log must hold.
            result.actions = parts.configuration.limited(result.actions)
            var start = HistoryEvent(timestamp: shipment.startedAt, kind: .orchestratorStarted)
            if outcome.author != state.author { start.author = outcome.author }
            if !shipment.updates.isEmpty {
                try apply(result, over: start, of: shipment, to: entry, in: &batch)
                return
            }
            try finish(
                entry, over: [start] + state.inbox.prefix(shipment.eventCount), actions: result.actions,
                shippedCount: shipment.eventCount, in: &batch)
        }
    }

    /// What became of updates that the code was asked about: some it refused, one it may have let in.
    private func apply(
        _ result: EpisodeResult, over start: HistoryEvent, of shipment: Shipments.Shipment, to entry: InstanceEntry,
        in batch: inout Batch
    ) throws(PartitionEnd) {
        let now = entry.state.time(at: batch.now)
        let asked = entry.state.updates.requested.filter { shipment.updates.contains($0.id) }
        for rejected in result.rejectedUpdates {
            guard let request = asked.first(where: { $0.id == rejected.id }) else { continue }
            apply(
                entry.state.rejection(of: request, because: limited(rejected.reason), at: now), to: entry, in: &batch)
        }
        if let admitted = result.admittedUpdate, let request = asked.first(where: { $0.id == admitted }) {
            var events = entry.state.beginning(of: request, at: start.timestamp)
            events[0] = start
            try finish(entry, over: events, actions: result.actions, shippedCount: 0, in: &batch)
            return
        }
        // The code is as it was: what it has no handler for waits until something has changed.
        if !result.isPartial { shipments.passOver(shipment.updates, of: entry.state) }
        let change = InstanceChange(instanceID: entry.state.id, time: now, hold: .set(nil))
        apply(change, to: entry, in: &batch)
    }

    /// Whether a worker that was given an episode which somebody was given before may run it: not when that one is
    /// answered or shipped anew, and not when its code seems to have ended too many workers.
    func mayRun(_ id: EpisodeID, build: String) async throws(PartitionEnd) -> Bool {
        guard id.epoch == parts.epoch, let shipment = shipments[id.instanceID], shipment.number == id.number,
            let entry = try entry(for: id.instanceID), entry.state.hold?.isForCode == true
        else { return false }
        let attempts = shipments.noteAttempt(at: id.instanceID)
        if attempts <= parts.configuration.attemptLimit { return true }
        var batch = newBatch(at: parts.clock.now())
        hold(entry, OperatorText.crashesElsewhere(entry.state, attempts: attempts - 1, build: build), in: &batch)
        try await save(batch)
        return false
    }

    // MARK: - What clients see

    /// An instance whose episode runs on another worker is as any that runs; one that nobody can run says so.
    func snapshot(_ state: InstanceState, input: Payload?) -> InstanceSnapshot {
        var snapshot = InstanceSnapshot(state, input: input)
        guard state.hold?.isForCode == true, state.entity == nil else { return snapshot }
        if shipments[state.id] != nil {
            snapshot.holdCode = nil
            snapshot.holdText = nil
        } else if case .nowhere = place(of: state) {
            snapshot.holdText = OperatorText.waitsForCode(state).text
        }
        return snapshot
    }

    /// Code that is waited for and nobody has; at most 100 of them.
    var missingCode: [WorkerHeartbeat.MissingCode] {
        if shipments.isEmpty { return [] }
        return shipments.waitingCounts.filter { unservedCode.contains($0.code) }.prefix(100)
            .map { .init(code: $0.code, instances: $0.instances) }
    }
}
