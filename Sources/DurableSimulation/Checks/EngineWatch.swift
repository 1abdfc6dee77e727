package import DurableCore
package import DurableEngine
import OrderedCollections

/// Compares what owners have in memory with what the witness saw becoming durable, after every checkpoint.
package final class EngineWatch: EngineProbe, @unchecked Sendable {  // confined to the simulator's thread
    private let witness: Witness
    private let cacheLimit: Int
    private let node: Node
    /// Of the last time each partition was at rest here.
    package private(set) var remains: [PartitionID: (epoch: Epoch, remains: PartitionRemains)] = [:]  // look-up only

    package init(of node: Node, witness: Witness, cacheLimit: Int) {
        self.node = node
        self.witness = witness
        self.cacheLimit = cacheLimit
    }

    package func hasFolded(_ view: PartitionView) {
        let truth = witness.partitions[view.partition.index]
        if view.position > truth.position {
            return witness.violated(
                "I4: \(node.name) has partition \(view.partition) at \(view.position), its log is at \(truth.position)")
        }
        // An owner that was superseded sees an older state, rightly.
        guard view.epoch == truth.newest, view.position == truth.position else { return }
        if let difference = Self.difference(view.state, truth.state) {
            witness.violated(
                "I2: partition \(view.partition) at \(view.position) in \(node.name): \(difference) differs from "
                    + "what its log gives")
        }
        for instance in view.instances where truth.instances[instance.id]?.state != instance {
            witness.violated(
                "I2: instance \(instance.id) at \(view.position) in \(node.name) differs from what the log gives")
            witness.note("in memory: \(instance)")
            witness.note("by its log: \(truth.instances[instance.id].map { "\($0.state)" } ?? "not there")")
        }
    }

    private static func difference(_ live: PartitionState, _ folded: PartitionState) -> String? {
        if live.epoch != folded.epoch { return "the epoch" }
        if live.nextOutboxID != folded.nextOutboxID { return "the next outbox number" }
        if live.outbox != folded.outbox { return "the outbox" }
        if live.sequences != folded.sequences { return "a sequence" }
        if live.delivered != folded.delivered { return "what others have applied" }
        // The order of first contact is lost when the store is read back.
        let (left, right) = (live.deduplication.watermarks, folded.deduplication.watermarks)
        if left.count != right.count || left.contains(where: { right[$0.key] != $0.value }) { return "a watermark" }
        return nil
    }

    package func rests(_ partition: PartitionID, epoch: Epoch, remains: PartitionRemains) {
        self.remains[partition] = (epoch, remains)
        if remains.cachedBytes > cacheLimit, remains.dirtyInstances == 0 {
            witness.violated(
                "I9: the cache of partition \(partition) in \(node.name) holds \(remains.cachedBytes) bytes, "
                    + "\(cacheLimit) are allowed")
        }
    }
}
