import DurableBackend
package import DurableCore

/// What the simulation attaches to an engine; production runs with the defaults.
package struct EngineInstruments: Sendable {
    /// Makes what partitions run on; called once for each of a worker's partition threads.
    package var makeExecutor: @Sendable () -> any PartitionExecutor = { PartitionThread() }
    package var probe: (any EngineProbe)?

    package init() {}
}

/// Looks on while partition processors work. Called on the partition's thread; must not wait.
package protocol EngineProbe: Sendable {
    /// The processor has recovered, or made records durable and folded them in.
    func hasFolded(_ view: PartitionView)
    /// The processor has nothing to do at the moment.
    func rests(_ partition: PartitionID, epoch: Epoch, remains: PartitionRemains)
}

/// A partition as its processor sees it after a durable record.
package struct PartitionView: Sendable {
    package var partition: PartitionID
    package var epoch: Epoch
    /// Of the last record folded in.
    package var position: LogPosition
    package var state: PartitionState
    /// Instances the records changed, as they are in memory.
    package var instances: [InstanceState]
}

/// What a processor at rest still holds; all zero when its work is done and written to the store.
package struct PartitionRemains: Hashable, Sendable {
    package var unacknowledged = 0
    package var heldBack = 0
    package var confirmations = 0
    package var dirtyInstances = 0
    package var unflushedOutbox = 0
    package var outbox = 0
    package var ownMessages = 0
    /// Sent again and not confirmed.
    package var redriving = 0
    package var waiters = 0
    package var heldInstances = 0
    package var liveSessions = 0
    package var cachedBytes = 0

    package init() {}
}
