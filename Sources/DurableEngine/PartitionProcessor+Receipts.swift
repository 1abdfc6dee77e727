import DurableBackend
import DurableCore
import DurableWire
import OrderedCollections

/// Messages to other partitions are kept until their destination says that it has applied them: what the broker has
/// confirmed it may lose with a queue. They wait in the store, not in memory.
extension PartitionProcessor {
    /// What this partition has applied, durably, of another's messages; nil: nothing.
    func appliedThrough(_ source: Deduplication.Source) -> AppliedThrough? {
        state.deduplication.watermarks[source].map {
            AppliedThrough(destination: parts.partition, incarnation: source.incarnation, sequence: $0)
        }
    }

    func sendReceipts(_ sources: [Deduplication.Source]) {
        let now = parts.clock.now()
        reliableLane.submit(
            sources.compactMap { source in
                appliedThrough(source).map { applied in
                    .init(key: .receipt, message: topology.receipt(applied, to: source.partition, at: now))
                }
            })
    }

    /// Another partition says what it has applied. The log learns of it with the next append, or soon without one.
    func noteDelivered(_ applied: AppliedThrough) {
        let destination = applied.destination
        guard applied.incarnation == incarnation, destination != parts.partition,
            applied.sequence <= state.sequences[destination] ?? 0,
            applied.sequence > newlyDelivered[destination]?.sequence ?? state.delivered[destination] ?? 0
        else { return }
        newlyDelivered[destination] = applied
        scheduleConfirm()
    }
}
