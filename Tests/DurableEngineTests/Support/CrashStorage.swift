import DurableBackend
import DurableCore
import DurableMemory

/// What all workers of one crash run wrote, as far as it is durable, and the calls that led there.
final class DurableLedger: Sendable {
    /// What happens to a call, given its number (all workers' together, from 1) and what it is.
    typealias Plan = @Sendable (Int, StorageFaultPlan.Call) -> StorageFaultPlan.Fault

    private struct State {
        var callCount = 0
        var plan: Plan = { _, _ in .none }
        var beforeBegin: @Sendable () async throws -> Void = {}
        var beforeAppend: @Sendable ([PartitionRecord]) async throws -> Void = { _ in }
        var isFaultMet = false
        var dispatches: Set<String> = []
        var messages: Set<MessageID> = []
        var ended: Set<InstanceID> = []
    }

    private let state = PlatformLock(State())

    func plan(_ plan: @escaping Plan) { state.withLock { $0.plan = plan } }
    /// Has every owner do this before its epoch begins.
    func beforeBegin(_ body: @escaping @Sendable () async throws -> Void) { state.withLock { $0.beforeBegin = body } }
    fileprivate var beforeBegin: @Sendable () async throws -> Void { state.withLock(\.beforeBegin) }
    /// Has every owner do this before it appends records.
    func beforeAppend(_ body: @escaping @Sendable ([PartitionRecord]) async throws -> Void) {
        state.withLock { $0.beforeAppend = body }
    }
    fileprivate var beforeAppend: @Sendable ([PartitionRecord]) async throws -> Void { state.withLock(\.beforeAppend) }

    var callCount: Int { state.withLock(\.callCount) }
    var isFaultMet: Bool { state.withLock(\.isFaultMet) }
    var ended: Set<InstanceID> { state.withLock(\.ended) }

    func hasTask(_ task: TaskMessage) -> Bool { state.withLock { $0.dispatches.contains(task.key) } }
    func hasMessage(_ id: MessageID) -> Bool { state.withLock { $0.messages.contains(id) } }

    func fault(_ call: StorageFaultPlan.Call) -> StorageFaultPlan.Fault {
        let (plan, number) = state.withLock { state in
            state.callCount += 1
            return (state.plan, state.callCount)
        }
        let fault = plan(number, call)
        if fault != .none { state.withLock { $0.isFaultMet = true } }
        return fault
    }

    func note(_ records: [PartitionRecord]) {
        state.withLock { state in
            for case .checkpoint(let checkpoint) in records {
                for entry in checkpoint.outbox {
                    switch entry.body {
                    case .task(let task): state.dispatches.insert(task.key)
                    case .message(let message): state.messages.insert(message.id)
                    }
                }
                for change in checkpoint.changes {
                    for case .executionCompleted in change.history.map(\.kind) { state.ended.insert(change.instanceID) }
                }
            }
        }
    }
}

extension TaskMessage {
    fileprivate var key: String { "\(idempotencyKey)/\(dispatch)" }
}

/// One worker's view of real files: fails calls as planned, tells the ledger what became durable, and ends with `kill`.
final class CrashStorage: PartitionStorage {
    private let base: any PartitionStorage
    private let ledger: DurableLedger
    private let isKilled = PlatformLock(false)

    init(_ base: any PartitionStorage, _ ledger: DurableLedger) {
        self.base = base
        self.ledger = ledger
    }

    /// The process is gone: nothing it still tries reaches the files.
    func kill() { isKilled.withLock { $0 = true } }

    func open(_ partition: PartitionID) throws(StoreError) -> OpenPartition {
        if isKilled.withLock({ $0 }) { throw .unavailable("killed") }
        let open = try base.open(partition)
        return OpenPartition(
            log: CrashLog(storage: self, base: open.log),
            store: CrashStore(storage: self, base: open.store), archive: open.archive)
    }

    /// One call under the plan; `isWrite` says whether a full disk refuses it.
    fileprivate func call<Result>(
        _ call: StorageFaultPlan.Call, isWrite: Bool, _ body: () throws(StoreError) -> Result
    ) throws(StoreError) -> Result {
        let fault = try before(call, isWrite)
        let result = try body()
        if case .unavailable = fault { throw .unavailable("planned fault, carried out") }
        return result
    }

    fileprivate func before(
        _ call: StorageFaultPlan.Call, _ isWrite: Bool
    ) throws(StoreError) -> StorageFaultPlan.Fault {
        if isKilled.withLock({ $0 }) { throw .unavailable("killed") }
        let fault = ledger.fault(call)
        if fault == .full, isWrite { throw .full("planned fault") }
        if fault == .unavailable(isWritten: false) { throw .unavailable("planned fault, not carried out") }
        return fault
    }

    fileprivate func beforeBegin() async throws { try await ledger.beforeBegin() }
    fileprivate func beforeAppend(_ records: [PartitionRecord]) async throws { try await ledger.beforeAppend(records) }

    fileprivate func note(_ records: [PartitionRecord]) { ledger.note(records) }
}

private final class CrashLog: PartitionLog {
    let storage: CrashStorage
    let base: any PartitionLog

    init(storage: CrashStorage, base: any PartitionLog) {
        self.storage = storage
        self.base = base
    }

    func begin(_ begin: PartitionRecord.Begin) async throws(LogError) -> LogPosition {
        do {
            try await storage.beforeBegin()
        } catch {
            throw .unavailable("\(error)")
        }
        let fault = try before(.begin(begin.epoch), isWrite: true)
        let position = try await base.begin(begin)
        try after(fault)
        return position
    }

    func append(_ records: [PartitionRecord], epoch: Epoch) async throws(LogError) -> LogPosition {
        do {
            try await storage.beforeAppend(records)
        } catch {
            throw .unavailable("\(error)")
        }
        let fault = try before(.append(records), isWrite: true)
        let position = try await base.append(records, epoch: epoch)
        storage.note(records)
        try after(fault)
        return position
    }

    func read(after position: LogPosition, limit: Int) async throws(LogError) -> [LogEntry] {
        _ = try before(.read, isWrite: false)
        return try await base.read(after: position, limit: limit)
    }

    var size: LogSize? { base.size }

    func renewal(epoch: Epoch) -> (any LogRenewal)? { base.renewal(epoch: epoch) }

    private func before(
        _ call: StorageFaultPlan.Call, isWrite: Bool
    ) throws(LogError) -> StorageFaultPlan.Fault {
        do {
            return try storage.before(call, isWrite)
        } catch {
            if case .full(let text) = error { throw .full(text) }
            throw .unavailable("\(error)")
        }
    }

    private func after(_ fault: StorageFaultPlan.Fault) throws(LogError) {
        if case .unavailable = fault { throw .unavailable("planned fault, carried out") }
    }
}

private final class CrashStore: PartitionStore {
    let storage: CrashStorage
    let base: any PartitionStore

    init(storage: CrashStorage, base: any PartitionStore) {
        self.storage = storage
        self.base = base
    }

    func recover() throws(StoreError) -> StoreRecovery {
        try storage.call(.recover, isWrite: false) { () throws(StoreError) in try base.recover() }
    }

    func instance(_ id: InstanceID) throws(StoreError) -> InstanceState? {
        try look { () throws(StoreError) in try base.instance(id) }
    }

    func history(of id: InstanceID, from first: Int, byteLimit: Int) throws(StoreError) -> [HistoryEvent] {
        try look { () throws(StoreError) in try base.history(of: id, from: first, byteLimit: byteLimit) }
    }

    func due(after: DueInstance?, through: Timestamp, limit: Int) throws(StoreError) -> [DueInstance] {
        try look { () throws(StoreError) in try base.due(after: after, through: through, limit: limit) }
    }

    func held(after: InstanceID?, limit: Int) throws(StoreError) -> [InstanceID] {
        try look { () throws(StoreError) in try base.held(after: after, limit: limit) }
    }

    func list(_ filter: ListFilter, after: ListCursor?, limit: Int) throws(StoreError) -> [InstanceState] {
        try look { () throws(StoreError) in try base.list(filter, after: after, limit: limit) }
    }

    func sent(after: SentPlace?, byteLimit: Int) throws(StoreError) -> [SentMessage] {
        try look { () throws(StoreError) in try base.sent(after: after, byteLimit: byteLimit) }
    }

    func counts() throws(StoreError) -> [QueryAnswer.StatusCount] {
        try look { () throws(StoreError) in try base.counts() }
    }

    func counts(_ filter: ListFilter) throws(StoreError) -> [QueryAnswer.StatusCount] {
        try look { () throws(StoreError) in try base.counts(filter) }
    }

    func expired(before time: Timestamp, limit: Int) throws(StoreError) -> [ExpiredInstance] {
        try look { () throws(StoreError) in try base.expired(before: time, limit: limit) }
    }

    func flush(_ flush: StoreFlush) throws(StoreError) {
        try storage.call(.flush(flush.position), isWrite: true) { () throws(StoreError) in
            try base.flush(flush)
        }
    }

    func close() { base.close() }

    private func look<Result>(_ body: () throws(StoreError) -> Result) throws(StoreError) -> Result {
        try storage.call(.look, isWrite: false, body)
    }
}
