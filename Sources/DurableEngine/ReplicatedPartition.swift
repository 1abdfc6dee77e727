import DurableBackend
import DurableCore
import DurableWire
import Logging

/// One opening: the log in its stream, the tables in the copy.
final class ReplicatedPartition: PartitionLog, PartitionStore, PartitionArchive {
    let storage: ReplicatedStorage
    private let partition: PartitionID
    private let copy: any PartitionCopy
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
        var renewal: GenerationRenewal?
        /// Fills the copy, if it has to be filled.
        var restorer: SnapshotRestorer?
        /// The archive's streams that count.
        var archive: [ArchiveSegment] = []
        /// What of it the copy lacks, since `begin`.
        var missing: MissingArchive?
        var reader: ArchiveReader?
    }

    /// - Parameter log: Read to where the copy stands; nil: to be found.
    init(_ storage: ReplicatedStorage, _ partition: PartitionID, _ copy: any PartitionCopy, _ log: StreamLog?) {
        self.storage = storage
        self.partition = partition
        self.copy = copy
        known.withLock { $0.log = log }
    }

    var open: OpenPartition { OpenPartition(log: self, store: self, archive: self) }

    private var log: StreamLog? { known.withLock(\.log) }
    private var generation: LogGeneration {
        log?.generation ?? LogGeneration.first(of: storage.descriptor, partition)
    }

    // MARK: Log

    func begin(_ begin: PartitionRecord.Begin) async throws(LogError) -> LogPosition {
        let log = try await locate(since: begin.epoch)
        known.withLock { known in
            known.begun = nil
            known.renewal = nil
        }
        let position = try await result(log) { () async throws(LogError) in try await log.begin(begin) }.get()
        do throws(StoreError) {
            try rebuildUnlessFitting(position, log)
        } catch {
            throw LogError(error)
        }
        try findMissing(of: log)
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
        let before = log.size?.total ?? 0
        let position = try await result(log) { () async throws(LogError) in
            try await log.append(records, epoch: epoch)
        }.get()
        known.withLock(\.renewal)?.take(records, bytes: (log.size?.total ?? 0) - before)
        return position
    }

    func read(after position: LogPosition, limit: Int) async throws(LogError) -> [LogEntry] {
        let log = try await locate(since: nil)
        let entries = try await result(log) { () async throws(LogError) in
            try await log.read(after: position, limit: limit)
        }.get()
        if known.withLock({ $0.reader == nil }) { try findMissing(of: log) }
        return entries
    }

    /// The copy is filled as far as it must be: what it lacks still is in the archive.
    private func findMissing(of log: StreamLog) throws(LogError) {
        let missing: MissingArchive?
        do throws(StoreError) { missing = try copy.missingArchive() } catch { throw LogError(error) }
        known.withLock { known in
            known.missing = missing
            known.reader = ArchiveReader(copy, storage.transport, storage.clock, log.generation)
        }
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
            known.archive = place.archive
        }
        if let log, log.generation == place.generation { return log }
        log?.close()
        let restorer = SnapshotRestorer(copy, base: place.generation.base, archive: place.archive)
        var parts = storage.parts(of: place.generation, from: place.bookmark)
        parts.onSnapshot = { step throws(LogError) in try restorer.take(step) }
        let found = StreamLog(parts)
        let isClosed = known.withLock { known in
            known.log = found
            known.restorer = restorer
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
        if known.withLock(\.restorer)?.hasRestored == true { return }
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

    func renewal(epoch: Epoch) -> (any LogRenewal)? {
        // A copy that lacks some of the archive cannot say what is in it.
        guard let old = log, old.isAtRest(in: epoch),
            known.withLock({ $0.begun == epoch && !$0.isCut && $0.renewal == nil && $0.missing == nil })
        else { return nil }
        let (number, removed) = known.withLock { known in
            known.made += 1
            return (known.made, known.removed)
        }
        var generation = old.generation
        generation.stream = storage.descriptor.topology.logStream(of: partition, madeIn: epoch, number: number)
        generation.base = old.position
        generation.epoch = epoch
        generation.previous = old.generation.stream
        do throws(StoreError) {
            let frozen = try copy.frozen()
            let renewal = GenerationRenewal(
                self, from: old, to: StreamLog(storage.parts(of: generation)), frozen,
                archive: known.withLock(\.archive),
                removed: removed)
            guard try frozen.recover().position == old.position else {
                frozen.close()
                return nil
            }
            known.withLock { $0.renewal = renewal }
            return renewal
        } catch {
            noteFailure(of: generation, "\(error)")
            return nil
        }
    }

    func noteFailure(of generation: LogGeneration, _ cause: String) {
        storage.logger.warning(
            "the log of partition \(partition) could not be compacted, it goes on as it is and is tried again",
            metadata: ["cause": "\(cause)", "stream": "\(generation.previous)"])
    }

    /// Streams that are gone, as the journal has been told by now.
    func forget(removed: [String]) { known.withLock { known in known.removed.removeAll(where: removed.contains) } }

    /// The renewal is over and came to nothing.
    func end(_ renewal: GenerationRenewal) {
        known.withLock { if $0.renewal === renewal { $0.renewal = nil } }
    }

    /// Deletes a stream that was made for nothing, or leaves it to a later owner.
    func discard(_ generation: LogGeneration) async {
        if await !remove(withArchive(generation.stream)) {
            known.withLock { $0.leftovers.append(.init(stream: generation.stream, epoch: generation.epoch)) }
        }
    }

    /// A stream nobody announced, and what was written beside it.
    private func withArchive(_ stream: String) -> [String] {
        [stream] + storage.descriptor.topology.archiveStreams(besides: stream)
    }

    /// Announces the stream of a renewal and goes on in it, if the announcement counts.
    ///
    /// - Throws: `.fenced`: it does not count. `.unavailable`: which stream the log is in is unknown.
    func switchOver(_ renewal: GenerationRenewal, _ announcement: GenerationAnnouncement) async throws(LogError) {
        let (old, new) = (renewal.old, renewal.new)
        // From here on it may be the log, whoever knows.
        known.withLock { $0.isCut = true }
        let announced: HubJournal.Announced
        do throws(EpochError) {
            announced = try await storage.journal.announce(announcement)
        } catch {
            new.close()
            throw LogError(error)
        }
        if case .superseded(let newer, let isVoid) = announced {
            new.close()
            // Else the archive beside it may be part of the newer owner's.
            if isVoid { _ = await remove(withArchive(new.generation.stream)) }
            storage.note(newer, of: partition)
            throw .fenced(newest: newer)
        }
        let kept = announcement.archive.map(\.stream)
        let (isClosed, replaced) = known.withLock { known in
            let replaced = known.archive.map(\.stream).filter { !kept.contains($0) }
            known.log = new
            known.isCut = false
            known.archive = announcement.archive
            return (known.isClosed, replaced + [old.generation.stream])
        }
        if isClosed { new.close() }
        old.close()
        // Should it not work out: what is remembered too long does no harm.
        try? copy.forgetPurged(notIn: announcement.archive)
        storage.logger.info(
            "compacted the log of the partition \(partition)",
            metadata: [
                "stream": "\(new.generation.stream)", "position": "\(new.generation.base)",
                "bytes": "\(announcement.snapshotBytes)", "before": "\(old.size?.total ?? 0)",
                "archives": "\(announcement.archive.count)",
            ])
        if await !remove(replaced) {
            known.withLock { $0.leftovers += replaced.map { .init(stream: $0, epoch: nil) } }
        }
    }

    /// Deletes what owners before `epoch` left: streams that were replaced, and those they never announced, which count
    /// for nobody since this epoch's claim.
    private func removeLeftovers(of epoch: Epoch) async {
        let current = [generation.stream] + known.withLock { $0.archive.map(\.stream) }
        let streams = known.withLock(\.leftovers).filter { leftover in
            leftover.epoch.map { $0 < epoch } ?? true
        }.flatMap { $0.epoch == nil ? [$0.stream] : withArchive($0.stream) }.filter { !current.contains($0) }
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

    // MARK: Archive

    var isComplete: Bool { known.withLock { $0.missing == nil } }

    func mayHave(_ id: InstanceID) throws(StoreError) -> Bool {
        if storage.defect == .forgetsArchive { return false }
        guard let missing = known.withLock(\.missing) else { return false }
        if missing.partial == id { return true }
        guard missing.filter.mayContain(id) else { return false }
        return try copy.instance(id) == nil
    }

    func hasExpired(before time: Timestamp?) -> Bool {
        known.withLock { known in known.archive.contains { $0.isExpired(before: time) } }
    }

    func fetch() async throws(LogError) {
        guard let (missing, reader) = known.withLock({ known in known.missing.map { ($0, known.reader) } }), let reader
        else { return }
        let rest = try await reader.readChunk(of: missing)
        known.withLock { $0.missing = rest }
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

    func counts(_ filter: ListFilter) throws(StoreError) -> [QueryAnswer.StatusCount] { try copy.counts(filter) }

    func expired(before time: Timestamp, limit: Int) throws(StoreError) -> [ExpiredInstance] {
        try copy.expired(before: time, limit: limit)
    }

    func close() {
        let log = known.withLock { known in
            known.isClosed = true
            return known.log
        }
        log?.close()
        copy.close()
    }
}
