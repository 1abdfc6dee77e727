internal import DequeModule
import DurableBackend
import DurableCore
import DurableWire
package import Logging

/// Runs one partition for one epoch: takes deliveries and due timers, runs episodes, saves checkpoints, and releases
/// their effects. Exactly one per partition and epoch; everything of it happens on one thread.
///
/// A failure of the log or the store ends the processor: what is in memory is dropped, unacknowledged deliveries go
/// back to their queue, and whoever claims the next epoch recovers from log and store.
package actor PartitionProcessor {
    nonisolated let parts: Parts
    nonisolated let topology: HubTopology
    nonisolated let logger: Logger
    nonisolated let reliableLane: PublishLane<PublishKey>
    nonisolated let replyLane: PublishLane<PublishKey>
    /// Apart: a hub made by an earlier version may lack the exchange, which must not stop anything else.
    nonisolated let episodeLane: PublishLane<PublishKey>
    nonisolated let signal = Signal()
    nonisolated let latestStatistics: PlatformLock<PartitionStatistics>

    var state = PartitionState()
    var cache = InstanceCache()
    var timers: TimerQueue
    var incarnation: UInt64 = 0
    /// Last record of the log this processor knows to be durable.
    var position = LogPosition(0)
    /// Where the store stands.
    var flushedPosition = LogPosition(0)

    // What has arrived and waits for the loop.
    var arrivals: [Delivery] = []
    var queries: [Delivery] = []
    var confirmed: [OutboxID] = []
    /// What other partitions say they have applied, and the log does not say yet. Look-up only.
    var newlyDelivered: [PartitionID: AppliedThrough] = [:]
    var batons: [DeliveryTag] = []
    var arrivalsEnd: TransportError?
    var arrivalsEnded = false
    var isStopping = false

    /// Messages above a gap in their origin's sequence, unacknowledged until it closes.
    var heldBack: [Delivery] = []
    var withheld = Withheld()
    /// When held-back messages may be put back into the queue, by the clock's uptime.
    var putBackDue = Duration.zero
    /// Changed since the last flush, in order of first change.
    var dirty: [InstanceEntry] = []
    var dirtyBytes = 0
    var outboxChanges = OutboxChanges()
    var purgedChanges = PurgedChanges()
    /// Those whose ID another instance takes with a record that is not folded in yet, and where they ended if the store
    /// was not told. Look-up only.
    var replaced: [InstanceID: (state: InstanceState, endedAt: LogPosition?, payloads: [PayloadScope])] = [:]
    /// Stored payloads to delete, in order.
    var removals: Deque<PayloadScope> = []
    /// Since the payload store last deleted something.
    var removalFailures = 0
    /// When to look for what has been kept long enough, by the clock's uptime; nil: all is kept.
    var retentionDue: Duration?
    /// When changes must reach the store, by the clock's uptime; nil when there are none.
    var flushDue: Duration?
    /// Size of the log at which compacting it is tried, should it not be possible before.
    var compactionDue: UInt64 = 0
    var compaction: Compaction?
    nonisolated let compactionSignal = Signal()
    /// When confirmations must reach the log, by the clock's uptime; nil when there are none.
    var confirmDue: Duration?
    var outboxBytes = 0
    /// Messages to this partition itself by sequence. They stay in the outbox until the checkpoint that applies them:
    /// no queue needs to survive for them. Look-up only.
    var ownMessages: [UInt64: OutboxID] = [:]
    /// What this partition has applied of others' messages and has not told them.
    var receipts = Receipts()
    /// What is being sent again, and what was last.
    var redrive: Redrive?
    var lastRedrive: Redrive?
    /// Everything is to be sent again when the marker is back: queues have ended with the process before.
    var isRedriveDue = false
    /// It was, as far as there are queues for it.
    var isRedriveIdle = false
    var isMarkerBack = false
    /// The last owner ended without handing over, and what it left has not all been handled yet.
    var isCautious = false
    /// Beginning of this epoch: timers due by then may be what ended the last one.
    var cautionBegan = Timestamp(millisecondsSinceEpoch: 0)
    var markersSent = 0
    var markersTaken = 0
    let caughtUp = Signal()
    let turn = Signal()
    /// By the clock's uptime.
    var batonDue: Duration
    var currentBaton: DeliveryTag
    var waiters: [InstanceID: [Waiter]] = [:]
    var waiterCount = 0
    var heldInstances: Set<InstanceID> = []  // look-up and count only
    /// Instances earlier epochs held, to be tried again with this worker's code.
    var retries: [InstanceID] = []
    /// Held instances that may be tried again on other workers: all of them, or those that some build must not run.
    var awayRetries: (ids: [InstanceID], mayAll: Bool) = ([], false)
    /// Instances whose code this worker lacks.
    var shipments = Shipments()
    /// What they were started as, where nobody has the code.
    var unservedCode: Set<OrchestrationCode> = []  // look-up only
    nonisolated let codeNews = PlatformLock<(isNews: Bool, gained: Set<OrchestrationCode>)>((false, []))
    /// Instances whose present execution began in this epoch: to be run, if a message has not done so since.
    var begun: [InstanceID] = []
    /// Instances with updates that wait for a handler, to be asked once more.
    var askedAgain: [InstanceID] = []
    /// Questions to the code of instances that are about to begin.
    var postponedQueries: [Delivery] = []
    /// Stored payloads that code is to be given.
    var fetches = PayloadFetches()
    let storePatience: StorePatience
    /// Instances whose code came back from an await that is not durable.
    var escapes: [InstanceID] = []
    /// What the alarm at the broker was last set to, if that is known.
    var alarmDue: Timestamp?
    var isAlarmKnown = false
    /// The partition is about to be released: no other one follows.
    var isAlarmLast = false
    /// By the clock's uptime.
    var alarmNotBefore = Duration.zero
    nonisolated let alarmSignal = Signal()
    var isBatonSent = false
    /// When the loop had ended, by the clock's uptime: nothing is taken from then on.
    private var loopEnd = Duration.zero
    var wakeUp: (due: Duration, number: Int, task: Task<Void, Never>)?
    var wakeUpNumber = 0

    var inFlight = 0
    var episodeCount: UInt64 = 0
    var checkpointCount: UInt64 = 0
    var duplicateCount: UInt64 = 0
    var alarmCount: UInt64 = 0
    var shippedCount: UInt64 = 0
    var lateAnswerCount: UInt64 = 0

    /// Whether the simulation asked for this mistake.
    nonisolated func has(_ defect: EngineDefect) -> Bool { parts.configuration.defect == defect }

    package nonisolated var unownedExecutor: UnownedSerialExecutor { parts.thread.asUnownedSerialExecutor() }

    package init(_ parts: Parts, logger: Logger) {
        self.parts = parts
        topology = parts.descriptor.topology
        latestStatistics = PlatformLock(PartitionStatistics(epoch: parts.epoch))
        var logger = logger
        logger[metadataKey: "partition"] = "\(parts.partition)"
        logger[metadataKey: "epoch"] = "\(parts.epoch)"
        self.logger = logger
        reliableLane = PublishLane(transport: parts.transport, clock: parts.clock, isReliable: true, logger: logger)
        episodeLane = PublishLane(transport: parts.transport, clock: parts.clock, isReliable: true, logger: logger)
        replyLane = PublishLane(transport: parts.transport, clock: parts.clock, isReliable: false, logger: logger)
        timers = TimerQueue(limit: parts.configuration.timerLimit)
        storePatience = StorePatience(clock: parts.clock)
        batonDue = parts.clock.uptime() + parts.configuration.batonRotation
        currentBaton = parts.baton
        if parts.descriptor.retention != nil {
            retentionDue = parts.clock.uptime() + parts.configuration.retentionDelay
        }
    }

    /// Begins the epoch and works until `stop()`, the channel's end or a failure of the storage. Called once.
    ///
    /// - Throws: Why it ended before it was asked to. Effects of checkpoints that are not durable were never released.
    package func run() async throws(PartitionEnd) {
        var end: PartitionEnd?
        do {
            try await recover()
            async let alarms: Void = keepAlarm()
            try await work()
            try await append([.released(nextDue: timers.nextDue)])
            // It was set beside all that; from here on the next owner sets its own.
            await alarms
            try await release()
        } catch {
            end = error
        }
        wakeUp?.task.cancel()
        if !has(.keepsCacheAfterFencing) { cache.removeAll() }
        parts.storage.store.close()
        if let end { throw end }
    }

    /// Asks the processor to finish what it has in hand and to hand the partition over. Returns at once.
    package func stop() {
        isStopping = true
        signal.raise()
    }

    // MARK: - Loop

    /// Works until it is to hand over, and brings to an end what is under way.
    private func work() async throws(PartitionEnd) {
        let end = await withTaskGroup(of: Void.self) { (group) -> PartitionEnd? in
            group.addTask { await self.pump() }
            group.addTask { await self.reliableLane.run { keys in await self.published(keys) } }
            group.addTask { await self.replyLane.run { _ in } }
            if self.parts.directory != nil { group.addTask { await self.episodeLane.run { _ in } } }
            group.addTask { await self.keepCompacting() }
            group.addTask { await self.fetchArchive() }
            var end: PartitionEnd?
            do throws(PartitionEnd) {
                try await startConsuming()
                try await loop()
                loopEnd = parts.clock.uptime()
                abandonCompaction()
                // While confirms are on their way, and the alarm is set.
                try flushStore()
                // Entries of instances that ended are still in the queue of timers; the store has none.
                try loadTimers()
                setLastAlarm()
                await settleEffects()
            } catch {
                end = error
            }
            abandonCompaction()
            group.cancelAll()
            return end
        }
        if let end { throw end }
    }

    private func startConsuming() async throws(PartitionEnd) {
        sendMarker()
        resendMessages(tasks: false)
        if has(.ignoresMarker) { resendMessages(tasks: true) }
        do {
            try await parts.channel.consume(
                queue: topology.queue(.control, parts.partition), consumerTag: ConsumerTag.control,
                prefetch: parts.configuration.controlPrefetch, from: nil, exclusive: false)
        } catch {
            throw .channel(error)
        }
    }

    private func loop() async throws(PartitionEnd) {
        // A cancelled task cannot wait any more: it hands over like one that was asked to stop.
        while !isStopping, !Task.isCancelled {
            if arrivalsEnded { throw .channel(arrivalsEnd ?? .closed) }
            try await answerQueries()
            try await boundCache()
            rotateBaton(at: parts.clock.uptime())
            var worked = isPaused ? false : try await processBatch(at: parts.clock.now())
            if !isPaused, try ship() { worked = true }
            if try await continueRedrive() { worked = true }
            putBackHeld(at: parts.clock.uptime())
            try await boundCache()
            let now = parts.clock.uptime()
            if let confirmDue, confirmDue <= now { try await append([]) }
            if let flushDue, flushDue <= now || dirtyBytes >= parts.configuration.flushBytes {
                try await flush()
            }
            sendReceipts(receipts.takeDue(at: now))
            try await purgeExpired(at: now)
            try await compactIfOutgrown()
            renewAlarm(at: now)
            publishStatistics()
            if worked {
                await giveWay()
            } else {
                parts.probe?.rests(parts.partition, epoch: parts.epoch, remains: remains)
                await waitForWork()
            }
        }
    }

    /// No new deliveries while too much of what they caused is not with the broker yet.
    var isPaused: Bool {
        outboxBytes > parts.configuration.outboxBytes || compaction?.renewal.isCrowded == true
    }

    private func pump() async {
        var end: TransportError?
        do throws(TransportError) {
            for try await batch in parts.channel.deliveries { receive(batch) }
        } catch {
            end = error
        }
        arrivalsEnd = end
        arrivalsEnded = true
        signal.raise()
    }

    private func receive(_ deliveries: [Delivery]) {
        for delivery in deliveries {
            switch delivery.consumerTag {
            case ConsumerTag.control:
                inFlight += 1
                arrivals.append(delivery)
                if has(.acknowledgesBeforeCheckpoint) {
                    parts.channel.acknowledge(delivery.tag, multiple: false)
                }
            case ConsumerTag.query: queries.append(delivery)
            default: batons.append(delivery.tag)
            }
        }
        signal.raise()
    }

    /// Has the loop come round again.
    func wake() { signal.raise() }

    func noteEscape(of id: InstanceID) {
        escapes.append(id)
        signal.raise()
    }

    private func published(_ keys: [PublishKey]) {
        for key in keys {
            switch key {
            case .outbox(let id): if !isToSelf(id) { confirmed.append(id) }
            case .deadLetter(let tag), .putBack(let tag): acknowledge(tag)
            case .redrive: redrive?.underWay -= 1
            case .baton, .marker, .reply, .receipt, .episode: break
            }
        }
        if !confirmed.isEmpty { scheduleConfirm() }
        signal.raise()
    }

    /// Sees to it that what was confirmed is in the log within the confirm interval.
    func scheduleConfirm() {
        if confirmDue == nil { confirmDue = parts.clock.uptime() + parts.configuration.confirmInterval }
    }

    /// Sees to it that changes are written within the flush interval.
    func scheduleFlush() {
        if flushDue == nil { flushDue = parts.clock.uptime() + parts.configuration.flushInterval }
    }

    /// Tells the broker that a control delivery is done with.
    func acknowledge(_ tag: DeliveryTag) {
        inFlight -= 1
        if has(.acknowledgesBeforeCheckpoint) { return }
        parts.channel.acknowledge(tag, multiple: false)
    }

    // MARK: - Baton

    /// Replaces the baton before the broker's consumer timeout, and removes extra ones.
    private func rotateBaton(at now: Duration) {
        for tag in batons {
            if tag > currentBaton, now >= batonDue {
                parts.channel.acknowledge(currentBaton, multiple: false)
                currentBaton = tag
                batonDue = now + parts.configuration.batonRotation
                isBatonSent = false
            } else {
                parts.channel.acknowledge(tag, multiple: false)
            }
        }
        batons = []
        if now >= batonDue, !isBatonSent {
            isBatonSent = true
            reliableLane.submit([
                .init(key: .baton, message: topology.baton(for: parts.partition, at: parts.clock.now()))
            ])
        }
    }

    // MARK: - End

    /// Waits for confirms of what is with the broker already: what is not known to be confirmed the next owner sends
    /// again, and a task sent again may run again.
    private func settleEffects() async {
        let deadline = parts.clock.uptime() + parts.configuration.handOverPatience
        while reliableLane.pendingCount > reliableLane.parkedCount, parts.clock.uptime() < deadline, !arrivalsEnded,
            !Task.isCancelled
        {
            let timeout = reliableLane.settled.raise(after: .milliseconds(100), by: parts.clock)
            await reliableLane.settled.wait()
            timeout.cancel()
        }
    }

    private func release() async throws(PartitionEnd) {
        // In local mode the next owner's epoch ends this one's writing; a copy may be filled while the next one begins.
        let isLocal = parts.descriptor.logMode == .local
        if isLocal { try flushStore() }
        await parts.channel.close()
        if !isLocal { try flushStore() }
        publishStatistics()
        let idle = Int((parts.clock.uptime() - loopEnd) / .milliseconds(1))
        logger.info("released the partition", metadata: ["position": "\(position)", "idleMilliseconds": "\(idle)"])
    }
}
