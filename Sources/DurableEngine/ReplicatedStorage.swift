package import DurableBackend
package import DurableCore
import DurableWire
package import Logging

/// Partitions whose log is a stream of the broker and whose tables are a copy that this worker keeps for itself.
///
/// The copy goes on where it was. When it does not belong to the stream, it is emptied and filled again: it is never
/// served, and nothing in it can be lost.
package final class ReplicatedStorage: PartitionStorage {
    fileprivate let descriptor: HubDescriptor
    private let transport: any MessageTransport
    private let copies: any PartitionCopies
    private let clock: any EngineClock
    private let makeNonce: @Sendable () -> String
    fileprivate let logger: Logger
    /// Newest epochs that openings here have seen. Look-up only.
    private let newest = PlatformLock<[PartitionID: Epoch]>([:])

    /// - Parameter makeNonce: A text nobody else makes, for each opening.
    package init(
        descriptor: HubDescriptor, transport: any MessageTransport, copies: any PartitionCopies,
        clock: any EngineClock, makeNonce: @escaping @Sendable () -> String, logger: Logger
    ) {
        self.descriptor = descriptor
        self.transport = transport
        self.copies = copies
        self.clock = clock
        self.makeNonce = makeNonce
        self.logger = logger
    }

    package func open(_ partition: PartitionID) throws(StoreError) -> OpenPartition {
        let copy = try copies.open(partition)
        let generation = LogGeneration.first(of: descriptor, partition)
        var parts = StreamLog.Parts(
            transport: transport, topology: descriptor.topology, generation: generation, clock: clock,
            writer: makeNonce())
        do throws(StoreError) {
            parts.bookmark = try copy.bookmark()
            if let bookmark = parts.bookmark, bookmark.generation != generation {
                noteRebuild(of: partition, "it is of stream \(bookmark.generation.stream)")
                try copy.reset()
                parts.bookmark = nil
            }
        } catch {
            copy.close()
            throw error
        }
        let opened = ReplicatedPartition(self, generation, StreamLog(parts), copy)
        return OpenPartition(log: opened, store: opened)
    }

    fileprivate func note(_ epoch: Epoch, of partition: PartitionID) {
        newest.withLock { $0[partition] = max($0[partition] ?? .zero, epoch) }
    }

    fileprivate func newestEpoch(of partition: PartitionID) -> Epoch { newest.withLock { $0[partition] ?? .zero } }

    fileprivate func noteRebuild(of partition: PartitionID, _ reason: String) {
        logger.notice(
            "the copy of partition \(partition) does not belong to its log, filling it anew",
            metadata: ["reason": "\(reason)"])
    }
}

/// One opening: the log in its stream, the tables in the copy.
private final class ReplicatedPartition: PartitionLog, PartitionStore {
    private let storage: ReplicatedStorage
    private let generation: LogGeneration
    private let log: StreamLog
    private let copy: any PartitionCopy
    private var partition: PartitionID { generation.partition }

    init(
        _ storage: ReplicatedStorage, _ generation: LogGeneration, _ log: StreamLog, _ copy: any PartitionCopy
    ) {
        self.storage = storage
        self.generation = generation
        self.log = log
        self.copy = copy
    }

    // MARK: Log

    func begin(_ begin: PartitionRecord.Begin) async throws(LogError) -> LogPosition {
        let result = await result { () async throws(LogError) in try await log.begin(begin) }
        let position = try result.get()
        do throws(StoreError) {
            try rebuildUnlessFitting(position)
        } catch {
            throw LogError(error)
        }
        return position
    }

    func append(_ records: [PartitionRecord], epoch: Epoch) async throws(LogError) -> LogPosition {
        try await result { () async throws(LogError) in try await log.append(records, epoch: epoch) }.get()
    }

    func read(after position: LogPosition, limit: Int) async throws(LogError) -> [LogEntry] {
        try await result { () async throws(LogError) in try await log.read(after: position, limit: limit) }.get()
    }

    private func result<Value>(
        _ body: () async throws(LogError) -> Value
    ) async -> Result<Value, LogError> {
        defer { storage.note(log.newest, of: partition) }
        do throws(LogError) {
            return .success(try await body())
        } catch {
            return .failure(error)
        }
    }

    /// Everything before `begin` is final: a copy that stands elsewhere or behind it is of another log.
    private func rebuildUnlessFitting(_ begin: LogPosition) throws(StoreError) {
        let standing = try copy.recover().position
        if let defect = log.bookmarkDefect, standing > LogPosition(0) {
            storage.noteRebuild(of: partition, defect)
        } else if standing >= begin {
            storage.noteRebuild(of: partition, "it stands at \(standing), the log ended at \(begin)")
        } else {
            return
        }
        try copy.reset()
    }

    // MARK: Store

    func recover() throws(StoreError) -> StoreRecovery {
        var recovery = try copy.recover()
        recovery.incarnation = generation.incarnation
        return recovery
    }

    func flush(_ flush: StoreFlush) throws(StoreError) {
        let newest = storage.newestEpoch(of: partition)
        if flush.epoch < newest { throw .fenced(newest: newest) }
        guard flush.position <= log.position else {
            throw .damaged("a flush through \(flush.position) does not fit a log that was read to \(log.position)")
        }
        var flush = flush
        flush.bookmark = log.bookmark(for: flush.position)
        try copy.flush(flush)
    }

    func instance(_ id: InstanceID) throws(StoreError) -> InstanceState? { try copy.instance(id) }

    func history(of id: InstanceID, from first: Int, byteLimit: Int) throws(StoreError) -> [HistoryEvent] {
        try copy.history(of: id, from: first, byteLimit: byteLimit)
    }

    func due(after: DueInstance?, through: Timestamp, limit: Int) throws(StoreError) -> [DueInstance] {
        try copy.due(after: after, through: through, limit: limit)
    }

    func held(after: InstanceID?, limit: Int) throws(StoreError) -> [InstanceID] {
        try copy.held(after: after, limit: limit)
    }

    func list(_ filter: ListFilter, after: ListCursor?, limit: Int) throws(StoreError) -> [InstanceState] {
        try copy.list(filter, after: after, limit: limit)
    }

    func counts() throws(StoreError) -> [QueryAnswer.StatusCount] { try copy.counts() }

    func close() {
        log.close()
        copy.close()
    }
}

extension LogError {
    /// A copy that cannot be used for lack of room or of rights stops its partition like a log that cannot.
    fileprivate init(_ error: StoreError) {
        self =
            switch error {
            case .fenced(let newest): .fenced(newest: newest)
            case .full(let text): .full(text)
            case .damaged(let text), .foreign(let text): .damaged(text)
            case .missing(let text), .unavailable(let text): .unavailable(text)
            case .outOfStep(let actual): .unavailable("the copy stands at \(actual)")
            }
    }
}
