import DurableBackend
import DurableCore
import DurableMemory
import DurableWire

/// Answers as a worker that owns every partition would, from a table the test fills.
final class ScriptedOwner: Sendable {
    struct Script: Sendable {
        var instances: [InstanceSnapshot] = []
        var histories: [InstanceID: [HistoryEvent]] = [:]
        var heartbeats: [WorkerHeartbeat] = []
        /// What a new instance becomes at once.
        var outcome: @Sendable (InstanceSnapshot) -> InstanceSnapshot = { $0 }
        var givesVerdicts = true
        /// What instances answer to queries by name.
        var handlers: [String: @Sendable (InstanceSnapshot, Payload?) -> QueryAnswer] = [:]
        /// What becomes of the updates whose requests come, and what is known of updates by ID.
        var outcomes: @Sendable (UpdateRequest) -> UpdateOutcome = { .completed($0.input) }
        var updates: [UpdateID: UpdateOutcome] = [:]
        /// Questions to leave unanswered before the first answer.
        var ignoredQueries = 0
        /// Questions to answer with "not found" before the first other answer.
        var unknownAnswers = 0
        /// Control messages are fetched, and not looked at before so many questions have come.
        var questionsBeforeMessages = 0
        /// Partitions that cannot purge.
        var purgeFailures: Set<PartitionID> = []
        /// Items a page of a list or history has at most, whatever was asked for.
        var pageLimit = 1000
        /// What a worker that is asked to drain says next; nil: nothing.
        var drained: @Sendable (WorkerHeartbeat) -> WorkerHeartbeat? = { _ in nil }
    }

    private struct State {
        var script: Script
        var messages: [Message] = []
        var fetched: [Message] = []
        var helloCount = 0
        var queryCount = 0
        var drains: [DrainRequest] = []
    }

    private let state: PlatformLock<State>
    private let topology: HubTopology
    private let clock: any EngineClock
    private let transport: MemoryTransport
    private let reader = PlatformLock<Task<Void, Never>?>(nil)

    /// Control messages received, in order of arrival.
    var messages: [Message] { state.withLock(\.messages) }
    /// Roll calls answered so far.
    var helloCount: Int { state.withLock(\.helloCount) }
    var queryCount: Int { state.withLock(\.queryCount) }
    var drains: [DrainRequest] { state.withLock(\.drains) }

    private init(_ bench: Bench, _ script: Script) {
        state = PlatformLock(State(script: script))
        topology = bench.topology
        clock = bench.clock
        transport = bench.broker.connect(as: "owner")
    }

    /// Starts to serve; returns once it consumes every queue.
    static func serve(_ bench: Bench, _ script: Script = Script()) async throws -> ScriptedOwner {
        let owner = ScriptedOwner(bench, script)
        let topology = bench.topology
        let channel = try await owner.transport.openChannel()
        try await channel.declarePrivateQueue(
            name: "fleet-of-owner", bindings: [PrivateBinding(exchange: topology.name(.fleet), routingKey: "")])
        try await channel.consume(
            queue: "fleet-of-owner", consumerTag: "fleet", prefetch: 100, from: nil, exclusive: true)
        for partition in topology.partitions {
            try await channel.consume(
                queue: topology.queue(.control, partition), consumerTag: "control.\(partition)", prefetch: 500,
                from: nil, exclusive: false)
            try await channel.consume(
                queue: topology.queue(.query, partition), consumerTag: "query.\(partition)", prefetch: 500, from: nil,
                exclusive: false)
        }
        let task = Task { [weak owner] in
            do {
                for try await batch in channel.deliveries {
                    for delivery in batch {
                        try await owner?.handle(delivery)
                        channel.acknowledge(delivery.tag, multiple: false)
                    }
                }
            } catch {}
            await channel.close()
        }
        owner.reader.withLock { $0 = task }
        return owner
    }

    deinit { reader.withLock { $0?.cancel() } }

    func change(_ body: (inout Script) -> Void) { state.withLock { body(&$0.script) } }

    private func handle(_ delivery: Delivery) async throws {
        if delivery.consumerTag == "fleet" {
            if delivery.properties.type == "FleetHello" { try await answerRollCall() }
            if delivery.properties.type == "DrainRequest" { try await drain(try DrainRequest(wire: delivery.body)) }
        } else if delivery.consumerTag.hasPrefix("control") {
            for message in try MessageBatch(wire: delivery.body).messages { try await handle(message) }
        } else {
            let query = try Question(wire: delivery.body)
            let partition = PartitionID(Int(delivery.consumerTag.dropFirst("query.".count)) ?? 0)
            let fetched = state.withLock { state -> [Message] in
                state.queryCount += 1
                if state.queryCount <= state.script.questionsBeforeMessages { return [] }
                defer { state.fetched = [] }
                return state.fetched
            }
            for message in fetched { try await take(message) }
            let answer = state.withLock { state -> QueryAnswer? in
                if state.script.ignoredQueries > 0 {
                    state.script.ignoredQueries -= 1
                    return nil
                }
                if state.script.unknownAnswers > 0 {
                    state.script.unknownAnswers -= 1
                    return .notFound
                }
                return state.script.answer(query, partition, of: topology.partitionCount)
            }
            if let answer, let key = delivery.properties.replyTo, let id = delivery.properties.correlationID {
                try await reply(.answer(answer), to: ReplyAddress(routingKey: key, correlationID: id))
            }
        }
    }

    private func handle(_ message: Message) async throws {
        let isForLater = state.withLock { state in
            state.messages.append(message)
            if state.queryCount >= state.script.questionsBeforeMessages { return false }
            state.fetched.append(message)
            return true
        }
        if !isForLater { try await take(message) }
    }

    private func take(_ message: Message) async throws {
        let now = clock.now()
        let verdict = state.withLock { state -> Verdict? in
            let verdict = state.script.take(message, at: now)
            return state.script.givesVerdicts ? verdict : nil
        }
        if let verdict, let address = message.reply { try await reply(.verdict(verdict), to: address) }
    }

    private func drain(_ request: DrainRequest) async throws {
        let heartbeats = state.withLock { state in
            state.drains.append(request)
            return state.script.heartbeats.filter { request.workers.contains($0.worker) }
                .compactMap(state.script.drained)
        }
        try await publish(heartbeats)
    }

    private func answerRollCall() async throws {
        try await publish(state.withLock { $0.script.heartbeats })
        state.withLock { $0.helloCount += 1 }
    }

    private func publish(_ heartbeats: [WorkerHeartbeat]) async throws {
        _ = try await transport.publish(
            heartbeats.map {
                OutgoingMessage(
                    exchange: topology.name(.fleet), routingKey: "",
                    properties: MessageProperties(type: "WorkerHeartbeat", isPersistent: false), body: $0.wireBytes,
                    isMandatory: false)
            })
    }

    private func reply(_ body: Reply.Body, to address: ReplyAddress) async throws {
        let reply = Reply(
            correlationID: address.correlationID, partition: PartitionID(0), epoch: Epoch(generation: 1, offset: 1),
            body: body)
        _ = try await transport.publish([
            OutgoingMessage(
                exchange: topology.name(.reply), routingKey: address.routingKey,
                properties: MessageProperties(type: "Reply", isPersistent: false), body: reply.wireBytes,
                isMandatory: false)
        ])
    }
}

extension ScriptedOwner.Script {
    fileprivate func find(_ id: InstanceID) -> InstanceSnapshot? { instances.first { $0.id == id } }

    fileprivate mutating func take(_ message: Message, at now: Timestamp) -> Verdict {
        let existing = find(message.instanceID)
        switch message.event.kind {
        case .executionStarted(let start):
            if let existing {
                let isEnded = existing.status.isTerminal
                guard isEnded ? message.idReuse.ended == .allow : message.idReuse.running == .terminate else {
                    return !isEnded && message.idReuse.running == .useExisting ? .joined : .exists
                }
                instances.removeAll { $0.id == existing.id }
            }
            var instance = InstanceSnapshot(
                id: start.instanceID, executionID: start.executionID, name: start.name, status: .running)
            instance.createdAt = now
            instance.lastUpdatedAt = now
            instance.input = start.input
            instance.version = start.version
            instance.tags = start.tags
            instances.append(outcome(instance))
            return .created
        case .updateRequested(let request):
            guard let existing else { return .notFound }
            if updates[request.id] != nil { return .duplicate }
            if existing.status.isTerminal { return .ended }
            updates[request.id] = outcomes(request)
            return .accepted
        case .entityOperationSignaled: return .accepted
        case .executionRewound:
            guard let existing else { return .notFound }
            if existing.status != .failed { return .notFailed }
            return existing.id.value.hasPrefix("hasty") ? .notRewindable : .accepted
        default:
            guard let existing else { return .notFound }
            return existing.status.isTerminal ? .ended : .accepted
        }
    }

    fileprivate mutating func answer(_ query: Question, _ partition: PartitionID, of count: Int) -> QueryAnswer? {
        switch query {
        case .status(let id): return find(id).map(QueryAnswer.status) ?? .notFound
        case .history(let id, let after, let limit):
            guard let events = histories[id] else { return .notFound }
            let page = events.dropFirst(after + 1).prefix(min(limit, pageLimit))
            return .history(
                Array(page), of: find(id)?.executionID, isComplete: after + 1 + page.count >= events.count)
        case .wait(let id):
            guard let instance = find(id) else { return .notFound }
            return instance.status.isTerminal ? .status(instance) : nil
        case .list(let filter, let after, let limit):
            let matches = fitting(filter, partition, of: count).filter { instance in
                after.map { ListCursor(createdAt: instance.createdAt, id: instance.id) > $0 } ?? true
            }.sorted { ($0.createdAt, $0.id) < ($1.createdAt, $1.id) }
            let page = matches.prefix(min(limit, pageLimit))
            return .list(Array(page), isComplete: page.count == matches.count)
        case .release(let id):
            guard let instance = find(id) else { return .notFound }
            return .released(instance.holdCode.map { Hold(code: $0, text: instance.holdText ?? "") })
        // Only workers ask that.
        case .attempt: return .mayRun(false)
        case .heartbeat: return .tasks([])
        case .handler(let id, let name, let input):
            guard let instance = find(id) else { return .notFound }
            return handlers[name]?(instance, input)
                ?? .failed("DTQ2015 instance \(id) (\(instance.name)) has no handler of query \"\(name)\"")
        case .update(let id, let updateID):
            guard let instance = find(id) else { return .notFound }
            return updates[updateID].map(QueryAnswer.update) ?? .unknownUpdate(instance.status)
        case .redrive: return .redriven(Redriven(tasks: 3, messages: partition.index, timers: 1200))
        case .counts: return counts(ListFilter(), partition, of: count)
        case .count(let filter): return counts(filter, partition, of: count)
        case .purge(let ids):
            if purgeFailures.contains(partition) { return .failed("its disk is full") }
            var purged = QueryAnswer.Purged()
            for id in ids {
                guard let instance = find(id) else {
                    purged.missing.append(id)
                    continue
                }
                if !instance.status.isTerminal {
                    purged.running.append(id)
                    continue
                }
                purged.instances += 1
                purged.events += instance.historyCount
                instances.removeAll { $0.id == id }
            }
            return .purged(purged)
        }
    }

    private func fitting(_ filter: ListFilter, _ partition: PartitionID, of count: Int) -> [InstanceSnapshot] {
        instances.filter { instance in
            instance.id.partition(of: count) == partition
                && (filter.statuses.isEmpty || filter.statuses.contains(instance.status))
                && (filter.name ?? instance.name) == instance.name
                && instance.id.value.hasPrefix(filter.idPrefix ?? "")
                && (filter.createdFrom.map { instance.createdAt >= $0 } ?? true)
                && (filter.createdTo.map { instance.createdAt < $0 } ?? true)
                && filter.tags.allSatisfy { $0.fits(instance.tags) }
                && (filter.parent ?? instance.parent) == instance.parent
        }
    }

    private func counts(_ filter: ListFilter, _ partition: PartitionID, of count: Int) -> QueryAnswer {
        let own = fitting(filter, partition, of: count)
        return .counts(
            OrchestrationStatus.allCases.compactMap { status in
                let count = own.count { $0.status == status }
                return count == 0 ? nil : .init(status: status, count: count)
            })
    }
}
