package import DurableBackend
package import DurableCore

/// Logs and stores of one hub, kept in this object: closing and opening again is what a crash looks like from disk.
///
/// Records and states are held encoded, events as decoding gives them back, so that everything a test does passes
/// through the wire format.
package final class MemoryStorage: PartitionStorage, HubStorage {
    private let disk: MemoryDisk

    /// Storage without a hub: `create` makes one.
    package init(faults: StorageFaultPlan = .none) { disk = MemoryDisk(faults: faults) }

    /// Storage of a hub that was just created.
    package convenience init(_ descriptor: HubDescriptor, faults: StorageFaultPlan = .none) {
        self.init(faults: faults)
        disk.access { $0.create(descriptor) }
    }

    package func create(_ descriptor: HubDescriptor) throws(StoreError) {
        try disk.access { contents throws(StoreError) in
            try contents.requireOwn(descriptor)
            contents.create(descriptor)
        }
    }

    package func create(
        _ descriptor: HubDescriptor, filling fill: (PartitionID, any PartitionStore) throws(StoreError) -> Void
    ) throws(StoreError) {
        try disk.access { contents throws(StoreError) in try contents.requireNone() }
        try create(descriptor)
        for index in 0..<descriptor.partitionCount {
            let partition = PartitionID(index)
            // Nobody has an epoch here yet, and no log: it goes on where the tables will stand.
            try fill(partition, MemoryStore(MemoryOpening(disk: disk, partition: partition), isCopy: true))
            try disk.access { contents throws(StoreError) in
                let contents = try contents.partition(partition)
                contents.trimmed = contents.position
            }
        }
    }

    package func copy(
        _ partition: PartitionID, of descriptor: HubDescriptor, to directory: String
    ) throws(StoreError) -> OpenPartition {
        let copy = MemoryDisk(faults: .none)
        let contents = try disk.access { contents throws(StoreError) in
            try contents.requireOwn(descriptor)
            return try contents.partition(partition).copy()
        }
        copy.access { $0.put(contents, as: partition) }
        let opening = MemoryOpening(disk: copy, partition: partition)
        return OpenPartition(log: MemoryLog(opening), store: MemoryStore(opening))
    }

    package func remove(_ descriptor: HubDescriptor) throws(StoreError) {
        try disk.access { contents throws(StoreError) in
            try contents.requireOwn(descriptor)
            contents.remove()
        }
    }

    package func open(_ partition: PartitionID) throws(StoreError) -> OpenPartition {
        try disk.access { contents throws(StoreError) in _ = try contents.partition(partition) }
        let opening = MemoryOpening(disk: disk, partition: partition)
        return OpenPartition(log: MemoryLog(opening), store: MemoryStore(opening))
    }

    package func setFaults(_ faults: StorageFaultPlan) { disk.setFaults(faults) }

    /// Calls of all logs and stores so far, as the fault plan counts them.
    package var callCount: Int { disk.callCount }
}

/// Decides, call by call, what goes wrong between an owner and its disk.
package struct StorageFaultPlan: Sendable {
    package enum Fault: Hashable, Sendable {
        case none
        /// Refused, nothing written. Calls that only read go on.
        case full
        /// An I/O error. `isWritten`: the call took effect all the same, which its caller cannot know.
        case unavailable(isWritten: Bool)
    }

    package enum Call: Hashable, Sendable {
        case begin(Epoch)
        case append([PartitionRecord])
        case read
        case recover
        /// Any look at an instance, its history, or a list.
        case look
        case flush(LogPosition)
    }

    package struct Point: Hashable, Sendable {
        /// Counts all calls, from 1.
        package var number: Int
        package var partition: PartitionID
        package var call: Call
    }

    /// Called outside the disk's lock, once a call.
    package var decide: @Sendable (Point) -> Fault

    package init(_ decide: @escaping @Sendable (Point) -> Fault) { self.decide = decide }

    package static let none = StorageFaultPlan { _ in .none }

    /// Does `fault` to one call, by its number, and nothing to the others.
    package static func at(call number: Int, _ fault: Fault) -> StorageFaultPlan {
        StorageFaultPlan { $0.number == number ? fault : .none }
    }
}
