package import DurableBackend
package import DurableCore
import DurableWire
import Logging

/// A client that waits for an instance's end.
struct Waiter {
    var address: ReplyAddress
    /// By the clock's uptime.
    var expires: Duration
    /// The update whose end it waits for; nil: the instance's.
    var updateID: UpdateID?
}

extension PartitionProcessor {
    /// Has questions come to the channel that holds the baton. To be done when an epoch is claimed and before it is
    /// begun, since it shows that the broker still knows the channel. A worker that stood still finds the baton of a
    /// channel in its sockets that was given up long ago: with that it must not begin an epoch, which would fence the
    /// present owner off without that one's learning of it while it has nothing to do.
    package static func takeQuestions(
        on channel: any ConsumerChannel, of partition: PartitionID, in descriptor: HubDescriptor
    ) async throws(TransportError) {
        try await channel.consume(
            queue: descriptor.topology.queue(.query, partition), consumerTag: ConsumerTag.query, prefetch: 64,
            from: nil, exclusive: false)
    }

    /// Answers what clients asked, from durable state.
    func answerQueries() async throws(PartitionEnd) {
        let asked = withheld.retriedQueries + queries
        let end = position
        for delivery in queries { parts.channel.acknowledge(delivery.tag, multiple: false) }
        withheld.retriedQueries = []
        queries = []
        for delivery in asked {
            guard let routingKey = delivery.properties.replyTo, let correlationID = delivery.properties.correlationID
            else { continue }
            let address = ReplyAddress(routingKey: routingKey, correlationID: correlationID)
            do {
                let query = try Question(wire: delivery.body)
                if try mustWaitForArchive(query) {
                    deferQuery(delivery, address)
                    continue
                }
                if let answer = try await answer(query, to: address, delivery, asked: end) {
                    reply(.answer(answer), to: address)
                }
            } catch let end as PartitionEnd {
                throw end
            } catch let error as StoreError {
                throw PartitionEnd(error)
            } catch {
                reply(.answer(.failed("DTQ3001 the question cannot be decoded: \(error)")), to: address)
            }
        }
    }

    /// - Parameter asked: The log's end when the question was taken.
    /// - Returns: nil when the answer comes later.
    private func answer(
        _ query: Question, to address: ReplyAddress, _ delivery: Delivery, asked: LogPosition
    ) async throws -> QueryAnswer? {
        let store = parts.storage.store
        switch query {
        case .status(let id):
            guard let entry = try entry(for: id) else { return .notFound }
            return .status(snapshot(entry.state, input: try input(of: entry)))
        case .history(let id, let after, let limit):
            guard let entry = try entry(for: id) else { return .notFound }
            return try history(of: entry, from: max(-1, min(after, .max - 1)) + 1, limit: min(max(limit, 1), 10_000))
        case .list(let filter, let after, let limit):
            try await flush()
            let limit = min(max(limit, 1), 1000)
            let states = try store.list(filter, after: after, limit: limit + 1)
            return .list(
                states.prefix(limit).map { state in
                    var snapshot = snapshot(state, input: nil)
                    snapshot.output = nil
                    snapshot.entity?.state = nil
                    return snapshot
                }, isComplete: states.count <= limit)
        case .wait(let id):
            guard let entry = try entry(for: id) else { return .notFound }
            if entry.state.status.isTerminal { return .status(InstanceSnapshot(entry.state, input: nil)) }
            remember(Waiter(address: address, expires: parts.clock.uptime() + .seconds(15)), for: id)
            return nil
        case .redrive:
            try await startRedrive(for: address)
            return nil
        case .release(let id):
            guard let entry = try entry(for: id) else { return .notFound }
            guard let hold = entry.state.hold else { return .released(nil) }
            if delivery.isRedelivered {
                // Its acknowledgement had not left the worker that ran it: that one has ended by it, or lost its channel.
                return .failed(
                    "the owner that released it went away before it answered. It is held, nothing is lost. See what "
                        + "became of that worker before you release it again")
            }
            try await release(entry)
            // It may be held again at once.
            return entry.state.hold.map { .failed("\($0.code) \($0.text)") } ?? .released(hold)
        case .attempt(let id, let build):
            return .mayRun(try await mayRun(id, build: build))
        case .heartbeat(let heartbeats):
            return try await takeHeartbeats(heartbeats, asked: asked)
        case .handler(let id, let name, let input):
            guard let entry = try entry(for: id) else { return .notFound }
            return try answer(of: entry, to: name, input, delivery: delivery)
        case .update(let id, let updateID):
            guard let entry = try entry(for: id) else { return .notFound }
            return try outcome(of: updateID, entry, for: address)
        case .counts:
            try await flush()
            return .counts(try store.counts())
        case .count(let filter):
            try await flush()
            return .counts(try store.counts(filter))
        case .purge(let ids):
            return .purged(try await purge(ids))
        }
    }

    /// Lets a held instance run on what it has. That and what comes of it are one checkpoint: should its code end this
    /// worker, it is still held.
    private func release(_ entry: InstanceEntry) async throws(PartitionEnd) {
        var batch = newBatch(at: parts.clock.now())
        let change = InstanceChange(instanceID: entry.state.id, time: batch.now, hold: .set(nil))
        fold(change, into: entry)
        batch.note(change, of: entry)
        logger.notice("instance \(entry.state.id) may try again, as asked")
        try await run(batch)
    }

    private func input(of entry: InstanceEntry) throws -> Payload? {
        for event in try firstEvents(of: entry) + entry.state.inbox {
            if case .executionStarted(let start) = event.kind { return start.input }
        }
        return nil
    }

    private func firstEvents(of entry: InstanceEntry) throws -> [HistoryEvent] {
        if entry.flushedCount == 0 { return entry.unflushed }
        return try parts.storage.store.history(of: entry.state.id, from: 0, byteLimit: 1)
    }

    private func history(of entry: InstanceEntry, from first: Int, limit: Int) throws -> QueryAnswer {
        var events: [HistoryEvent] = []
        var bytes = 0
        // Replies stay small enough for any broker; the client asks for the rest.
        let byteLimit = 1 << 20
        func take(_ page: some Sequence<HistoryEvent>) {
            for event in page {
                if events.count >= limit || bytes >= byteLimit { return }
                events.append(event)
                bytes += event.estimatedBytes
            }
        }
        var position = first
        while position < entry.flushedCount, events.count < limit, bytes < byteLimit {
            let page = try parts.storage.store.history(of: entry.state.id, from: position, byteLimit: 256 << 10)
            if page.isEmpty { break }
            position += page.count
            take(page)
        }
        if first + events.count >= entry.flushedCount {
            take(entry.unflushed.dropFirst(max(0, first + events.count - entry.flushedCount)))
        }
        return .history(
            events, of: entry.state.executionID, isComplete: first + events.count >= entry.state.historyCount)
    }

    // MARK: - Waiting clients

    func remember(_ waiter: Waiter, for id: InstanceID) {
        let now = parts.clock.uptime()
        if waiterCount >= parts.configuration.waiterLimit {
            waiters = waiters.compactMapValues { list in
                let alive = list.filter { $0.expires > now }
                return alive.isEmpty ? nil : alive
            }
            waiterCount = waiters.values.reduce(0) { $0 + $1.count }
            // Still too many: this client hears nothing and asks again.
            if waiterCount >= parts.configuration.waiterLimit { return }
        }
        var list = waiters[id] ?? []
        let before = list.count
        list.removeAll { $0.address == waiter.address || $0.expires <= now }
        list.append(waiter)
        waiters[id] = list
        waiterCount += list.count - before
    }

    func answerWaiters(of entry: InstanceEntry) {
        guard let list = waiters.removeValue(forKey: entry.state.id) else { return }
        waiterCount -= list.count
        let snapshot = InstanceSnapshot(entry.state, input: nil)
        // Those who wait for updates have been answered: an instance that ends ends them all.
        for waiter in list where waiter.updateID == nil { reply(.answer(.status(snapshot)), to: waiter.address) }
    }
}
