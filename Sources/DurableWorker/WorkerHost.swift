package import DurableBackend
import DurableClient
package import DurableCore
package import DurableEngine
package import DurableTask
package import Logging

/// One worker process: its share of the partitions, its activity slots, and its word to the fleet.
package actor WorkerHost {
    private struct Owned {
        var owner: PartitionOwner
        var task: Task<Void, Never>
        var isStopping = false
    }

    let parts: Parts
    let logger: Logger
    private let startedAt: Timestamp
    private let startedUptime: Duration
    private let threads: [any PartitionExecutor]
    /// Of others' episodes.
    var episodeThread: (any PartitionExecutor)?
    private let activities: ActivityHost
    /// Asks the owners of partitions.
    private let client: HubClient
    /// Code of the other workers.
    private let directory = CodeDirectory()
    private let watch: CodeWatch
    var episodes: EpisodeHost?
    private var fleet: FleetMember?
    private var owners: [PartitionID: Owned] = [:]  // sorted before use
    private var view: FleetView
    private var state = WorkerHeartbeat.State.starting
    private var receipt = WorkerReceipt()
    private var isEnded = false
    /// Set while partitions are given to others.
    private var handingOver: Task<Void, Never>?
    /// For whoever hands over.
    private let viewChanged = Signal()
    /// Episodes of partitions this worker no longer sees to.
    private var endedEpisodes: UInt64 = 0
    private var rates: Rates
    private let stopRequested = Signal()
    /// Grace period asked for with the first stop; nil: the configured one.
    let requestedGrace = PlatformLock<(isStopped: Bool, grace: Duration?)>((false, nil))

    package init(_ parts: Parts, logger: Logger) {
        self.parts = parts
        var logger = logger
        logger[metadataKey: "worker"] = "\(parts.worker)"
        self.logger = logger
        watch = CodeWatch(clock: parts.clock, logger: logger)
        startedAt = parts.clock.now()
        startedUptime = parts.clock.uptime()
        view = FleetView(
            worker: parts.worker, partitionCount: parts.descriptor.partitionCount,
            desertion: parts.configuration.heartbeatInterval * 3, uptime: startedUptime)
        rates = Rates(since: startedAt, interval: parts.configuration.heartbeatInterval)
        client = parts.client(mark: "/")
        threads = (0..<max(1, parts.configuration.partitionThreads)).map { _ in parts.instruments.makeExecutor() }
        activities = ActivityHost(
            .init(
                topology: parts.descriptor.topology, registry: parts.registry, transport: parts.transport,
                clock: parts.clock, slots: parts.configuration.slots,
                payloadLimit: parts.configuration.engine.payloadLimit,
                heartbeatInterval: parts.configuration.heartbeatInterval, client: client, payloads: parts.payloads,
                defect: parts.configuration.engine.defect),
            logger: logger)
    }

    /// Works until `stop()`.
    ///
    /// - Returns: What became of the work in hand.
    /// - Throws: What kept the worker from starting: the broker's refusal of its work queues.
    package func run() async throws -> WorkerReceipt {
        let configuration = parts.configuration
        if configuration.runsActivities {
            try await declareWorkQueues()
        }
        if configuration.runsOrchestrations, configuration.sharesCode { await prepareEpisodes() }
        let fleet = FleetMember(
            worker: parts.worker, transport: parts.transport, topology: parts.descriptor.topology, clock: parts.clock,
            interval: configuration.heartbeatInterval, logger: logger, describe: { await self.heartbeat() },
            onDrain: { [logger] grace in
                logger.info("asked to drain")
                self.stop(grace: grace)
            },
            onCancellation: { [activities] tasks in await activities.doubt(tasks) }, onTick: { [watch] in watch.look() }
        )
        self.fleet = fleet
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await fleet.run { await self.rebalance() } }
            if configuration.runsActivities { group.addTask { await self.activities.run() } }
            if let episodes { group.addTask { await episodes.run() } }
            group.addTask {
                await self.parts.clock.sleep(for: configuration.settlingTime)
                await self.settle()
            }
            await stopRequested.wait()
            await shutDown()
            await fleet.leave()
            group.cancelAll()
        }
        await client.close()
        for thread in threads { thread.stop() }
        episodeThread?.stop()
        return receipt
    }

    var executor: NativeExecutor {
        NativeExecutor(registry: parts.registry, options: .init(logger: logger), watch: watch)
    }

    /// Asks the worker to stop in order. Returns at once; only the first call counts.
    ///
    /// - Parameter grace: How long running activities may go on; nil: as configured.
    package nonisolated func stop(grace: Duration? = nil) {
        requestedGrace.withLock { if !$0.isStopped { $0 = (true, grace) } }
        stopRequested.raise()
    }

    /// Counters of the partitions owned here, in order of partitions.
    package func statistics() -> [PartitionStatistics] { inOrder.compactMap { $0.owner.status()?.statistics } }

    // MARK: - Partitions

    private func settle() async {
        guard state == .starting else { return }
        state = .active
        await rebalance()
        fleet?.announce()
    }

    /// Waits for the partitions this worker should have or stand by for, and gives up those it should not.
    private func rebalance() async {
        viewChanged.raise()
        await noteCode()
        if state == .draining { return await handOverToPeers() }
        guard state == .active, parts.configuration.runsOrchestrations, let fleet else { return }
        let living = await fleet.living
        let look = view.look(at: living, own: own, now: parts.clock.uptime())
        if look.mustAnnounce { fleet.announce() }
        if look.hasNewDoubts {
            Task { [weak self, clock = parts.clock] in
                await clock.sleep(for: FleetView.doubtPatience)
                await self?.rebalance()
            }
        }
        for place in look.places {
            guard state == .active else { return }
            if owners[place.partition] == nil, mayWait(at: place) { startOwner(of: place.partition) }
            if let waiting = owners[place.partition]?.owner, waiting.missesBaton, place.present.owner == nil {
                await waiting.replaceLostBaton()
            }
            guard let owned = owners[place.partition], !owned.isStopping else { continue }
            if let status = owned.owner.status() {
                guard mustHandOver(after: status.age, at: place) else { continue }
                if handingOver != nil { continue }
                logger.info("handing partition \(place.partition) over to \(place.candidates[0])")
                startHandingOver([place.partition])
            } else if !place.isFirst, place.isSpare {
                await stepBack(from: place.partition, owned.owner)
            }
        }
    }

    private func noteCode() async {
        guard parts.configuration.sharesCode, let fleet else { return }
        let news = directory.update(await fleet.living.map(\.heartbeat))
        if !news.isChanged { return }
        for owned in inOrder { owned.owner.codeChanged(news.gained) }
    }

    /// Stops waiting for a partition that another worker stands by for, unless it has come by now.
    private func stepBack(from partition: PartitionID, _ owner: PartitionOwner) async {
        // First: by the time it is known, another look may have begun to wait for the partition anew.
        owners[partition]?.isStopping = true
        if await owner.stepBack() {
            logger.debug("another worker stands by for partition \(partition)")
        } else if owners[partition]?.owner === owner, state == .active {
            owners[partition]?.isStopping = false
        } else {
            // A stop in order has passed it by.
            await owner.stop()
        }
    }

    private var own: FleetView.Own {
        var own = FleetView.Own()
        own.concerns = Set(owners.keys)
        for (partition, owned) in owners {
            if owned.owner.isStandBy { own.standBy.insert(partition) }
            own.owned[partition] = owned.owner.status()?.statistics.epoch
        }
        return own
    }

    /// The broker gives a free partition to whoever waits first: in a fleet that starts together those that stand by
    /// leave the others time to come first.
    private func mayWait(at place: PartitionPlace) -> Bool {
        if place.isFirst { return true }
        let age = parts.clock.uptime() - startedUptime
        return age >= parts.configuration.settlingTime + parts.configuration.heartbeatInterval
            && place.isNeeded
    }

    /// Owning what another should have: once that one could serve it at once and is the only one that would get it, and
    /// not in too quick a change.
    private func mustHandOver(after age: Duration, at place: PartitionPlace) -> Bool {
        !place.isFirst && place.isFirstAlone && age >= parts.configuration.minimumTenure
    }

    private func startOwner(of partition: PartitionID) {
        let fleet = fleet
        let owner = PartitionOwner(
            .init(
                partition: partition, descriptor: parts.descriptor, worker: parts.worker, storage: parts.storage,
                epochs: parts.epochs, executor: executor,
                transport: parts.transport, clock: parts.clock, configuration: parts.configuration.engine,
                thread: threads[partition.index % threads.count],
                probe: parts.instruments.probe, payloads: parts.payloads,
                directory: parts.configuration.sharesCode ? directory : nil),
            logger: logger, onChange: { fleet?.announce() })
        owners[partition] = Owned(
            owner: owner,
            task: Task {
                await owner.run()
                await self.ended(partition, owner)
            })
    }

    private func ended(_ partition: PartitionID, _ owner: PartitionOwner) async {
        let hasReleased = await owner.hasReleased
        endedEpisodes += owner.episodeCount
        if state == .draining && hasReleased { receipt.releasedPartitions += 1 }
        owners[partition] = nil
    }

    // MARK: - Stopping

    private func shutDown() async {
        let started = parts.clock.uptime()
        let grace = requestedGrace.withLock { $0.grace } ?? parts.configuration.gracePeriod
        state = .draining
        fleet?.announce()
        logger.info("stopping: no new activities; running ones have \(grace)")
        async let answered: Void? = episodes?.stop()
        async let left = parts.configuration.runsActivities ? activities.stop(grace: grace) : WorkerReceipt()
        // What others release must not come here.
        for owned in inOrder where owned.owner.status() == nil { await owned.owner.stop() }
        await handOverToPeers()
        let activities = await left
        _ = await answered
        await handOverToPeers()
        while let handingOver {
            await withTaskCancellationHandler {
                await handingOver.value
            } onCancel: {
                handingOver.cancel()
            }
        }
        // Nobody to hand over to: the completions of the last activities are taken here. The embedded mode's queues
        // would not keep them.
        let all = inOrder
        await withTaskGroup(of: Void.self) { group in
            for owned in all where !owned.isStopping {
                group.addTask { await owned.owner.catchUp(within: .seconds(2)) }
            }
        }
        for owned in inOrder where !owned.isStopping { await owned.owner.stop() }
        for owned in all { await owned.task.value }
        receipt.finishedActivities = activities.finishedActivities
        receipt.canceledActivities = activities.canceledActivities
        receipt.returnedDeliveries = activities.returnedDeliveries
        receipt.duration = parts.clock.uptime() - started
        isEnded = true
    }

    private var inOrder: [Owned] { owners.sorted { $0.key < $1.key }.map(\.value) }

    // MARK: - Handing over

    /// Gives partitions to others one after another: each stands still while it changes hands, which takes the longer
    /// the more do so at a time.
    private func startHandingOver(_ partitions: [PartitionID]) {
        let partitions = partitions.filter { owners[$0]?.isStopping == false }
        guard handingOver == nil, !partitions.isEmpty else { return }
        handingOver = Task {
            let end = parts.clock.uptime() + Self.successionPatience.all
            for partition in partitions where await hasSuccessors { await handOver(partition, until: end) }
            handingOver = nil
            await rebalance()
        }
    }

    /// How long to wait until another worker has a partition, and all of them.
    private static var successionPatience: (one: Duration, all: Duration) { (.milliseconds(250), .seconds(5)) }

    /// Whether there is somebody to take partitions, as far as is known.
    private var hasSuccessors: Bool {
        get async {
            let peers = await fleet?.living.map(\.heartbeat) ?? []
            return peers.contains { $0.runsOrchestrations && $0.state == .active }
        }
    }

    /// - Parameter end: By the clock's uptime: from then on no partition waits for the one before it.
    private func handOver(_ partition: PartitionID, until end: Duration) async {
        guard let owned = owners[partition], !owned.isStopping else { return }
        let epoch = owned.owner.status()?.statistics.epoch
        owners[partition]?.isStopping = true
        await owned.owner.stop()
        guard let epoch else { return }
        let deadline = min(parts.clock.uptime() + Self.successionPatience.one, end)
        while parts.clock.uptime() < deadline, await hasSuccessors, !Task.isCancelled {
            let heard = await fleet?.living.flatMap(\.heartbeat.partitions) ?? []
            if heard.contains(where: { $0.partition == partition && $0.epoch > epoch }) { return }
            let timeout = viewChanged.raise(after: deadline - parts.clock.uptime(), by: parts.clock)
            await viewChanged.wait()
            timeout.cancel()
        }
    }

    /// Gives the partitions up while activities still run, if there is somebody to take them: completions find their
    /// way through the control queues.
    private func handOverToPeers() async {
        if await hasSuccessors { startHandingOver(owners.keys.sorted()) }
    }

    // MARK: - Heartbeat

    private func heartbeat() async -> WorkerHeartbeat {
        // First: what becomes owned meanwhile is then in the one or the other. Who says neither and dies is not missed.
        let standBy = owners.filter { $0.value.owner.isStandBy }.keys.sorted()
        var partitions: [WorkerHeartbeat.Partition] = []
        var episodeCount = endedEpisodes
        var missing: [OrchestrationCode: Int] = [:]
        for (partition, owned) in owners.sorted(by: { $0.key < $1.key }) {
            episodeCount += owned.owner.episodeCount
            guard let (statistics, _) = owned.owner.status() else { continue }
            for code in statistics.missingCode { missing[code.code, default: 0] += code.instances }
            partitions.append(
                .init(
                    partition: partition, epoch: statistics.epoch, inFlight: statistics.inFlight,
                    outbox: statistics.outbox, heldInstances: statistics.heldInstances, nextDue: statistics.nextDue,
                    refused: statistics.refused, unflushed: statistics.unflushed))
        }
        let configuration = parts.configuration
        let runs = await activities.runCount
        rates.note(episodes: episodeCount, runs: runs, at: parts.clock.now())
        return WorkerHeartbeat(
            worker: parts.worker, state: state, time: parts.clock.now(), startedAt: startedAt,
            intervalMilliseconds: Int(configuration.heartbeatInterval / .milliseconds(1)),
            buildVersion: configuration.buildVersion, runsOrchestrations: configuration.runsOrchestrations,
            runsActivities: configuration.runsActivities,
            orchestrations: configuration.runsOrchestrations ? parts.registry.orchestrationNames : [],
            activities: configuration.runsActivities ? await activities.activities : [],
            slots: configuration.runsActivities ? configuration.slots : 0, partitions: partitions,
            episodeCount: episodeCount, activityRunCount: runs, episodesPerSecond: rates.episodesPerSecond,
            activityRunsPerSecond: rates.runsPerSecond, receipt: isEnded ? receipt : nil,
            standBy: standBy.filter { partition in !partitions.contains { $0.partition == partition } },
            codes: episodes == nil || state == .draining ? [] : parts.registry.orchestrationCodes,
            missingCode: missing.sorted { $0.key < $1.key }.map { .init(code: $0.key, instances: $0.value) })
    }
}
