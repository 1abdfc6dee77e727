package import OrderedCollections

/// Which sequences of each origin were applied: everything up to a watermark. Senders number their messages without
/// gaps; what arrives above a gap must wait until the origin has sent the gap again.
package struct Deduplication: Hashable, Sendable {
    package struct Source: Hashable, Sendable {
        package var partition: PartitionID
        package var incarnation: UInt64
        package init(partition: PartitionID, incarnation: UInt64) {
            self.partition = partition
            self.incarnation = incarnation
        }
    }

    /// Highest sequence applied, per source, in order of first contact.
    package var watermarks: OrderedDictionary<Source, UInt64>

    package init(watermarks: OrderedDictionary<Source, UInt64> = [:]) { self.watermarks = watermarks }

    package enum Judgement: Hashable, Sendable { case next, duplicate, gap }

    package func judge(_ origin: Origin) -> Judgement {
        let watermark = watermarks[origin.source] ?? 0
        if origin.sequence <= watermark { return .duplicate }
        return origin.sequence == watermark + 1 ? .next : .gap
    }

    package mutating func markApplied(_ origin: Origin) {
        let watermark = watermarks[origin.source] ?? 0
        watermarks[origin.source] = max(watermark, origin.sequence)
    }
}

extension PartitionState {
    /// Last sequence of `source` that was applied; 0: none.
    package func watermark(of source: Deduplication.Source) -> UInt64 { deduplication.watermarks[source] ?? 0 }
}

extension Origin {
    package var source: Deduplication.Source { .init(partition: partition, incarnation: incarnation) }
}
