package import DurableBackend
package import DurableCore
package import DurableMemory

/// One worker's way to the partitions' logs and stores: takes time, fails as planned, tells the witness what became
/// durable, and ends with its worker.
package final class SimulatedStorage: PartitionStorage, @unchecked Sendable {  // confined to the simulator's thread
    fileprivate let base: any PartitionStorage
    fileprivate let node: Node
    fileprivate let witness: Witness
    fileprivate let latency: Latency
    fileprivate let faults: StorageFaults
    fileprivate let disk: SimulatedDisk?
    /// What tells the witness of appends when the log is in streams; nil: this storage does.
    fileprivate let streams: StreamWitness?
    /// Deliberate: writes of older epochs are let through.
    fileprivate let ignoresFencing: Bool

    package init(
        _ base: any PartitionStorage, of node: Node, witness: Witness, latency: Latency, faults: StorageFaults,
        disk: SimulatedDisk? = nil, streams: StreamWitness? = nil, ignoresFencing: Bool = false
    ) {
        self.base = base
        self.node = node
        self.witness = witness
        self.latency = latency
        self.faults = faults
        self.disk = disk
        self.streams = streams
        self.ignoresFencing = ignoresFencing
    }

    package func open(_ partition: PartitionID) throws(StoreError) -> OpenPartition {
        if node.isDead { throw .unavailable("the process is gone") }
        disk?.currentProcess = node.number
        return simulated(try base.open(partition), partition)
    }

    package func follow(
        _ partition: PartitionID, onCaughtUp: @escaping @Sendable () -> Void
    ) async -> OpenPartition? {
        if node.isDead { return nil }
        return await base.follow(partition, onCaughtUp: onCaughtUp).map { simulated($0, partition) }
    }

    private func simulated(_ open: OpenPartition, _ partition: PartitionID) -> OpenPartition {
        OpenPartition(
            log: SimulatedLog(self, open.log, partition), store: SimulatedStore(self, open.store, partition),
            archive: open.archive.map { SimulatedArchive(self, $0) })
    }

    /// Tells the witness what became of appends whose outcome was unknown: an epoch began at `position`, after them.
    fileprivate func settle(_ partition: PartitionID, before position: LogPosition) async {
        guard witness.isUncertain(of: partition) else { return }
        disk?.isSpared = true
        disk?.currentProcess = 0
        defer {
            disk?.isSpared = false
            disk?.currentProcess = node.number
        }
        do {
            let open = try base.open(partition)
            defer { open.store.close() }
            let known = witness.partitions[partition.index].position
            let entries = try await open.log.read(after: known, limit: 100_000)
            witness.settle(partition, found: entries.filter { $0.position < position }.map(\.record))
        } catch {
            witness.violated("I1: the log of partition \(partition) cannot be read: \(error)")
        }
    }

    fileprivate func fault(_ call: StorageFaultPlan.Call) throws(StoreError) -> StorageFaultPlan.Fault {
        if node.isDead { throw .unavailable("the process is gone") }
        disk?.currentProcess = node.number
        let fault = faults.next(call, of: node)
        switch (fault, call) {
        case (.full, .begin), (.full, .append), (.full, .flush): throw .full("no space (planned)")
        case (.unavailable(isWritten: false), _): throw .unavailable("input/output error (planned)")
        default: return fault
        }
    }
}

/// Which calls of the workers fail.
package final class StorageFaults: @unchecked Sendable {  // confined to the simulator's thread
    private struct Due {
        var node: Node
        var calls: Int
        var fault: StorageFaultPlan.Fault
    }

    private var due: [Due] = []
    private var waitingForAppend: [(node: Node, appends: Int, action: () -> Void)] = []
    /// No worker can write while this holds.
    package var isFull = false
    private let onFault: (Node) -> Void

    /// - Parameter onFault: Called with the node one of whose calls fails.
    package init(onFault: @escaping (Node) -> Void = { _ in }) { self.onFault = onFault }

    /// The `calls`-th call of `node` from now on meets `fault`.
    package func plan(_ fault: StorageFaultPlan.Fault, atCall calls: Int, of node: Node) {
        due.append(Due(node: node, calls: calls, fault: fault))
    }

    /// Has `action` happen when `node` begins its `appends`-th append from now on.
    package func onAppend(_ appends: Int, of node: Node, _ action: @escaping () -> Void) {
        waitingForAppend.append((node, appends, action))
    }

    fileprivate func beginsAppend(_ node: Node) {
        for index in waitingForAppend.indices where waitingForAppend[index].node === node {
            waitingForAppend[index].appends -= 1
            if waitingForAppend[index].appends == 0 { waitingForAppend[index].action() }
        }
        waitingForAppend.removeAll { $0.appends == 0 }
    }

    /// Nothing fails any more.
    package func mend() {
        due = []
        waitingForAppend = []
        isFull = false
    }

    fileprivate func next(_ call: StorageFaultPlan.Call, of node: Node) -> StorageFaultPlan.Fault {
        var fault = isFull ? StorageFaultPlan.Fault.full : .none
        for index in due.indices where due[index].node === node {
            due[index].calls -= 1
            if due[index].calls == 0 { fault = due[index].fault }
        }
        due.removeAll { $0.calls <= 0 }
        if fault != .none { onFault(node) }
        return fault
    }
}

private final class SimulatedLog: PartitionLog, @unchecked Sendable {  // confined to the simulator's thread
    private let storage: SimulatedStorage
    private let base: any PartitionLog
    private let partition: PartitionID

    init(_ storage: SimulatedStorage, _ base: any PartitionLog, _ partition: PartitionID) {
        self.storage = storage
        self.base = base
        self.partition = partition
    }

    func begin(_ begin: PartitionRecord.Begin) async throws(LogError) -> LogPosition {
        let isLate = storage.latency.isDrawnLate()
        if !isLate { await storage.latency.pass() }
        let fault = try fault(.begin(begin.epoch))
        let position: LogPosition
        do throws(LogError) {
            position = try await base.begin(begin)
        } catch {
            failed([.begin(begin)], error)
            throw error
        }
        if !isInStream([.begin(begin)], epoch: begin.epoch, through: position) {
            await storage.settle(partition, before: position)
            storage.witness.began(begin, of: partition, at: position, by: storage.node)
        }
        if isLate { await storage.latency.pass() }
        try end(fault)
        return position
    }

    func append(_ records: [PartitionRecord], epoch: Epoch) async throws(LogError) -> LogPosition {
        storage.faults.beginsAppend(storage.node)
        let isLate = storage.latency.isDrawnLate()
        if !isLate { await storage.latency.pass() }
        let fault = try fault(.append(records))
        let position: LogPosition
        let written = storage.ignoresFencing ? max(epoch, storage.witness.partitions[partition.index].newest) : epoch
        do throws(LogError) {
            position = try await base.append(records, epoch: written)
        } catch {
            failed(records, error)
            throw error
        }
        if !isInStream(records, epoch: written, through: position) {
            storage.witness.appended(records, epoch: epoch, to: partition, at: position, by: storage.node)
        }
        if isLate { await storage.latency.pass() }
        try end(fault)
        return position
    }

    func read(after position: LogPosition, limit: Int) async throws(LogError) -> [LogEntry] {
        await storage.latency.pass()
        let fault = try fault(.read)
        try end(fault)
        return try await base.read(after: position, limit: limit)
    }

    var size: LogSize? { base.size }

    func renewal(epoch: Epoch) -> (any LogRenewal)? {
        if storage.node.isDead { return nil }
        return base.renewal(epoch: epoch).map { SimulatedRenewal($0, storage, partition) }
    }

    private func failed(_ records: [PartitionRecord], _ error: LogError) {
        if let streams = storage.streams {
            streams.follow(partition)
        } else if case .unavailable = error {
            storage.witness.mayHaveAppended(records, to: partition)
        }
    }

    /// Lets the witness see the stream, and checks what its owner was told of it. False when there is no stream.
    private func isInStream(_ records: [PartitionRecord], epoch: Epoch, through position: LogPosition) -> Bool {
        guard let streams = storage.streams else { return false }
        streams.follow(partition)
        streams.check(records, of: partition, epoch: epoch, through: position)
        return true
    }

    private func fault(_ call: StorageFaultPlan.Call) throws(LogError) -> StorageFaultPlan.Fault {
        do {
            return try storage.fault(call)
        } catch {
            if case .full(let text) = error { throw .full(text) }
            throw .unavailable("\(error)")
        }
    }

    /// The call was carried out; its caller may be told otherwise, or be gone.
    private func end(_ fault: StorageFaultPlan.Fault) throws(LogError) {
        if storage.node.isDead { throw .unavailable("the process is gone") }
        if case .unavailable = fault { throw .unavailable("input/output error (planned)") }
    }
}

/// Lets the witness see a stream before it is deleted.
private struct SimulatedRenewal: LogRenewal {
    private let base: any LogRenewal
    private let storage: SimulatedStorage
    private let partition: PartitionID

    init(_ base: any LogRenewal, _ storage: SimulatedStorage, _ partition: PartitionID) {
        self.base = base
        self.storage = storage
        self.partition = partition
    }

    var isCrowded: Bool { base.isCrowded }

    func prepare() async -> Bool { await base.prepare() && !storage.node.isDead }

    func finish() async throws(LogError) -> Bool {
        if storage.node.isDead { throw .unavailable("the process is gone") }
        storage.streams?.follow(partition)
        let isDone: Bool
        do throws(LogError) {
            isDone = try await base.finish()
        } catch {
            storage.streams?.follow(partition)
            throw error
        }
        storage.streams?.follow(partition)
        if storage.node.isDead { throw .unavailable("the process is gone") }
        return isDone
    }

    func abandon() { base.abandon() }
}

/// Is read so slowly that what has to wait for it does.
private struct SimulatedArchive: PartitionArchive {
    private let storage: SimulatedStorage
    private let base: any PartitionArchive

    init(_ storage: SimulatedStorage, _ base: any PartitionArchive) {
        self.storage = storage
        self.base = base
    }

    var isComplete: Bool { base.isComplete }

    func mayHave(_ id: InstanceID) throws(StoreError) -> Bool { try base.mayHave(id) }

    func hasExpired(before time: Timestamp?) -> Bool { base.hasExpired(before: time) }

    func fetch() async throws(LogError) {
        await storage.latency.passUpTo(.seconds(5))
        if storage.node.isDead { throw .unavailable("the process is gone") }
        try await base.fetch()
    }
}

private final class SimulatedStore: PartitionStore, @unchecked Sendable {  // confined to the simulator's thread
    private let storage: SimulatedStorage
    private let base: any PartitionStore
    private let partition: PartitionID

    init(_ storage: SimulatedStorage, _ base: any PartitionStore, _ partition: PartitionID) {
        self.storage = storage
        self.base = base
        self.partition = partition
    }

    func recover() throws(StoreError) -> StoreRecovery {
        try call(.recover) { () throws(StoreError) in try base.recover() }
    }

    func instance(_ id: InstanceID) throws(StoreError) -> InstanceState? {
        try call(.look) { () throws(StoreError) in try base.instance(id) }
    }

    func history(of id: InstanceID, from first: Int, byteLimit: Int) throws(StoreError) -> [HistoryEvent] {
        try call(.look) { () throws(StoreError) in try base.history(of: id, from: first, byteLimit: byteLimit) }
    }

    func due(after: DueInstance?, through: Timestamp, limit: Int) throws(StoreError) -> [DueInstance] {
        try call(.look) { () throws(StoreError) in try base.due(after: after, through: through, limit: limit) }
    }

    func held(after: InstanceID?, limit: Int) throws(StoreError) -> [InstanceID] {
        try call(.look) { () throws(StoreError) in try base.held(after: after, limit: limit) }
    }

    func list(_ filter: ListFilter, after: ListCursor?, limit: Int) throws(StoreError) -> [InstanceState] {
        try call(.look) { () throws(StoreError) in try base.list(filter, after: after, limit: limit) }
    }

    func sent(after: SentPlace?, byteLimit: Int) throws(StoreError) -> [SentMessage] {
        try call(.look) { () throws(StoreError) in try base.sent(after: after, byteLimit: byteLimit) }
    }

    func counts() throws(StoreError) -> [QueryAnswer.StatusCount] {
        try call(.look) { () throws(StoreError) in try base.counts() }
    }

    func counts(_ filter: ListFilter) throws(StoreError) -> [QueryAnswer.StatusCount] {
        try call(.look) { () throws(StoreError) in try base.counts(filter) }
    }

    func expired(before time: Timestamp, limit: Int) throws(StoreError) -> [ExpiredInstance] {
        try call(.look) { () throws(StoreError) in try base.expired(before: time, limit: limit) }
    }

    func flush(_ flush: StoreFlush) throws(StoreError) {
        try call(.flush(flush.position)) { () throws(StoreError) in try base.flush(flush) }
    }

    func close() {
        storage.disk?.currentProcess = storage.node.number
        base.close()
    }

    private func call<Result>(
        _ call: StorageFaultPlan.Call, _ body: () throws(StoreError) -> Result
    ) throws(StoreError) -> Result {
        let fault = try storage.fault(call)
        let result = try body()
        if storage.node.isDead { throw .unavailable("the process is gone") }
        if case .unavailable = fault { throw .unavailable("input/output error (planned)") }
        return result
    }
}
