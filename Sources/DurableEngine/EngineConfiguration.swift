package import DurableCore

/// Limits and intervals of one worker's engine.
package struct EngineConfiguration: Hashable, Sendable {
    /// Deliveries of a control queue taken and unacknowledged at a time, per partition.
    package var controlPrefetch = 512
    /// Deliveries one checkpoint covers at most.
    package var batchLimit = 256
    /// Memory for cached instances, per partition.
    package var cacheBytes = 64 << 20
    /// Unflushed changes at which the store is filled at once.
    package var flushBytes = 1 << 20
    /// How long changes wait for the store at most.
    package var flushInterval = Duration.milliseconds(250)
    /// How long confirmations wait for the log at most; a checkpoint takes them along at once. What is not recorded
    /// when the owner dies is sent again, and may run again.
    package var confirmInterval = Duration.milliseconds(20)
    /// Bytes below which a replicated log is never compacted; above, it is when it has twice the size of what was
    /// alive.
    package var compactionBytes: UInt64 = 8 << 20
    /// How long after its beginning an owner first looks for instances that were kept long enough, and how often it does
    /// afterwards.
    package var retentionDelay = Duration.seconds(10)
    package var retentionInterval = Duration.seconds(60)
    /// Instances purged at a time because they were kept long enough, and the pause before the next ones.
    package var retentionBatch = 512
    package var retentionPause = Duration.milliseconds(250)
    /// Unconfirmed messages at which the partition takes no more deliveries.
    package var outboxBytes = 32 << 20
    /// Timers kept in memory, the earliest ones; later ones wait in the store.
    package var timerLimit = 10_000
    /// Largest input, result or event data.
    package var payloadLimit = 1 << 20
    /// Bytes of events that an execution may leave to the next one.
    package var carryOverLimit = 16 << 20
    /// Client waits kept per partition; a client asks again every few seconds.
    package var waiterLimit = 10_000
    package var batonRotation = Duration.seconds(600)
    /// How often at most the partition's alarm at the broker is set anew while the partition is owned.
    package var alarmInterval = Duration.seconds(10)
    /// How long a hand-over waits for confirms of what is with the broker.
    package var handOverPatience = Duration.seconds(10)
    /// Attempts, each in another epoch that ended without a checkpoint, after which an instance is held.
    package var attemptLimit = 3
    /// Which code this is: an instance that is held because its code ended workers is tried again by another build.
    package var build = "dev"
    /// Send every open task again at the start: for transports that forget their queues when the process ends.
    package var redrivesAtStart = false
    /// Replay every instance from its history after each episode and compare: for tests, slow.
    package var checksReplay = false
    /// A deliberate mistake, which the simulation must find.
    package var defect: EngineDefect?

    package init() {}
}

/// Counters an owner shows in heartbeats.
package struct PartitionStatistics: Hashable, Sendable {
    package var epoch: Epoch
    /// Control deliveries taken and not acknowledged.
    package var inFlight = 0
    /// Messages the broker has not confirmed.
    package var outbox = 0
    /// Of these, what the broker returned or refused when it was last sent.
    package var refused = 0
    /// Records of the log that the store does not hold yet.
    package var unflushed = 0
    package var heldInstances = 0
    package var nextDue: Timestamp?
    package var episodeCount: UInt64 = 0
    package var checkpointCount: UInt64 = 0
    /// Messages that changed nothing: repeats, late completions.
    package var duplicateCount: UInt64 = 0
    /// Alarms of this partition that rang.
    package var alarmCount: UInt64 = 0
    package var cachedBytes = 0
    package var cachedInstances = 0
}
