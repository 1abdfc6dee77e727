internal import DequeModule
internal import DurableBackend
internal import DurableCore

/// What survives a crash, behind one lock.
final class MemoryDisk: Sendable {
    private let contents = PlatformLock(DiskContents())
    private let faults: PlatformLock<(plan: StorageFaultPlan, callCount: Int)>

    init(faults: StorageFaultPlan) { self.faults = PlatformLock((faults, 0)) }

    func access<Result, Failure: Error>(
        _ body: (inout DiskContents) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try contents.withLock(body)
    }

    func setFaults(_ plan: StorageFaultPlan) { faults.withLock { $0.plan = plan } }

    var callCount: Int { faults.withLock(\.callCount) }

    func fault(_ call: StorageFaultPlan.Call, _ partition: PartitionID) -> StorageFaultPlan.Fault {
        let (plan, number) = faults.withLock { faults in
            faults.callCount += 1
            return (faults.plan, faults.callCount)
        }
        return plan.decide(.init(number: number, partition: partition, call: call))
    }
}

struct DiskContents {
    private var descriptor: HubDescriptor?
    private var partitions: [PartitionID: PartitionContents] = [:]
    private var creationCount = 0

    /// Leaves partitions alone that are there already.
    mutating func create(_ descriptor: HubDescriptor) {
        if self.descriptor != nil { return }
        self.descriptor = descriptor
        creationCount += 1
        for index in 0..<descriptor.partitionCount {
            partitions[PartitionID(index)] = PartitionContents(
                incarnation: FNV1a.hash("\(descriptor.hubID)/\(index)/\(creationCount)".utf8))
        }
    }

    mutating func remove() {
        descriptor = nil
        partitions = [:]
    }

    /// The partition's copy, made when it is not there.
    mutating func makeCopy(of id: PartitionID) {
        if partitions[id] == nil { partitions[id] = PartitionContents(incarnation: 0) }
    }

    mutating func resetCopy(of id: PartitionID) { partitions[id] = PartitionContents(incarnation: 0) }

    mutating func put(_ contents: PartitionContents, as id: PartitionID) { partitions[id] = contents }

    func requireNone() throws(StoreError) {
        if let descriptor { throw .foreign("this storage belongs to hub \"\(descriptor.hub)\" (\(descriptor.hubID))") }
    }

    func requireOwn(_ asked: HubDescriptor) throws(StoreError) {
        if let descriptor, descriptor.hubID != asked.hubID {
            throw .foreign("this storage belongs to hub \"\(descriptor.hub)\" (\(descriptor.hubID))")
        }
    }

    func partition(_ id: PartitionID) throws(StoreError) -> PartitionContents {
        guard let contents = partitions[id] else { throw .missing("there is no partition \(id) in this storage") }
        return contents
    }
}

/// Log and tables of one partition. A class, so that changes happen in place; guarded by the disk's lock.
final class PartitionContents {
    struct LogRow {
        var epoch: Epoch
        var record: [UInt8]
    }

    struct HistoryChunk {
        var firstIndex: Int
        var count: Int
        var byteCount: Int
        /// As the wire format gives them back.
        var events: [HistoryEvent]
    }

    /// An instance and what lists and timers look at, taken from it when it was written.
    struct InstanceRow {
        var key: InstanceKey
        var state: [UInt8]
        var status: OrchestrationStatus
        var name: [UInt8]
        var createdAt: Timestamp
        var nextDue: Timestamp?
        var isHeld: Bool
        var historyCount: Int
        /// Position at which it was known to have ended; nil: it goes on.
        var endedAt: UInt64?
        /// Whether it is known that exactly.
        var isEndExact: Bool
        /// When it ended; nil: it goes on.
        var end: Timestamp?
        var tags: [ExecutionStarted.Tag]
        var parent: InstanceKey?
        var chunks: [HistoryChunk]
    }

    let incarnation: UInt64
    /// Newest epoch that has begun.
    var newest = Epoch.zero
    /// Records after `trimmed`.
    var log: Deque<LogRow> = []
    /// Records up to here are in the tables only.
    var trimmed: UInt64 = 0
    // The tables.
    var position: UInt64 = 0
    var state = PartitionState()
    var outbox: [OutboxID: [UInt8]] = [:]
    var sent: [SentPlace: [UInt8]] = [:]  // sorted before use
    /// Copies only.
    var bookmark: LogBookmark?
    var missing: MissingArchive?
    /// Copies only.
    var purged: [InstanceKey: PurgedInstance] = [:]  // sorted before use
    var instances: [InstanceKey: InstanceRow] = [:]

    init(incarnation: UInt64) { self.incarnation = incarnation }

    /// The same, to be changed apart from this.
    func copy() -> PartitionContents {
        let copy = PartitionContents(incarnation: incarnation)
        copy.newest = newest
        copy.log = log
        copy.trimmed = trimmed
        copy.position = position
        copy.state = state
        copy.outbox = outbox
        copy.sent = sent
        copy.bookmark = bookmark
        copy.missing = missing
        copy.purged = purged
        copy.instances = instances
        return copy
    }

    /// Position of the last record.
    var end: UInt64 { trimmed + UInt64(log.count) }
}

/// An instance ID as its bytes: text that only Unicode calls equal is another ID.
struct InstanceKey: Hashable, Comparable {
    var bytes: [UInt8]
    init(_ id: InstanceID) { bytes = Array(id.value.utf8) }
    static func < (left: Self, right: Self) -> Bool { left.bytes.lexicographicallyPrecedes(right.bytes) }
}

/// One opening of a partition: ends on its own, while the disk stays.
final class MemoryOpening: Sendable {
    private let disk: MemoryDisk
    let partition: PartitionID
    private let isClosed = PlatformLock(false)

    init(disk: MemoryDisk, partition: PartitionID) {
        self.disk = disk
        self.partition = partition
    }

    func close() { isClosed.withLock { $0 = true } }

    /// One call under the fault plan.
    func access<Result>(
        _ call: StorageFaultPlan.Call, _ body: (PartitionContents) throws(StoreError) -> Result
    ) throws(StoreError) -> Result {
        try accessDisk(call) { disk throws(StoreError) in try body(try disk.partition(partition)) }
    }

    func accessDisk<Result>(
        _ call: StorageFaultPlan.Call, _ body: (inout DiskContents) throws(StoreError) -> Result
    ) throws(StoreError) -> Result {
        if isClosed.withLock({ $0 }) { throw .unavailable("partition \(partition) is closed") }
        let fault = disk.fault(call, partition)
        switch (fault, call) {
        case (.full, .begin), (.full, .append), (.full, .flush):
            throw .full("no space for partition \(partition)")
        case (.unavailable(isWritten: false), _):
            throw .unavailable("input/output error on partition \(partition)")
        default: break
        }
        let result = try disk.access(body)
        if case .unavailable = fault { throw .unavailable("input/output error on partition \(partition)") }
        return result
    }
}
