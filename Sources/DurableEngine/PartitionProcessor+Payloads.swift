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

    /// The next stored payloads that replay needs, no more than fit into memory at a time.
    private func missing(
        in events: ArraySlice<HistoryEvent>, _ entry: InstanceEntry
    ) throws(EpisodeEnd) -> [StoredPayload] {
        var (references, bytes) = ([StoredPayload](), 0)
        for event in events {
            guard case .missing(let reference) = try content(of: event, entry) else { continue }
            if !references.isEmpty, bytes + reference.size > PayloadFetches.chunkBytes || references.count >= 64 {
                break
            }
            references.append(reference)
            bytes += reference.size
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
        let faults = await store(pending.map(\.contents))
        for (episode, fault) in zip(pending, faults) {
            if let fault {
                hold(episode.entry, OperatorText.payloadFault(fault, of: episode.entry.state), in: &batch)
                retryLater(episode.entry.state.id)
            } else {
                try finish(episode.entry, over: episode.events, actions: episode.actions, in: &batch)
                if episode.entry.state.mayAdmitUpdates { askAgain(episode.entry.state.id) }
            }
        }
    }

    /// How long a checkpoint waits for the payload store at most.
    private static var storePatience: Duration { .seconds(10) }

    /// - Returns: Of each list why not all of it is stored; nil: it is.
    private func store(_ lists: [[SealedPayload.Content]]) async -> [PayloadFault?] {
        let late = PayloadFault(
            .unavailable, "DTQ2019", "the payload store does not answer",
            remedy: "See to it that it can be reached; nothing is lost meanwhile")
        // It has just failed: neighbours are not to wait for it again and again.
        if parts.clock.uptime() < fetches.troubleEnd { return lists.map { _ in late } }
        let deadline = parts.clock.uptime() + Self.storePatience
        let outcomes = PlatformLock([PayloadFault??](repeating: nil, count: lists.count))
        let finished = Signal()
        for (index, contents) in lists.enumerated() {
            // Not in a group: one that does not answer cannot be waited for.
            Task { [payloads = parts.payloads] in
                var fault: PayloadFault?
                do throws(PayloadFault) {
                    for content in contents { try await payloads.store(content) }
                } catch {
                    fault = error
                }
                outcomes.withLock { $0[index] = .some(fault) }
                finished.raise()
            }
        }
        let alarm = finished.raise(after: Self.storePatience, by: parts.clock)
        while outcomes.withLock({ $0.contains { $0 == nil } }), parts.clock.uptime() < deadline, !Task.isCancelled {
            await finished.wait()
        }
        alarm.cancel()
        let faults = outcomes.withLock { $0 }.map { $0 ?? late }
        if faults.contains(where: { $0 != nil }) { fetches.troubleEnd = parts.clock.uptime() + .seconds(5) }
        return faults
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
