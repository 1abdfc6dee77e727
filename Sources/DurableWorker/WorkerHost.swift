package import DurableBackend
package import DurableCore
package import DurableEngine
package import DurableTask
package import Logging

/// One worker process: its share of the partitions, its activity slots, and its word to the fleet.
package actor WorkerHost {
    package struct Parts: Sendable {
        package var worker: WorkerID
        package var descriptor: HubDescriptor
        package var registry: Registry
        package var transport: any MessageTransport
        package var storage: any PartitionStorage
        package var epochs: any EpochAuthority
        package var clock: any EngineClock
        package var configuration: WorkerConfiguration
        package var instruments: EngineInstruments

        package init(
            worker: WorkerID, descriptor: HubDescriptor, registry: Registry, transport: any MessageTransport,
            storage: any PartitionStorage, epochs: any EpochAuthority, clock: any EngineClock,
            configuration: WorkerConfiguration, instruments: EngineInstruments = EngineInstruments()
        ) {
            self.worker = worker
            self.descriptor = descriptor
            self.registry = registry
            self.transport = transport
            self.storage = storage
            self.epochs = epochs
            self.clock = clock
            self.configuration = configuration
            self.instruments = instruments
        }
    }

    private struct Owned {
        var owner: PartitionOwner
        var task: Task<Void, Never>
        var isStopping = false
    }

    private let parts: Parts
    private let logger: Logger
    private let startedAt: Timestamp
    private let startedUptime: Duration
    private let threads: [any PartitionExecutor]
    private let activities: ActivityHost
    private var fleet: FleetMember?
    private var owners: [PartitionID: Owned] = [:]  // sorted before use
    private var state = WorkerHeartbeat.State.starting
    private var receipt = WorkerReceipt()
    private let stopRequested = Signal()

    package init(_ parts: Parts, logger: Logger) {
        self.parts = parts
        var logger = logger
        logger[metadataKey: "worker"] = "\(parts.worker)"
        self.logger = logger
        startedAt = parts.clock.now()
        startedUptime = parts.clock.uptime()
        threads = (0..<max(1, parts.configuration.partitionThreads)).map { _ in parts.instruments.makeExecutor() }
        activities = ActivityHost(
            .init(
                topology: parts.descriptor.topology, registry: parts.registry, transport: parts.transport,
                clock: parts.clock, slots: parts.configuration.slots,
                payloadLimit: parts.configuration.engine.payloadLimit,
                defect: parts.configuration.engine.defect),
            logger: logger)
    }

    /// Works until `stop()`.
    ///
    /// - Returns: What became of the work in hand.
    /// - Throws: What kept the worker from starting: the broker's refusal of its work queues, no connection.
    package func run() async throws -> WorkerReceipt {
        let configuration = parts.configuration
        if configuration.runsActivities {
            try await declareWorkQueues()
        }
        let fleet = FleetMember(
            worker: parts.worker, transport: parts.transport, topology: parts.descriptor.topology, clock: parts.clock,
            interval: configuration.heartbeatInterval, logger: logger, describe: { await self.heartbeat() })
        self.fleet = fleet
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await fleet.run { await self.rebalance() } }
            if configuration.runsActivities { group.addTask { await self.activities.run() } }
            group.addTask {
                await self.parts.clock.sleep(for: configuration.settlingTime)
                await self.settle()
            }
            await stopRequested.wait()
            await shutDown()
            await fleet.leave()
            group.cancelAll()
        }
        for thread in threads { thread.stop() }
        return receipt
    }

    /// Declaring is idempotent: a connection lost meanwhile is no reason to give up.
    private func declareWorkQueues() async throws {
        let topology = parts.descriptor.topology.work(activities: parts.registry.activityNames)
        for _ in 0..<5 {
            do throws(TransportError) {
                return try await parts.transport.declare(topology)
            } catch {
                guard case .connectionLost = error else { throw error }
                logger.info("lost the connection while declaring work queues, trying again")
                await parts.clock.sleep(for: .milliseconds(200))
            }
        }
        try await parts.transport.declare(topology)
    }

    /// Asks the worker to stop in order. Returns at once.
    package nonisolated func stop() { stopRequested.raise() }

    /// Counters of the partitions owned here, in order of partitions.
    package func statistics() async -> [PartitionStatistics] {
        var all: [PartitionStatistics] = []
        for (_, owned) in owners.sorted(by: { $0.key < $1.key }) {
            if let (statistics, _) = await owned.owner.status() { all.append(statistics) }
        }
        return all
    }

    // MARK: - Partitions

    private func settle() async {
        guard state == .starting else { return }
        state = .active
        await rebalance()
        fleet?.announce()
    }

    /// Waits for the partitions this worker should have or stand by for, and gives up those it should not.
    private func rebalance() async {
        guard state == .active, parts.configuration.runsOrchestrations, let fleet else { return }
        let peers = await fleet.peers.filter { $0.runsOrchestrations && ($0.state == .active || $0.state == .starting) }
        let candidates = PartitionAssignment.candidates(
            partitionCount: parts.descriptor.partitionCount, workers: peers.map(\.worker) + [parts.worker])
        for (index, candidates) in candidates.enumerated() {
            let partition = PartitionID(index)
            guard state == .active else { return }
            if owners[partition] == nil, mayWait(asOneOf: candidates) { startOwner(of: partition) }
            guard let owned = owners[partition], !owned.isStopping else { continue }
            let isOwnedElsewhere = peers.contains { $0.partitions.contains { $0.partition == partition } }
            await owned.owner.replaceLostBaton(isOwnedElsewhere: isOwnedElsewhere)
            if await mustLeave(owned.owner, candidates: candidates, peers: peers) {
                owners[partition]?.isStopping = true
                logger.info("handing partition \(partition) over to \(candidates.first?.value ?? "another worker")")
                await owned.owner.stop()
            }
        }
    }

    /// The broker gives a free partition to whoever waits first: in a fleet that starts together those that stand by
    /// leave the others time to come first.
    private func mayWait(asOneOf candidates: [WorkerID]) -> Bool {
        if candidates.first == parts.worker { return true }
        let age = parts.clock.uptime() - startedUptime
        return candidates.contains(parts.worker)
            && age >= parts.configuration.settlingTime + parts.configuration.heartbeatInterval
    }

    private func mustLeave(
        _ owner: PartitionOwner, candidates: [WorkerID], peers: [WorkerHeartbeat]
    ) async -> Bool {
        if candidates.first == parts.worker { return false }
        guard let status = await owner.status() else { return !candidates.contains(parts.worker) }
        // Owning what another should have: once that one is ready, and not in too quick a change.
        return peers.contains { $0.worker == candidates.first && $0.state == .active }
            && status.age >= parts.configuration.minimumTenure
    }

    private func startOwner(of partition: PartitionID) {
        let fleet = fleet
        let owner = PartitionOwner(
            .init(
                partition: partition, descriptor: parts.descriptor, worker: parts.worker, storage: parts.storage,
                epochs: parts.epochs,
                executor: NativeExecutor(registry: parts.registry, options: .init(logger: logger)),
                transport: parts.transport, clock: parts.clock, configuration: parts.configuration.engine,
                thread: threads[partition.index % threads.count],
                probe: parts.instruments.probe),
            logger: logger, onChange: { fleet?.announce() })
        owners[partition] = Owned(
            owner: owner,
            task: Task {
                await owner.run()
                self.ended(partition)
            })
    }

    private func ended(_ partition: PartitionID) { owners[partition] = nil }

    // MARK: - Stopping

    private func shutDown() async {
        let started = parts.clock.uptime()
        state = .draining
        fleet?.announce()
        logger.info("stopping: no new activities; running ones have \(parts.configuration.gracePeriod)")
        // Partitions go on serving while activities finish, so that their completions are taken here.
        if parts.configuration.runsActivities {
            receipt = await activities.stop(grace: parts.configuration.gracePeriod)
        }
        let all = owners.sorted { $0.key < $1.key }.map(\.value)
        for owned in all {
            if await owned.owner.status() != nil { receipt.releasedPartitions += 1 }
            await owned.owner.stop()
        }
        for owned in all { await owned.task.value }
        receipt.duration = parts.clock.uptime() - started
    }

    // MARK: - Heartbeat

    private func heartbeat() async -> WorkerHeartbeat {
        var partitions: [WorkerHeartbeat.Partition] = []
        var episodes: UInt64 = 0
        for (partition, owned) in owners.sorted(by: { $0.key < $1.key }) {
            guard let (statistics, _) = await owned.owner.status() else { continue }
            episodes += statistics.episodeCount
            partitions.append(
                .init(
                    partition: partition, epoch: statistics.epoch, inFlight: statistics.inFlight,
                    outbox: statistics.outbox, heldInstances: statistics.heldInstances, nextDue: statistics.nextDue))
        }
        let configuration = parts.configuration
        return WorkerHeartbeat(
            worker: parts.worker, state: state, time: parts.clock.now(), startedAt: startedAt,
            intervalMilliseconds: Int(configuration.heartbeatInterval / .milliseconds(1)),
            buildVersion: configuration.buildVersion, runsOrchestrations: configuration.runsOrchestrations,
            runsActivities: configuration.runsActivities,
            orchestrations: configuration.runsOrchestrations ? parts.registry.orchestrationNames : [],
            activities: configuration.runsActivities ? await activities.activities : [],
            slots: configuration.runsActivities ? configuration.slots : 0, partitions: partitions,
            episodeCount: episodes, activityRunCount: await activities.runCount)
    }
}
