package import DurableBackend
import DurableCore
import Logging

/// Between payloads as histories hold them and as code sees them. Codecs compute here, on the partition's thread; nothing
/// waits here for a payload store:
/// - What code is to be given is fetched while the partition goes on with others. Its instance is held meanwhile
///   (DTQ2019), so that the next owner finds it should this one end.
/// - What code has asked for is stored before the checkpoint that refers to it, together for all of a batch, as that
///   checkpoint itself is appended.
extension PartitionProcessor {
    // MARK: - For code

    /// Events as code is given them.
    func opened(_ events: some Collection<HistoryEvent>, of entry: InstanceEntry) throws(EpisodeEnd) -> [HistoryEvent] {
        var opened = Array(events)
        var missing: [StoredPayload] = []
        for index in opened.indices {
            switch try content(of: opened[index], entry) {
            case .asItIs: break
            case .opened(let payload): opened[index].give(payload)
            case .missing(let reference): missing.append(reference)
            }
        }
        if !missing.isEmpty { throw .missing(missing) }
        return opened
    }

    /// Replays recorded events, as far as their payloads are here.
    ///
    /// - Parameter position: Of the first of them in the whole history.
    func replay(
        _ page: some Collection<HistoryEvent>, from position: Int, in session: any OrchestrationSession,
        of entry: InstanceEntry
    ) throws(EpisodeEnd) {
        var opened = Array(page)
        for index in opened.indices {
            switch try content(of: opened[index], entry) {
            case .asItIs: break
            case .opened(let payload): opened[index].give(payload)
            case .missing:
                try replay(opened[..<index], in: session, of: entry)
                // Rebuilding goes on from there.
                entry.rebuilding = (session, position + index)
                throw .missing(try missing(in: opened[index...], entry))
            }
        }
        try replay(opened[...], in: session, of: entry)
    }

    private func replay(
        _ events: ArraySlice<HistoryEvent>, in session: any OrchestrationSession, of entry: InstanceEntry
    ) throws(EpisodeEnd) {
        if events.isEmpty { return }
        do {
            try session.replay(Array(events))
        } catch {
            throw .held(OperatorText.episodeFailure(error, of: entry.state))
        }
    }

    private enum Content {
        case asItIs
        case opened(Payload)
        case missing(StoredPayload)
    }

    private func content(of event: HistoryEvent, _ entry: InstanceEntry) throws(EpisodeEnd) -> Content {
        do {
            switch try parts.payloads.opened(event) {
            case nil: return .asItIs
            case .payload(let opened): return .opened(opened)
            case .stored(let reference):
                guard let fetched = fetches.arrived[entry.state.id]?[reference] else { return .missing(reference) }
                return .opened(fetched)
            }
        } catch {
            throw .held(OperatorText.payloadFault(error, of: entry.state))
        }
    }

    /// The next stored payloads that replay needs.
    private func missing(
        in events: ArraySlice<HistoryEvent>, _ entry: InstanceEntry
    ) throws(EpisodeEnd) -> [StoredPayload] {
        var (references, chunk) = ([StoredPayload](), PayloadChunk())
        for event in events {
            guard case .missing(let reference) = try content(of: event, entry) else { continue }
            if !chunk.add(reference) { break }
            references.append(reference)
        }
        return references
    }

    /// What is never stored, as the code is given it.
    ///
    /// - Parameter what: Names it.
    func openedInline(_ payload: Payload?, _ what: String) throws(PayloadFault) -> Payload? {
        guard let payload else { return nil }
        guard case .payload(let opened) = try parts.payloads.open(payload) else {
            throw PayloadFault(
                .unreadable, "DTQ2019", "\(what) is in a payload store, where it never belongs",
                remedy: "Send it with a client of this version")
        }
        return opened
    }

    // MARK: - Queries

    /// Fetches what replay needs to answer a query, which is taken up again then.
    ///
    /// - Returns: false when too many wait already.
    func postpone(_ delivery: Delivery, of entry: InstanceEntry, until references: [StoredPayload]) -> Bool {
        let id = entry.state.id
        guard fetches.queries.values.reduce(0, { $0 + $1.count }) < 1000 else { return false }
        fetches.queries[id, default: []].append(delivery)
        fetches.want(references, for: id)
        startFetches()
        return true
    }

    /// Takes up the queries that waited for stored payloads, which came, or will not.
    private func resumeQueries(of id: InstanceID) {
        guard let deliveries = fetches.queries.removeValue(forKey: id) else { return }
        guard let fault = fetches.faults[id] else { return withheld.retriedQueries += deliveries }
        for delivery in deliveries {
            guard let routingKey = delivery.properties.replyTo, let correlationID = delivery.properties.correlationID
            else { continue }
            reply(
                .answer(.failed("\(fault)")), to: ReplyAddress(routingKey: routingKey, correlationID: correlationID))
        }
    }

    // MARK: - From code

    /// What the code asked for, as history is to hold it.
    ///
    /// - Parameter contents: What must be stored first.
    func sealed(
        _ actions: [OrchestratorAction], of entry: InstanceEntry, contents: inout [SealedPayload.Content]
    ) throws(EpisodeEnd) -> [OrchestratorAction] {
        let state = entry.state
        do {
            return try parts.payloads.sealed(actions, contents: &contents) {
                $0.payloadOwner(state.id, state.executionID, parent: state.parent)
            }
        } catch {
            throw .held(OperatorText.payloadFault(error, of: state))
        }
    }

    /// Stores what the batch's episodes refer to, then finishes these; those whose payloads are not stored are held, and
    /// run again later.
    func finishPending(in batch: inout Batch) async throws(PartitionEnd) {
        let pending = batch.pending
        batch.pending = []
        let stored = await storePatience.results(
            of: pending.map { episode in
                { [payloads = parts.payloads, contents = episode.contents] () async throws(PayloadFault) in
                    for content in contents { try await payloads.store(content) }
                }
            })
        for (episode, stored) in zip(pending, stored) {
            if case .failure(let fault) = stored {
                hold(episode.entry, OperatorText.payloadFault(fault, of: episode.entry.state), in: &batch)
                retryLater(episode.entry.state.id)
            } else {
                try finish(episode.entry, over: episode.events, actions: episode.actions, in: &batch)
                if episode.entry.state.mayAdmitUpdates { askAgain(episode.entry.state.id) }
            }
        }
    }

    // MARK: - Fetching

    /// Holds the instance until the payloads are here that its code is to be given.
    func park(_ entry: InstanceEntry, until references: [StoredPayload], in batch: inout Batch) {
        let id = entry.state.id
        // What its code was given already. What new events brought is kept until all of it is here.
        if entry.rebuilding != nil { fetches.arrived[id] = nil }
        let hold = OperatorText.waitsForPayloads(references.count, entry.state)
        apply(InstanceChange(instanceID: id, time: batch.now, hold: .set(hold)), to: entry, in: &batch)
        fetches.want(references, for: id)
        startFetches()
    }

    private func startFetches() {
        while let (id, references, bytes) = fetches.takeNext() {
            Task { [weak self, payloads = parts.payloads] in
                let result: Result<[StoredPayload: Payload], PayloadFault>
                do throws(PayloadFault) {
                    result = .success(try await payloads.fetch(references))
                } catch {
                    result = .failure(error)
                }
                await self?.payloadsArrived(for: id, result, bytes)
            }
        }
    }

    private func payloadsArrived(
        for id: InstanceID, _ result: Result<[StoredPayload: Payload], PayloadFault>, _ bytes: Int
    ) {
        fetches.finish(id, result, bytes)
        startFetches()
        signal.raise()
    }

    /// Has a held instance try again after a while, longer each time.
    func retryLater(_ id: InstanceID) {
        let pause = fetches.nextPause(for: id)
        Task { [weak self, clock = parts.clock] in
            await clock.sleep(for: pause)
            await self?.retryNow(id)
        }
    }

    private func retryNow(_ id: InstanceID) {
        fetches.ready.append(id)
        signal.raise()
    }

    /// Lets those run whose payloads have come, and says what became of those whose have not.
    func runFetched(into batch: inout Batch, limit: Int) throws(PartitionEnd) {
        let some = fetches.ready.prefix(limit)
        fetches.ready.removeFirst(some.count)
        for id in some {
            // It may have been terminated meanwhile, or released.
            let isAsked = fetches.queries[id] != nil
            resumeQueries(of: id)
            guard let entry = try entry(for: id), let hold = entry.state.hold, hold.isForPayloads else {
                if !isAsked { fetches.forget(id) }
                fetches.faults[id] = nil
                continue
            }
            if let fault = fetches.faults.removeValue(forKey: id) {
                let reason = OperatorText.payloadFault(fault, of: entry.state)
                if hold != reason { self.hold(entry, reason, in: &batch) }
                retryLater(id)
                continue
            }
            let change = InstanceChange(instanceID: id, time: batch.now, hold: .set(nil))
            fold(change, into: entry)
            batch.note(change, of: entry)
        }
    }
}

/// An episode whose code has run, and whose payloads are not stored yet.
struct PendingEpisode {
    var entry: InstanceEntry
    var events: [HistoryEvent]
    var actions: [OrchestratorAction]
    var contents: [SealedPayload.Content]
}

extension Hold {
    /// Whether what it waits for is a payload: nothing but that keeps it from running.
    fileprivate var isForPayloads: Bool { code == "DTQ2018" || code == "DTQ2019" }
}
