package import DurableCore

/// One record of a backup: a header; for each partition in order its place, then its chunks; the end.
package enum BackupRecord: Hashable, Sendable {
    case header(Header)
    case partition(Partition)
    /// Of the partition named last.
    case chunk(SnapshotChunk)
    case end(End)

    package struct Header: Hashable, Sendable {
        /// Of the hub it was taken of.
        package var descriptor: HubDescriptor
        package var takenAt: Timestamp
        package init(descriptor: HubDescriptor, takenAt: Timestamp) {
            self.descriptor = descriptor
            self.takenAt = takenAt
        }
    }

    package struct Partition: Hashable, Sendable {
        package var partition: PartitionID
        /// Of its sequences.
        package var incarnation: UInt64
        package var position: LogPosition
        package init(partition: PartitionID, incarnation: UInt64, position: LogPosition) {
            self.partition = partition
            self.incarnation = incarnation
            self.position = position
        }
    }

    package struct End: Hashable, Sendable {
        /// Records before this one.
        package var recordCount: UInt64
        /// No partition had messages of another that were not in that one's part.
        package var isConsistent: Bool
        package init(recordCount: UInt64, isConsistent: Bool) {
            self.recordCount = recordCount
            self.isConsistent = isConsistent
        }
    }
}
