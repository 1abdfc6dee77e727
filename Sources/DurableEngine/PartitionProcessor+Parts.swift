package import DurableBackend
package import DurableCore

extension PartitionProcessor {
    package struct Parts: Sendable {
        package var partition: PartitionID
        package var descriptor: HubDescriptor
        package var worker: WorkerID
        package var epoch: Epoch
        package var storage: OpenPartition
        package var executor: any EpisodeExecutor
        package var payloads: any PayloadAccess
        package var transport: any MessageTransport
        /// Holds the baton already; ends with the processor.
        package var channel: any ConsumerChannel
        package var baton: DeliveryTag
        package var clock: any EngineClock
        package var configuration: EngineConfiguration
        package var thread: any PartitionExecutor
        package var probe: (any EngineProbe)?
        /// Epochs that this process has outlived: no code of theirs can have ended it.
        package var survivedEpochs: [Epoch]

        package init(
            partition: PartitionID, descriptor: HubDescriptor, worker: WorkerID, epoch: Epoch, storage: OpenPartition,
            executor: any EpisodeExecutor, transport: any MessageTransport, channel: any ConsumerChannel,
            baton: DeliveryTag, clock: any EngineClock, configuration: EngineConfiguration,
            thread: any PartitionExecutor,
            probe: (any EngineProbe)? = nil, survivedEpochs: [Epoch] = [], payloads: any PayloadAccess = PlainPayloads()
        ) {
            self.partition = partition
            self.descriptor = descriptor
            self.worker = worker
            self.epoch = epoch
            self.storage = storage
            self.executor = executor
            self.payloads = payloads
            self.transport = transport
            self.channel = channel
            self.baton = baton
            self.clock = clock
            self.configuration = configuration
            self.thread = thread
            self.probe = probe
            self.survivedEpochs = survivedEpochs
        }
    }

    /// Consumers on the owner's channel.
    package enum ConsumerTag {
        package static let own = "own"
        package static let control = "control"
        package static let query = "query"
    }

    /// What a confirmed publish was for.
    enum PublishKey: Hashable, Sendable {
        case outbox(OutboxID)
        /// A dead letter is with the broker: its delivery may be acknowledged.
        case deadLetter(DeliveryTag)
        /// A delivery that waits for others is at the end of its queue once more: this one may be acknowledged.
        case putBack(DeliveryTag)
        /// A fresh baton is in the queue: the old one may go.
        case baton
        case marker
        case reply
        /// What this partition has applied.
        case receipt
        /// Sent before, and confirmed then.
        case redrive
    }

    /// As of the last round: reading it does not wait for a busy partition.
    package nonisolated var statistics: PartitionStatistics { latestStatistics.withLock { $0 } }

    func publishStatistics() {
        let statistics = PartitionStatistics(
            epoch: parts.epoch, inFlight: inFlight, outbox: state.outbox.count, refused: reliableLane.parkedCount,
            unflushed: Int(position.value - flushedPosition.value), heldInstances: heldInstances.count,
            nextDue: timers.nextDue, episodeCount: episodeCount, checkpointCount: checkpointCount,
            duplicateCount: duplicateCount, alarmCount: alarmCount, cachedBytes: cache.bytes,
            cachedInstances: cache.count)
        latestStatistics.withLock { $0 = statistics }
    }

    /// What is in hand.
    var remains: PartitionRemains {
        var remains = PartitionRemains()
        remains.unacknowledged = inFlight
        remains.heldBack = heldBack.count + withheld.messages.count
        remains.confirmations = confirmed.count
        remains.dirtyInstances = dirty.count
        remains.unflushedOutbox = outboxChanges.count
        remains.outbox = state.outbox.count
        remains.ownMessages = ownMessages.count
        remains.redriving = redrive?.underWay ?? 0
        remains.waiters = waiterCount
        remains.heldInstances = heldInstances.count
        remains.liveSessions = cache.sessionCount
        remains.cachedBytes = cache.bytes
        return remains
    }

    /// Handles what stands in the control queue by now, as far as it can within `patience`.
    package func catchUp(within patience: Duration) async {
        let deadline = parts.clock.uptime() + patience
        sendMarker()
        let last = markersSent
        while markersTaken < last, parts.clock.uptime() < deadline, !isStopping, !arrivalsEnded, !Task.isCancelled {
            let alarm = caughtUp.raise(after: .milliseconds(100), by: parts.clock)
            await caughtUp.wait()
            alarm.cancel()
        }
    }
}
