package import DurableCore

/// Some of what a partition held at the position its log stream begins with.
package struct SnapshotChunk: Hashable, Sendable {
    /// A history too long for one chunk comes in pieces, in order; until the last, `state.historyCount` counts up to
    /// the piece's end.
    package var instances: [StoreFlush.InstanceFlush]
    package var outbox: [OutboxEntry]
    package var sent: [SentMessage]
    /// In the last chunk: what the partition kept besides, its outbox left out.
    package var state: PartitionState?

    package init(
        instances: [StoreFlush.InstanceFlush] = [], outbox: [OutboxEntry] = [], sent: [SentMessage] = [],
        state: PartitionState? = nil
    ) {
        self.instances = instances
        self.outbox = outbox
        self.sent = sent
        self.state = state
    }
}
