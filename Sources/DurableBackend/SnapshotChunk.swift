package import DurableCore

/// Some of what a partition held at the position its log stream begins with.
package struct SnapshotChunk: Hashable, Sendable {
    /// A history too long for one chunk comes in pieces, in order; until the last, `state.historyCount` counts up to
    /// the piece's end.
    package var instances: [StoreFlush.InstanceFlush]
    package var outbox: [OutboxEntry]
    package var sent: [SentMessage]
    /// Instances that streams of the archive may still have although they were purged.
    package var purged: [PurgedInstance]
    /// In the last chunk: what the partition kept besides, its outbox left out.
    package var state: PartitionState?
    /// In the last chunk: which instances have ended and are in the archive; nil: none.
    package var archived: InstanceFilter?
    /// The history of the last instance goes on in the next chunk.
    package var continues = false

    package init(
        instances: [StoreFlush.InstanceFlush] = [], outbox: [OutboxEntry] = [], sent: [SentMessage] = [],
        purged: [PurgedInstance] = [], state: PartitionState? = nil, archived: InstanceFilter? = nil
    ) {
        self.instances = instances
        self.outbox = outbox
        self.sent = sent
        self.purged = purged
        self.state = state
        self.archived = archived
    }
}
