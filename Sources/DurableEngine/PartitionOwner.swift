package import DurableBackend
package import DurableCore
import DurableWire
package import Logging

/// Sees to one partition for as long as this worker is a candidate for it: waits for the baton, claims an epoch, runs
/// a processor, and starts over when that ends.
package actor PartitionOwner {
    package struct Parts: Sendable {
        package var partition: PartitionID
        package var descriptor: HubDescriptor
        package var worker: WorkerID
        package var storage: any PartitionStorage
        package var epochs: any EpochAuthority
        package var executor: any EpisodeExecutor
        package var transport: any MessageTransport
        package var clock: any EngineClock
        package var configuration: EngineConfiguration
        package var thread: any PartitionExecutor
        package var probe: (any EngineProbe)?
        package var payloads: any PayloadAccess

        package init(
            partition: PartitionID, descriptor: HubDescriptor, worker: WorkerID, storage: any PartitionStorage,
            epochs: any EpochAuthority, executor: any EpisodeExecutor, transport: any MessageTransport,
            clock: any EngineClock, configuration: EngineConfiguration, thread: any PartitionExecutor,
            probe: (any EngineProbe)? = nil, payloads: any PayloadAccess = PlainPayloads()
        ) {
            self.partition = partition
            self.descriptor = descriptor
            self.worker = worker
            self.storage = storage
            self.epochs = epochs
            self.executor = executor
            self.transport = transport
            self.clock = clock
            self.configuration = configuration
            self.thread = thread
            self.probe = probe
            self.payloads = payloads
        }
    }

    private struct Standing {
        var processor: PartitionProcessor?
        /// By the clock's uptime, as is `owningSince`.
        var waitingSince: Duration?
        var owningSince: Duration?
        /// Waiting with a copy that is close to the log, or taking over from there.
        var isStandBy = false
        /// Episodes of the activations that ended.
        var endedEpisodes: UInt64 = 0

        var episodeCount: UInt64 { endedEpisodes + (processor?.statistics.episodeCount ?? 0) }
    }

    private let parts: Parts
    private let logger: Logger
    private let onChange: @Sendable () -> Void
    private let backingOff: Pause
    /// Written by the owner alone, read by anybody without waiting for it.
    private let standing = PlatformLock(Standing())
    private var processor: PartitionProcessor? { standing.withLock { $0.processor } }
    private var channel: (any ConsumerChannel)?
    private var isStopping = false
    private var hasBaton = false
    /// Whether the last activation handed the partition over in order.
    package private(set) var hasReleased = false
    /// Epochs that ended here while the process went on, newest last.
    private var survivedEpochs: [Epoch] = []
    /// Kept by a deliberate defect only.
    private var staleCache: StaleCache?

    /// - Parameter onChange: Called when the partition becomes owned or unowned here, or this worker its stand-by.
    package init(_ parts: Parts, logger: Logger, onChange: @escaping @Sendable () -> Void) {
        self.parts = parts
        self.onChange = onChange
        backingOff = Pause(clock: parts.clock)
        var logger = logger
        logger[metadataKey: "partition"] = "\(parts.partition)"
        self.logger = logger
    }

    /// Runs until `stop()`; failures are logged and tried again with growing pauses, up to 30 s.
    package func run() async {
        var pause = Duration.milliseconds(100)
        while !isStopping {
            let started = parts.clock.uptime()
            do {
                try await ownOnce()
                pause = .milliseconds(100)
            } catch {
                report(error)
                if parts.clock.uptime() - started > .seconds(30) { pause = .milliseconds(100) }
                await backingOff.sleep(for: pause)
                pause = min(pause * 2, .seconds(30))
            }
        }
    }

    /// Hands the partition over, or stops waiting for it. `run()` returns when that is done.
    package func stop() async {
        isStopping = true
        backingOff.end()
        if let processor {
            await processor.stop()
        } else if let channel {
            await channel.close()
        }
    }

    /// Stops waiting for the partition, unless it has come by now: giving it back would begin an epoch for nothing.
    ///
    /// - Returns: Whether the waiting is over.
    package func stepBack() async -> Bool {
        if hasBaton { return false }
        await stop()
        return true
    }

    /// Handles what stands in the control queue by now, as far as it can within `patience`.
    package func catchUp(within patience: Duration) async { await processor?.catchUp(within: patience) }

    /// Epoch and counters while the partition is owned here, and for how long it has been.
    package nonisolated func status() -> (statistics: PartitionStatistics, age: Duration)? {
        let standing = standing.withLock { $0 }
        guard let processor = standing.processor, let owningSince = standing.owningSince else { return nil }
        return (processor.statistics, parts.clock.uptime() - owningSince)
    }

    /// Episodes run here so far, over all activations.
    package nonisolated var episodeCount: UInt64 { standing.withLock { $0 }.episodeCount }

    /// Whether this worker could serve the partition at once, or is about to: at no time in between is it neither that
    /// nor the owner.
    package nonisolated var isStandBy: Bool { standing.withLock(\.isStandBy) }

    /// Whether this worker has waited 5 s for the baton.
    package nonisolated var missesBaton: Bool {
        guard let waitingSince = standing.withLock({ $0.waitingSince }) else { return false }
        return parts.clock.uptime() - waitingSince >= .seconds(5)
    }

    /// Publishes a baton if there is none in the queue. To be called when nobody says that it owns the partition.
    package func replaceLostBaton() async {
        guard missesBaton else { return }
        standing.withLock { $0.waitingSince = parts.clock.uptime() }
        let topology = parts.descriptor.topology
        let queue = topology.queue(.own, parts.partition)
        guard let inspection = try? await parts.transport.inspect(queue: queue), inspection.readyMessages == 0 else {
            return
        }
        // Should somebody hold the old one after all: the extra baton goes to that owner, who removes it.
        logger.warning("nobody holds the baton; publishing a new one")
        _ = try? await parts.transport.publish([topology.baton(for: parts.partition, at: parts.clock.now())])
    }

    // MARK: - One activation

    private func ownOnce() async throws {
        let topology = parts.descriptor.topology
        let channel = try await parts.transport.openChannel()
        self.channel = channel
        // A stop that came before there was a channel to close.
        if isStopping { return await end(channel) }
        standing.withLock { $0.waitingSince = parts.clock.uptime() }
        do {
            try await channel.consume(
                queue: topology.queue(.own, parts.partition), consumerTag: PartitionProcessor.ConsumerTag.own,
                prefetch: 8, from: nil, exclusive: false)
            let following = Task { [parts, standing, onChange] () -> OpenPartition? in
                await PartitionFiles(thread: parts.thread).follow(parts.partition, of: parts.storage) {
                    let isNews = standing.withLock { standing in
                        defer { standing.isStandBy = standing.waitingSince != nil }
                        return !standing.isStandBy && standing.waitingSince != nil
                    }
                    if isNews { onChange() }
                }
            }
            let baton: DeliveryTag?
            do {
                baton = try await waitForBaton(on: channel)
            } catch {
                following.cancel()
                await following.value?.store.close()
                throw error
            }
            // One that came while this worker stopped waiting goes back with the channel.
            if let baton, !isStopping {
                hasBaton = true
                defer { hasBaton = false }
                try await serve(holding: baton, on: channel, insteadOf: following)
            } else {
                following.cancel()
                await following.value?.store.close()
            }
        } catch {
            await end(channel)
            throw error
        }
        await end(channel)
    }

    private func end(_ channel: any ConsumerChannel) async {
        let isNews = standing.withLock { standing in
            defer { standing = Standing(endedEpisodes: standing.episodeCount) }
            return standing.processor != nil || standing.isStandBy
        }
        self.channel = nil
        await channel.close()
        if isNews { onChange() }
    }

    private func waitForBaton(on channel: any ConsumerChannel) async throws -> DeliveryTag? {
        for try await batch in channel.deliveries {
            for extra in batch.dropFirst() { channel.acknowledge(extra.tag, multiple: false) }
            if let baton = batch.first { return baton.tag }
        }
        return nil
    }

    private func serve(
        holding baton: DeliveryTag, on channel: any ConsumerChannel, insteadOf following: Task<OpenPartition?, Never>
    ) async throws {
        async let claimed = claimEpoch(on: channel)
        // What was read is in the copy before that serves.
        following.cancel()
        let followed = await following.value
        standing.withLock { $0.waitingSince = nil }
        if isStopping {
            followed?.store.close()
            return
        }
        logger.debug("took the baton")
        let files = PartitionFiles(thread: parts.thread)
        let storage =
            if let followed { followed } else { try await files.open(parts.partition, of: parts.storage) }
        let epoch: Epoch
        do {
            epoch = try await claimed
        } catch {
            storage.store.close()
            throw error
        }
        // A stop that came meanwhile closed the channel, and somebody else may own the partition by now: beginning the
        // epoch would fence that owner off.
        if isStopping { return storage.store.close() }
        let processor = PartitionProcessor(
            .init(
                partition: parts.partition, descriptor: parts.descriptor, worker: parts.worker, epoch: epoch,
                storage: storage, executor: parts.executor, transport: parts.transport, channel: channel, baton: baton,
                clock: parts.clock, configuration: parts.configuration, thread: parts.thread,
                probe: parts.probe, survivedEpochs: survivedEpochs, payloads: parts.payloads),
            logger: logger)
        standing.withLock {
            $0.processor = processor
            $0.isStandBy = false
            $0.owningSince = parts.clock.uptime()
        }
        hasReleased = false
        onChange()
        if parts.configuration.defect == .keepsCacheAfterFencing {
            if let staleCache { await processor.inherit(staleCache) }
            staleCache = StaleCache(processor)
        }
        defer { survivedEpochs = survivedEpochs.suffix(63) + [epoch] }
        try await processor.run()
        hasReleased = true
        let nextDue = processor.statistics.nextDue
        try? await parts.epochs.release(parts.partition, epoch: epoch, nextDue: nextDue)
    }

    /// - Returns: An epoch for the baton that came on `channel`, which was still this worker's after the claim: whoever
    ///   gets it later has a newer epoch.
    private func claimEpoch(on channel: any ConsumerChannel) async throws -> Epoch {
        let epoch = try await parts.epochs.claim(parts.partition, by: parts.worker)
        try await PartitionProcessor.takeQuestions(on: channel, of: parts.partition, in: parts.descriptor)
        return epoch
    }

    private func report(_ error: any Error) {
        let hub = parts.descriptor.hub
        switch error {
        case PartitionEnd.fenced(let newest):
            logger.info(
                """
                DTQ1007 partition \(parts.partition) of hub "\(hub)": superseded by epoch \(newest). Nothing of ours \
                was written after it; unacknowledged deliveries went back to the control queue. No action needed \
                unless it repeats within a minute. See ops/errors/DTQ1007.md
                """)
        case PartitionEnd.storage(let code, let text):
            logger.error("\(Self.storageText(code, text, parts.partition, hub))")
        case let error as StoreError:
            if case .storage(let code, let text) = PartitionEnd(error) {
                logger.error("\(Self.storageText(code, text, parts.partition, hub))")
            }
        case PartitionEnd.corrupt(let text):
            logger.error(
                """
                DTQ1005 partition \(parts.partition) of hub "\(hub)": \(text). The partition is stopped, its log is \
                kept as it is. Restore it or report the file. See ops/errors/DTQ1005.md
                """)
        case PartitionEnd.channel(.closed), TransportError.closed, TransportError.cancelled:
            logger.debug("stopped waiting for the partition")
        case PartitionEnd.channel(let cause), let cause as TransportError:
            if !isStopping {
                logger.info("lost the channel of the partition, trying again", metadata: ["cause": "\(cause)"])
            }
        default:
            logger.warning("could not own the partition, trying again", metadata: ["cause": "\(error)"])
        }
    }

    private static func storageText(_ code: String, _ text: String, _ partition: PartitionID, _ hub: HubName) -> String
    {
        """
        \(code) partition \(partition) of hub "\(hub)": \(text). The partition is stopped here, nothing is lost, other \
        partitions go on; it is tried again. See ops/errors/\(code).md
        """
    }
}

/// Opens and fills files on the partition's own thread, since that may wait for a disk or a lock.
private actor PartitionFiles {
    private let thread: any PartitionExecutor
    nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }

    init(thread: any PartitionExecutor) { self.thread = thread }

    func open(_ partition: PartitionID, of storage: any PartitionStorage) throws(StoreError) -> OpenPartition {
        try storage.open(partition)
    }

    func follow(
        _ partition: PartitionID, of storage: any PartitionStorage, onCaughtUp: @escaping @Sendable () -> Void
    ) async -> OpenPartition? {
        await storage.follow(partition, onCaughtUp: onCaughtUp)
    }
}
