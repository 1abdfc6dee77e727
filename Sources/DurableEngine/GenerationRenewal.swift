import DurableBackend
import DurableCore
import DurableWire

/// A log on its way into a new stream: the snapshot of a frozen copy, and behind it what its owner appends to the old
/// stream meanwhile, at the same positions.
///
/// Whatever goes wrong before the announcement, the new stream was for nothing and the log is where it was.
final class GenerationRenewal: LogRenewal, @unchecked Sendable {  // `known` has a lock, the rest does not change
    let old: StreamLog
    let new: StreamLog
    private let partition: ReplicatedPartition
    private let frozen: any PartitionCopy
    /// The archive's streams so far.
    private let archive: [ArchiveSegment]
    /// Streams that are gone, to be noted in the journal.
    private let removed: [String]
    private let known = PlatformLock(Known())

    private struct Known {
        /// Appended to the old stream since the snapshot, and not to the new one.
        var units: [(records: [PartitionRecord], bytes: UInt64)] = []
        var bytes: UInt64 = 0
        var announcement: GenerationAnnouncement?
        var isOver = false
    }

    /// Memory that appends may take which wait for the snapshot.
    private static var byteLimit: UInt64 { 16 << 20 }
    /// What may be left to `finish`, for which the partition stands still: under load there is always something new.
    private static var restBytes: UInt64 { 256 << 10 }
    private static var pageLength: Int { 1000 }

    init(
        _ partition: ReplicatedPartition, from old: StreamLog, to new: StreamLog, _ frozen: any PartitionCopy,
        archive: [ArchiveSegment], removed: [String]
    ) {
        self.partition = partition
        self.old = old
        self.new = new
        self.frozen = frozen
        self.archive = archive
        self.removed = removed
    }

    /// The old stream has these now.
    func take(_ records: [PartitionRecord], bytes: UInt64) {
        if partition.storage.defect == .losesAppendsInRenewal { return }
        known.withLock { known in
            if known.isOver { return }
            known.units.append((records, bytes))
            known.bytes += bytes
        }
    }

    var isCrowded: Bool { known.withLock { $0.bytes > Self.byteLimit } }

    func prepare() async -> Bool {
        do throws(LogError) {
            do throws(EpochError) {
                try await partition.storage.journal.start(new.generation, removed: removed)
            } catch {
                throw LogError(error)
            }
            partition.forget(removed: removed)
            let announcement = try await writeSnapshot()
            known.withLock { $0.announcement = announcement }
            try await writeUnits(leaving: Self.restBytes)
            return !known.withLock(\.isOver)
        } catch {
            await giveUp("\(error)")
            return false
        }
    }

    func finish() async throws(LogError) -> Bool {
        do throws(LogError) {
            try await writeUnits(leaving: 0)
        } catch {
            await giveUp("\(error)")
            return false
        }
        guard let announcement = known.withLock({ $0.isOver ? nil : $0.announcement }) else { return false }
        let isWhole = new.position == old.position || partition.storage.defect == .losesAppendsInRenewal
        guard isWhole, old.isAtRest(in: new.generation.epoch) else {
            await giveUp("the new stream ends at \(new.position), the old one at \(old.position)")
            return false
        }
        defer { close() }
        try await partition.switchOver(self, announcement)
        return true
    }

    func abandon() {
        if known.withLock(\.isOver) { return }
        close()
        new.close()
    }

    private func writeSnapshot() async throws(LogError) -> GenerationAnnouncement {
        defer { frozen.close() }
        let recovery: StoreRecovery
        do throws(StoreError) { recovery = try frozen.recover() } catch { throw LogError(error) }
        let archive = try await writeArchive(recovery.state.expiredBefore)
        let archived = archive.isEmpty ? nil : try await filter()
        var reader = SnapshotReader(openOf: frozen, recovery, archived: archived, archive: archive)
        var announcement = try await new.found { () throws(LogError) in
            do throws(StoreError) { return try reader.next()?.wireBytes } catch { throw LogError(error) }
        }
        announcement.archive = archive
        return announcement
    }

    /// Leaves out what has expired, and writes what has ended since the last time, with what small streams of before have,
    /// to a stream of its own. One of the others, if much of it was purged, is written again without that.
    private func writeArchive(_ expiredBefore: Timestamp?) async throws(LogError) -> [ArchiveSegment] {
        let storage = partition.storage
        var kept = archive.filter { !$0.isExpired(before: expiredBefore) }
        var tail: ArchiveSegment?
        if try hasEnded(after: kept.last?.through), storage.defect != .losesEndedInRenewal {
            while let last = kept.last, last.bytes < storage.archiveBytes { kept.removeLast() }
            tail = try await write(
                after: kept.last?.through ?? LogPosition(0), through: new.generation.base,
                to: storage.descriptor.topology.archiveStream(besides: new.generation.stream), expiredBefore)
        }
        if let index = try await mostPurged(of: kept) {
            let old = kept[index]
            let again = try await write(
                after: old.after, through: old.through,
                to: storage.descriptor.topology.rewrittenArchiveStream(besides: new.generation.stream), expiredBefore)
            kept.replaceSubrange(index...index, with: [again].compactMap(\.self))
        }
        return kept + [tail].compactMap(\.self)
    }

    private func hasEnded(after position: LogPosition?) throws(LogError) -> Bool {
        let last = EndedInstance(after: position ?? LogPosition(0))
        do throws(StoreError) { return try !frozen.ended(after: last, limit: 1).isEmpty } catch {
            throw LogError(error)
        }
    }

    /// - Returns: nil: nothing of it is left.
    private func write(
        after: LogPosition, through: LogPosition, to stream: String, _ expiredBefore: Timestamp?
    ) async throws(LogError) -> ArchiveSegment? {
        var segment = ArchiveSegment(
            stream: stream, epoch: new.generation.epoch, after: after, through: through,
            writtenAt: new.generation.base, expiredBefore: expiredBefore)
        var reader = SnapshotReader(frozen, endedAfter: after, through: through)
        var first: SnapshotChunk?
        do throws(StoreError) { first = try reader.next() } catch { throw LogError(error) }
        if first == nil { return nil }
        let log = StreamLog(partition.storage.parts(of: segment.generation(of: new.generation)))
        defer { log.close() }
        (segment.chunks, segment.bytes) = try await log.archive { () throws(LogError) in
            if let chunk = first {
                first = nil
                return chunk.wireBytes
            }
            do throws(StoreError) { return try reader.next()?.wireBytes } catch { throw LogError(error) }
        }
        segment.instances = reader.instanceCount
        segment.newestEnd = reader.newestEnd
        return segment
    }

    /// Index of the stream that has the largest share of instances that were purged; nil: none has a quarter of them.
    private func mostPurged(of segments: [ArchiveSegment]) async throws(LogError) -> Int? {
        var counts = [UInt64](repeating: 0, count: segments.count)
        var last: InstanceID?
        while true {
            let page: [PurgedInstance]
            do throws(StoreError) {
                page = try frozen.purged(after: last, limit: Self.pageLength)
            } catch {
                throw LogError(error)
            }
            for instance in page {
                for index in segments.indices where instance.mayBeIn(segments[index]) { counts[index] += 1 }
            }
            guard page.count == Self.pageLength, let end = page.last else { break }
            last = end.id
            // The partition goes on in between.
            await giveWay()
        }
        let shares = segments.indices.map { Double(counts[$0]) / Double(max(segments[$0].instances, 1)) }
        return segments.indices.max { shares[$0] < shares[$1] }.flatMap { shares[$0] >= 0.25 ? $0 : nil }
    }

    /// Of everything that has ended: all of it is in the archive now.
    private func filter() async throws(LogError) -> InstanceFilter {
        do throws(StoreError) {
            let count = try frozen.counts().reduce(0) { $0 + ($1.status.isTerminal ? $1.count : 0) }
            var filter = InstanceFilter(capacity: count)
            var last = EndedInstance(after: LogPosition(0))
            while true {
                let page = try frozen.ended(after: last, limit: Self.pageLength)
                for entry in page { filter.insert(entry.id) }
                guard page.count == Self.pageLength, let end = page.last else { return filter }
                last = end
                // The partition goes on in between.
                await giveWay()
            }
        } catch {
            throw LogError(error)
        }
    }

    /// Writes what waits, until less than `limit` bytes do or nothing does; more may come meanwhile.
    private func writeUnits(leaving limit: UInt64) async throws(LogError) {
        while known.withLock({ $0.bytes >= limit }), let records = nextRecords() {
            _ = try await new.append(records, epoch: new.generation.epoch)
        }
    }

    /// Whole units, in one append: nobody sees the stream before all of them are in it.
    private func nextRecords() -> [PartitionRecord]? {
        known.withLock { known in
            if known.units.isEmpty { return nil }
            var records: [PartitionRecord] = []
            var count = 0
            for unit in known.units {
                if count > 0, records.count + unit.records.count > LogUnit.maximumRecords { break }
                records += unit.records
                count += 1
            }
            for unit in known.units.prefix(count) { known.bytes -= unit.bytes }
            known.units.removeFirst(count)
            return records
        }
    }

    private func giveUp(_ cause: String) async {
        if known.withLock(\.isOver) { return }
        close()
        new.close()
        partition.noteFailure(of: new.generation, cause)
        await partition.discard(new.generation)
    }

    private func close() {
        known.withLock { known in
            known.isOver = true
            known.units = []
        }
        frozen.close()
        partition.end(self)
    }
}
