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
    fileprivate let transport: any MessageTransport
    private let copies: any PartitionCopies
    fileprivate let journal: HubJournal
    fileprivate let clock: any EngineClock
    private let makeNonce: @Sendable () -> String
    fileprivate let logger: Logger
    /// Newest epochs that openings here have seen. Look-up only.
    private let newest = PlatformLock<[PartitionID: Epoch]>([:])

    /// - Parameters:
    ///   - journal: The one that gives this worker its epochs.
    ///   - makeNonce: A text nobody else makes, for each opening.
    package init(
        descriptor: HubDescriptor, transport: any MessageTransport, copies: any PartitionCopies, journal: HubJournal,
        clock: any EngineClock, makeNonce: @escaping @Sendable () -> String, logger: Logger
    ) {
        self.descriptor = descriptor
        self.transport = transport
        self.copies = copies
        self.journal = journal
        self.clock = clock
        self.makeNonce = makeNonce
        self.logger = logger
    }

    package func open(_ partition: PartitionID) throws(StoreError) -> OpenPartition {
        ReplicatedPartition(self, partition, try copies.open(partition), nil).open
    }

    package func follow(
        _ partition: PartitionID, onCaughtUp: @escaping @Sendable () -> Void
    ) async -> OpenPartition? {
        while !Task.isCancelled {
            do throws(LogError) {
                if let opened = try await followOnce(partition, onCaughtUp) { return opened }
            } catch {
                if Task.isCancelled { return nil }
                logger.debug("lost the log of partition \(partition)", metadata: ["cause": "\(error)"])
            }
            if !Task.isCancelled { await clock.sleep(for: Self.followPause) }
        }
        return nil
    }

    /// How long to leave a log alone that could not be followed.
    private static var followPause: Duration { .seconds(5) }

    private func followOnce(
        _ partition: PartitionID, _ onCaughtUp: @escaping @Sendable () -> Void
    ) async throws(LogError) -> OpenPartition? {
        let copy: any PartitionCopy
        do { copy = try copies.open(partition) } catch { throw LogError(error) }
        do throws(LogError) {
            let place = try await place(of: partition, copy, since: nil)
            let source = LogCursor.Source(
                transport: transport, generation: place.generation, clock: clock, isFollowing: true)
            var follower = try LogFollower(
                copy, source, place.bookmark, partitionCount: descriptor.partitionCount)
            let mark = LogMessage.mark(makeNonce())
            try await publish(mark, to: place.generation)
            if let (cursor, bookmark) = try await follower.run(until: mark, onCaughtUp) {
                let log = StreamLog(parts(of: place.generation, from: bookmark), cursor)
                return ReplicatedPartition(self, partition, copy, log).open
            }
        } catch {
            copy.close()
            throw error
        }
        copy.close()
        return nil
    }

    /// A mark shows how far a log goes.
    private func publish(_ mark: LogMessage, to generation: LogGeneration) async throws(LogError) {
        let message = descriptor.topology.logMessage(mark, to: generation.stream, at: clock.now())
        do throws(TransportError) {
            if try await transport.publish([message]) == [.confirmed] { return }
        } catch {
            throw .unavailable("\(generation.stream): \(error)")
        }
        // Without it the follower would wait for ever to have caught up.
        throw .unavailable("the broker did not take a mark for \(generation.stream)")
    }

    /// What a log's reading begins with.
    fileprivate struct Place {
        var generation: LogGeneration
        /// nil: at the stream's beginning.
        var bookmark: LogBookmark?
        /// Streams of before that nobody can need.
        var leftovers: [JournalFold.Leftover]
    }

    /// Finds the stream the log is in, and where a copy goes on in it. A copy of another log is emptied.
    ///
    /// - Parameter epoch: Its claim and what the journal has before it are known; nil: everything there is now.
    fileprivate func place(
        of partition: PartitionID, _ copy: any PartitionCopy, since epoch: Epoch?
    ) async throws(LogError) -> Place {
        let known: JournalFold.Partition
        do throws(EpochError) {
            known = try await journal.state(of: partition, since: epoch)
        } catch {
            throw LogError(error)
        }
        let generation = known.announcement?.generation ?? LogGeneration.first(of: descriptor, partition)
        do throws(StoreError) {
            let bookmark = try bookmark(of: copy, in: generation, known.announcement)
            return Place(generation: generation, bookmark: bookmark, leftovers: known.leftovers)
        } catch {
            throw LogError(error)
        }
    }

    private func bookmark(
        of copy: any PartitionCopy, in generation: LogGeneration, _ announcement: GenerationAnnouncement?
    ) throws(StoreError) -> LogBookmark? {
        guard let bookmark = try copy.bookmark() else {
            // One that was being filled when its worker ended stands nowhere and has rows all the same.
            if !generation.hasSnapshot, try !copy.counts().isEmpty { try copy.reset() }
            return nil
        }
        if bookmark.generation == generation { return bookmark }
        let standing = try copy.recover().position
        if bookmark.generation.isSameLog(as: generation), let announcement, standing <= generation.base {
            // What the snapshot has, this copy has.
            if standing == generation.base { return LogBookmark(announcement) }
            logger.info(
                "filling the copy of partition \(generation.partition) from the snapshot of its log",
                metadata: ["position": "\(standing)", "snapshot": "\(generation.base)"])
            return nil
        }
        noteRebuild(of: generation.partition, "it is of stream \(bookmark.generation.stream)")
        try copy.reset()
        return nil
    }

    fileprivate func parts(of generation: LogGeneration, from bookmark: LogBookmark? = nil) -> StreamLog.Parts {
        StreamLog.Parts(
            transport: transport, topology: descriptor.topology, generation: generation, clock: clock,
            writer: makeNonce(), bookmark: bookmark)
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
    private let partition: PartitionID
    private let copy: any PartitionCopy
    private let restorer: SnapshotRestorer
    private let known = PlatformLock(Known())

    private struct Known {
        /// nil until it is known which stream the log is in.
        var log: StreamLog?
        /// The epoch this opening began.
        var begun: Epoch?
        /// Streams made here, in this epoch.
        var made = 0
        /// Set while a stream of unknown outcome may be the log: nothing may go to the one before.
        var isCut = false
        var isClosed = false
        var leftovers: [JournalFold.Leftover] = []
        var removed: [String] = []
    }

    /// - Parameter log: Read to where the copy stands; nil: to be found.
    init(_ storage: ReplicatedStorage, _ partition: PartitionID, _ copy: any PartitionCopy, _ log: StreamLog?) {
        self.storage = storage
        self.partition = partition
        self.copy = copy
        restorer = SnapshotRestorer(copy)
        known.withLock { $0.log = log }
    }

    var open: OpenPartition { OpenPartition(log: self, store: self) }

    private var log: StreamLog? { known.withLock(\.log) }
    private var generation: LogGeneration {
        log?.generation ?? LogGeneration.first(of: storage.descriptor, partition)
    }

    // MARK: Log

    func begin(_ begin: PartitionRecord.Begin) async throws(LogError) -> LogPosition {
        let log = try await locate(since: begin.epoch)
        known.withLock { $0.begun = nil }
        let position = try await result(log) { () async throws(LogError) in try await log.begin(begin) }.get()
        do throws(StoreError) {
            try rebuildUnlessFitting(position, log)
        } catch {
            throw LogError(error)
        }
        known.withLock { known in
            known.begun = begin.epoch
            known.made = 0
        }
        await removeLeftovers(of: begin.epoch)
        return position
    }

    func append(_ records: [PartitionRecord], epoch: Epoch) async throws(LogError) -> LogPosition {
        if known.withLock(\.isCut) { throw .unavailable("which stream the log is in is unknown: begin a new epoch") }
        let log = try await locate(since: epoch)
        return try await result(log) { () async throws(LogError) in
            try await log.append(records, epoch: epoch)
        }.get()
    }

    func read(after position: LogPosition, limit: Int) async throws(LogError) -> [LogEntry] {
        let log = try await locate(since: nil)
        return try await result(log) { () async throws(LogError) in
            try await log.read(after: position, limit: limit)
        }.get()
    }

    var size: LogSize? { log?.size }

    /// The log, in the stream that it is in now for a new epoch, in the one it was found in for everything else.
    private func locate(since epoch: Epoch?) async throws(LogError) -> StreamLog {
        let isNew = epoch.map { epoch in known.withLock { $0.begun != epoch } } ?? false
        if let log, !isNew { return log }
        let place = try await storage.place(of: partition, copy, since: epoch)
        known.withLock { known in
            known.isCut = false
            known.leftovers = place.leftovers
        }
        if let log, log.generation == place.generation { return log }
        log?.close()
        let restorer = restorer
        var parts = storage.parts(of: place.generation, from: place.bookmark)
        parts.onSnapshot = { step throws(LogError) in try restorer.take(step) }
        let found = StreamLog(parts)
        let isClosed = known.withLock { known in
            known.log = found
            return known.isClosed
        }
        if isClosed { found.close() }
        return found
    }

    private func result<Value>(
        _ log: StreamLog, _ body: () async throws(LogError) -> Value
    ) async -> Result<Value, LogError> {
        defer { storage.note(log.newest, of: partition) }
        do throws(LogError) {
            return .success(try await body())
        } catch {
            guard case .damaged = error, let newest = await successor(of: log.generation) else {
                return .failure(error)
            }
            return .failure(.fenced(newest: newest))
        }
    }

    /// The epoch that put another stream in this one's place; nil: nobody did.
    private func successor(of generation: LogGeneration) async -> Epoch? {
        guard let known = try? await storage.journal.state(of: partition, since: nil), let found = known.announcement,
            found.generation != generation
        else { return nil }
        return max(known.claim ?? .zero, found.generation.epoch)
    }

    /// Everything before `begin` is final: a copy that stands elsewhere or behind it is of another log.
    private func rebuildUnlessFitting(_ begin: LogPosition, _ log: StreamLog) throws(StoreError) {
        if restorer.hasRestored { return }
        let standing = try copy.recover().position
        if let defect = log.bookmarkDefect, standing > LogPosition(0) {
            storage.noteRebuild(of: partition, defect)
        } else if standing >= begin {
            storage.noteRebuild(of: partition, "it stands at \(standing), the log ended at \(begin)")
        } else {
            return
        }
        try copy.reset()
        if log.generation.hasSnapshot { throw .unavailable("the copy must be filled from the snapshot of its log") }
    }

    // MARK: Generations

    func renew(epoch: Epoch) async throws(LogError) -> Bool {
        guard let old = log, known.withLock({ $0.begun == epoch && !$0.isCut }), old.isAtRest(in: epoch) else {
            return false
        }
        let new: StreamLog
        let announcement: GenerationAnnouncement
        do throws(LogError) {
            let recovery: StoreRecovery
            do throws(StoreError) { recovery = try copy.recover() } catch { throw LogError(error) }
            guard recovery.position == old.position else { return false }
            (new, announcement) = try await makeGeneration(after: old, recovery, epoch)
        } catch {
            storage.logger.warning(
                "the log of partition \(partition) could not be compacted, it goes on as it is and is tried again",
                metadata: ["cause": "\(error)", "stream": "\(old.generation.stream)"])
            return false
        }
        // From here on it may be the log, whoever knows.
        known.withLock { $0.isCut = true }
        let newer: Epoch?
        do throws(EpochError) {
            newer = try await storage.journal.announce(announcement)
        } catch {
            new.close()
            throw LogError(error)
        }
        if let newer {
            new.close()
            _ = await remove([new.generation.stream])
            storage.note(newer, of: partition)
            throw .fenced(newest: newer)
        }
        let isClosed = known.withLock { known in
            known.log = new
            known.isCut = false
            return known.isClosed
        }
        if isClosed { new.close() }
        old.close()
        storage.logger.info(
            "compacted the log of the partition \(partition)",
            metadata: [
                "stream": "\(new.generation.stream)", "position": "\(new.generation.base)",
                "bytes": "\(announcement.snapshotBytes)", "before": "\(old.size?.total ?? 0)",
            ])
        if await !remove([old.generation.stream]) {
            known.withLock { $0.leftovers.append(.init(stream: old.generation.stream, epoch: nil)) }
        }
        return true
    }

    /// Fills a new stream. Whatever goes wrong, it was for nothing and the log is where it was.
    private func makeGeneration(
        after old: StreamLog, _ recovery: StoreRecovery, _ epoch: Epoch
    ) async throws(LogError) -> (StreamLog, GenerationAnnouncement) {
        let (number, removed) = known.withLock { known in
            known.made += 1
            return (known.made, known.removed)
        }
        let topology = storage.descriptor.topology
        var generation = old.generation
        generation.stream = topology.logStream(of: partition, madeIn: epoch, number: number)
        generation.base = old.position
        generation.epoch = epoch
        generation.previous = old.generation.stream
        do throws(EpochError) {
            try await storage.journal.start(generation, removed: removed)
        } catch {
            throw LogError(error)
        }
        known.withLock { known in known.removed.removeAll(where: removed.contains) }
        let new = StreamLog(storage.parts(of: generation))
        var reader = SnapshotReader(copy, recovery)
        do throws(LogError) {
            let announcement = try await new.found { () throws(LogError) in
                do throws(StoreError) { return try reader.next()?.wireBytes } catch { throw LogError(error) }
            }
            return (new, announcement)
        } catch {
            new.close()
            if await !remove([generation.stream]) {
                known.withLock { $0.leftovers.append(.init(stream: generation.stream, epoch: epoch)) }
            }
            throw error
        }
    }

    /// Deletes what owners before `epoch` left: streams that were replaced, and those they never announced, which count
    /// for nobody since this epoch's claim.
    private func removeLeftovers(of epoch: Epoch) async {
        let current = generation.stream
        let streams = known.withLock(\.leftovers).filter { leftover in
            leftover.stream != current && leftover.epoch.map { $0 < epoch } ?? true
        }.map(\.stream)
        if !streams.isEmpty { _ = await remove(streams) }
    }

    private func remove(_ streams: [String]) async -> Bool {
        do throws(TransportError) {
            try await storage.transport.delete(queues: streams, exchanges: [])
        } catch {
            storage.logger.debug("could not delete \(streams)", metadata: ["cause": "\(error)"])
            return false
        }
        known.withLock { known in
            known.leftovers.removeAll { streams.contains($0.stream) }
            known.removed += streams
        }
        return true
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
        let end = log?.position ?? LogPosition(0)
        guard flush.position <= end else {
            throw .damaged("a flush through \(flush.position) does not fit a log that was read to \(end)")
        }
        var flush = flush
        flush.bookmark = log?.bookmark(for: flush.position)
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

    func sent(after: SentPlace?, byteLimit: Int) throws(StoreError) -> [SentMessage] {
        try copy.sent(after: after, byteLimit: byteLimit)
    }

    func counts() throws(StoreError) -> [QueryAnswer.StatusCount] { try copy.counts() }

    func close() {
        let log = known.withLock { known in
            known.isClosed = true
            return known.log
        }
        log?.close()
        copy.close()
    }
}

extension LogError {
    fileprivate init(_ error: EpochError) {
        switch error {
        case .unavailable(let text): self = .unavailable(text)
        }
    }
}
