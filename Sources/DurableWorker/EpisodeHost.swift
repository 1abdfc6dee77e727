import DurableBackend
import DurableClient
import DurableCore
import DurableEngine
import DurableWire
import Logging

/// Runs episodes for owners that lack the code: takes them from the queues of the orchestrations that are registered
/// here, replays each from its history, runs it, and publishes what the code asked for to its owner's control queue.
///
/// One at a time, on a thread of its own; nothing is kept between two episodes. An episode changes nothing by being run,
/// so it may be dropped, or run twice: the owner takes the first answer to the shipping that it waits for.
actor EpisodeHost {
    struct Parts: Sendable {
        var descriptor: HubDescriptor
        var codes: [OrchestrationCode]
        var executor: any EpisodeExecutor
        var transport: any MessageTransport
        var client: HubClient
        var payloads: any PayloadAccess
        var clock: any EngineClock
        var configuration: EngineConfiguration
        var thread: any PartitionExecutor
    }

    /// What is acknowledged when the last publish of an episode is confirmed; one of several: nothing.
    private struct Settled: Hashable, Sendable {
        var number: Int
        var channel: (any ConsumerChannel)?
        var tag: DeliveryTag

        static func == (left: Self, right: Self) -> Bool { left.number == right.number }
        func hash(into hasher: inout Hasher) { hasher.combine(number) }
    }

    let parts: Parts
    let storePatience: StorePatience
    private let topology: HubTopology
    private let logger: Logger
    private let lane: PublishLane<Settled>
    private let backingOff: Pause
    private let settled = Signal()
    private var channel: (any ConsumerChannel)?
    private var isStopping = false
    private var isBusy = false
    private var lastPublish = 0
    private(set) var runCount: UInt64 = 0

    nonisolated var unownedExecutor: UnownedSerialExecutor { parts.thread.asUnownedSerialExecutor() }

    init(_ parts: Parts, logger: Logger) {
        self.parts = parts
        storePatience = StorePatience(clock: parts.clock)
        topology = parts.descriptor.topology
        self.logger = logger
        backingOff = Pause(clock: parts.clock)
        lane = PublishLane(transport: parts.transport, clock: parts.clock, isReliable: true, logger: logger)
    }

    /// Runs until `stop`. The queues must exist.
    func run() async {
        if parts.codes.isEmpty { return }
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.lane.run { settled in await self.acknowledge(settled) } }
            await consume()
            group.cancelAll()
        }
        await parts.client.close()
    }

    /// Takes nothing more, and gives back what it has not begun; what it has is answered.
    func stop() async {
        isStopping = true
        backingOff.end()
        let deadline = parts.clock.uptime() + .seconds(10)
        while isBusy || lane.pendingCount > lane.parkedCount, parts.clock.uptime() < deadline, !Task.isCancelled {
            let timeout = settled.raise(after: .milliseconds(500), by: parts.clock)
            await settled.wait()
            timeout.cancel()
        }
        await channel?.close()
    }

    /// Episodes in hand of each queue: they are short.
    private static var prefetch: Int { 4 }
    /// Bytes of one message of an answer.
    private static var partBytes: Int { 1 << 20 }

    private func consume() async {
        var pause = Duration.milliseconds(100)
        while !isStopping, !Task.isCancelled {
            do {
                let channel = try await parts.transport.openChannel()
                if isStopping { return await channel.close() }
                self.channel = channel
                // Again each time: a queue that nobody consumed for long is deleted.
                try await parts.transport.declare(topology.episodes(of: parts.codes))
                for code in parts.codes {
                    let queue = topology.episodeQueue(code)
                    try await channel.consume(
                        queue: queue, consumerTag: queue, prefetch: Self.prefetch, from: nil, exclusive: false)
                }
                if isStopping { return await channel.close() }
                pause = .milliseconds(100)
                for try await batch in channel.deliveries {
                    for delivery in batch where !isStopping {
                        isBusy = true
                        await take(delivery, on: channel)
                        isBusy = false
                        settled.raise()
                    }
                    if isStopping { return }
                }
            } catch {
                if isStopping { return }
                logger.info("lost the channel of shipped episodes, trying again", metadata: ["cause": "\(error)"])
                await backingOff.sleep(for: pause)
                pause = min(pause * 2, .seconds(10))
            }
        }
    }

    private func take(_ delivery: Delivery, on channel: any ConsumerChannel) async {
        let request: EpisodeRequest
        do {
            request = try EpisodeRequest(wire: delivery.body)
        } catch {
            return setAside(delivery, on: channel, reason: "cannot be decoded: \(error)")
        }
        do {
            if let answers = try await answers(to: request, isRedelivered: delivery.isRedelivered) {
                publish(answers.map { topology.episodeAnswer($0, to: request.partition, at: parts.clock.now()) }) {
                    Settled(number: $0, channel: channel, tag: delivery.tag)
                }
                return
            }
            logger.debug("dropped an episode that nobody waits for", metadata: ["instance": "\(request.instanceID)"])
        } catch {
            logger.info(
                "could not run episode \(request.number) of instance \(request.instanceID): its owner ships it anew",
                metadata: ["cause": "\(error)"])
        }
        channel.acknowledge(delivery.tag, multiple: false)
    }

    /// - Returns: nil when it is of no interest any more.
    private func answers(to request: EpisodeRequest, isRedelivered: Bool) async throws -> [EpisodeAnswer]? {
        // Whoever had it may have ended by its code: the owner counts.
        if isRedelivered {
            let build = parts.configuration.build
            guard try await parts.client.mayRun(request.id, build: build, of: request.partition) else { return nil }
        }
        guard
            let session = parts.executor.makeSession(
                request.code, version: request.version, instanceID: request.instanceID,
                executionID: request.executionID, patches: Set(request.patches), onEscape: {})
        else {
            logger.warning(
                "episode of \(request.code), which is not registered here, came through a queue of this worker")
            return nil
        }
        defer { session.evict() }
        runCount += 1
        let author = EpisodeAuthor(build: parts.configuration.build, version: session.registeredVersion)
        do {
            let start = try await replayHistory(of: request, in: session)
            var result = try await result(of: request, in: session)
            result.actions = try await sealed(result.actions, of: request, start)
            return EpisodeAnswer.parts(of: request.id, author, OrchestratorActions.encode(result), Self.partBytes)
        } catch is Outdated {
            return nil
        } catch let failure as EpisodeFailure {
            return [EpisodeAnswer(id: request.id, author: author, body: .failure(failure))]
        } catch let fault as PayloadFault {
            return [EpisodeAnswer(id: request.id, author: author, body: .payloadFault(fault))]
        }
    }

    /// The instance is in another execution by now, or is gone.
    private struct Outdated: Error {}

    /// - Returns: What began the execution.
    private func replayHistory(
        of request: EpisodeRequest, in session: any OrchestrationSession
    ) async throws -> ExecutionStarted? {
        if request.historyCount == request.history.count {
            try await replay(request.history, in: session)
            return request.history.executionStarted ?? request.newEvents.executionStarted
        }
        var (position, start) = (0, ExecutionStarted?.none)
        while position < request.historyCount {
            let page = try await parts.client.historyPage(
                of: request.instanceID, in: request.executionID, from: position, count: request.historyCount - position)
            guard let page else { throw Outdated() }
            if start == nil { start = page.executionStarted }
            try await replay(page, in: session)
            position += page.count
        }
        return start
    }

    /// Runs the episode: over what arrived, or over the first update that the code lets in.
    private func result(of request: EpisodeRequest, in session: any OrchestrationSession) async throws -> EpisodeResult
    {
        let events = try await opened(request.newEvents)
        if request.updates.isEmpty { return EpisodeResult(actions: try session.run(events)) }
        var result = EpisodeResult(actions: [])
        for sealed in request.updates where session.takesUpdate(named: sealed.name) {
            let update: UpdateRequest
            switch try await opened(sealed) {
            case .success(let opened): update = opened
            case .failure(let reason):
                result.rejectedUpdates.append(.init(id: sealed.id, reason: reason))
                continue
            }
            var violation: String?
            switch session.admit(update, violation: &violation) {
            case .noHandler: break
            case .rejected(let reason): result.rejectedUpdates.append(.init(id: update.id, reason: reason))
            case .admitted:
                let begin = HistoryEvent(timestamp: events[0].timestamp, kind: .updateRequested(update))
                result.actions = try session.run(events + [begin])
                result.admittedUpdate = update.id
                return result
            }
            if violation != nil {
                result.isPartial = true
                return result
            }
        }
        return result
    }

    private func setAside(_ delivery: Delivery, on channel: any ConsumerChannel, reason: String) {
        logger.warning(
            """
            DTQ3001 episode \(delivery.properties.messageID ?? "without ID") of instance \
            \(delivery.properties.correlationID ?? "unknown"): \(reason). Moved to \(topology.name(.dead)); look at it with \
            dtq dead list. See ops/errors/DTQ3001.md
            """)
        let letter = topology.deadLetter(delivery, from: delivery.consumerTag, code: "DTQ3001", reason: reason)
        publish([letter]) { Settled(number: $0, channel: channel, tag: delivery.tag) }
    }

    /// Publishes in order; the delivery is acknowledged with the last one.
    private func publish(_ messages: [OutgoingMessage], _ settled: (Int) -> Settled) {
        lane.submit(
            messages.enumerated().map { index, message in
                lastPublish += 1
                var key = settled(lastPublish)
                if index < messages.count - 1 { key.channel = nil }
                return .init(key: key, message: message)
            })
    }

    private func acknowledge(_ items: [Settled]) {
        for item in items { item.channel?.acknowledge(item.tag, multiple: false) }
        settled.raise()
    }
}

extension EpisodeAnswer {
    /// Encoded actions as one answer or several, in order.
    fileprivate static func parts(
        of id: EpisodeID, _ author: EpisodeAuthor, _ content: [UInt8], _ bytes: Int
    ) -> [EpisodeAnswer] {
        let count = max(1, (content.count + bytes - 1) / bytes)
        return (0..<count).map { index in
            let part = content[min(index * bytes, content.count)..<min((index + 1) * bytes, content.count)]
            return EpisodeAnswer(
                id: id, author: author,
                body: .actions(.init(number: index + 1, count: count, content: Array(part))))
        }
    }
}
