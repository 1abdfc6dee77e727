package import DurableBackend
package import DurableCore

/// One worker's copies in memory: what a restart of it finds again, as long as this object is kept.
package final class MemoryCopies: PartitionCopies {
    private let disk: MemoryDisk

    package init(faults: StorageFaultPlan = .none) { disk = MemoryDisk(faults: faults) }

    package func open(_ partition: PartitionID) throws(StoreError) -> any PartitionCopy {
        disk.access { $0.makeCopy(of: partition) }
        return MemoryStore(MemoryOpening(disk: disk, partition: partition), isCopy: true)
    }
}
