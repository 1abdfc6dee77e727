/// One record of the hub's journal.
package enum JournalRecord: Hashable, Sendable {
    /// A worker holds the baton and begins an epoch: its number is where this record stands.
    case claim(partition: PartitionID, worker: WorkerID, nonce: String)
    case released(partition: PartitionID, epoch: Epoch, nextDue: Timestamp?)
    /// An owner is about to make a stream for its partition's log. `removed`: streams of before that are deleted by
    /// now.
    case generationStarted(LogGeneration, removed: [String])
    case generationAnnounced(GenerationAnnouncement)
    /// Changes nothing: who wrote it learns, by its text, where the journal ended.
    case mark(String)
    case snapshot(JournalSnapshot)
}

/// What all of a journal's records before `end` come to. The broker drops the journal's oldest records; a reader that
/// finds them gone begins with this, wherever it stands: it is the same whoever wrote it, and true for good.
package struct JournalSnapshot: Hashable, Sendable {
    package var end: UInt64
    /// Of those the journal names, in order.
    package var partitions: [Entry]

    package struct Entry: Hashable, Sendable {
        package var id: PartitionID
        package var state: JournalFold.Partition

        package init(id: PartitionID, state: JournalFold.Partition) {
            self.id = id
            self.state = state
        }
    }

    package init(end: UInt64, partitions: [Entry]) {
        self.end = end
        self.partitions = partitions
    }
}

/// Says that a partition's log goes on in another stream. Whether it counts, `JournalFold` tells.
package struct GenerationAnnouncement: Hashable, Sendable {
    package var generation: LogGeneration
    /// Offset, in its stream, of the message that ends its snapshot.
    package var snapshotEnd: UInt64
    package var snapshotBytes: UInt64
    /// Where the instances are that had ended and are not in the snapshot, in order of their positions.
    package var archive: [ArchiveSegment]

    package init(
        generation: LogGeneration, snapshotEnd: UInt64, snapshotBytes: UInt64, archive: [ArchiveSegment] = []
    ) {
        self.generation = generation
        self.snapshotEnd = snapshotEnd
        self.snapshotBytes = snapshotBytes
        self.archive = archive
    }
}

/// What the hub's journal says of each partition: who claimed it last, and which stream its log is in.
///
/// An announcement counts only if no newer claim stands before it. A new owner, who has read the journal up to its own
/// claim, therefore knows the stream for good: nothing that an earlier owner still writes can change it.
package struct JournalFold: Sendable {
    package struct Partition: Hashable, Sendable {
        /// Newest claim; nil: none.
        package var claim: Epoch?
        /// Whose claim that is.
        package var owner: WorkerID?
        /// Set when that claim was released in order.
        package var release: Release?
        /// The announcement that counts; nil: the log is in the stream made with the hub.
        package var announcement: GenerationAnnouncement?
        /// Streams that may be there still and hold nothing that counts, or nothing yet.
        package var leftovers: [Leftover] = []

        package init() {}
    }

    package struct Release: Hashable, Sendable {
        package var nextDue: Timestamp?

        package init(nextDue: Timestamp?) { self.nextDue = nextDue }
    }

    /// A stream that was replaced, or that was begun and is not announced.
    package struct Leftover: Hashable, Sendable {
        package var stream: String
        /// Of the owner that may be at work on it; nil: it was replaced.
        package var epoch: Epoch?

        package init(stream: String, epoch: Epoch?) {
            self.stream = stream
            self.epoch = epoch
        }
    }

    /// Of the record it takes next.
    package private(set) var nextOffset: UInt64 = 0
    /// Look-up only.
    private var partitions: [PartitionID: Partition] = [:]
    /// Set while records before it are missing and no snapshot has made up for them: nothing is known.
    private var gap: Gap?
    /// Whether a record was of a kind this version does not know.
    private var hasUnknown = false

    /// What was read behind missing records.
    private struct Gap {
        var start: UInt64
        var records: [(offset: UInt64, record: JournalRecord?)] = []
    }

    /// The journal's first and so far only generation.
    package static var generation: UInt32 { 1 }

    package init() {}

    /// Whether nothing is missing of what it stands for. Else it says nothing of any partition.
    package var isKnown: Bool { gap == nil }

    package subscript(_ partition: PartitionID) -> Partition { partitions[partition] ?? Partition() }

    /// What it stands for, for other readers; nil: this version cannot say.
    package var snapshot: JournalSnapshot? {
        if gap != nil || hasUnknown { return nil }
        return JournalSnapshot(end: nextOffset, partitions: known.map { .init(id: $0, state: self[$0]) })
    }

    /// Partitions the journal names, in order.
    package var known: [PartitionID] { partitions.keys.sorted() }

    /// Takes the record at `offset`, the first from `nextOffset` on that is there.
    ///
    /// - Parameters:
    ///   - record: nil: it is of a kind this version does not know.
    ///   - isNext: Whether no record stood between. (Streams have offsets without a message.)
    package mutating func take(_ record: JournalRecord?, at offset: UInt64, isNext: Bool) {
        if !isNext {
            self = JournalFold()
            gap = Gap(start: offset)
        }
        nextOffset = offset + 1
        if gap == nil { return apply(record, at: offset) }
        gap?.records.append((offset, record))
        guard case .snapshot(let snapshot) = record, snapshot.end <= offset, let gap, snapshot.end >= gap.start
        else { return }
        self = JournalFold()
        nextOffset = offset + 1
        for entry in snapshot.partitions { partitions[entry.id] = entry.state }
        for (offset, record) in gap.records where offset >= snapshot.end { apply(record, at: offset) }
    }

    private mutating func apply(_ record: JournalRecord?, at offset: UInt64) {
        switch record {
        case .claim(let id, let worker, _):
            let claim = Epoch(generation: Self.generation, offset: offset)
            change(id) { partition in
                partition.claim = claim
                partition.owner = worker
                partition.release = nil
            }
        case .released(let id, let epoch, let nextDue):
            // That of an owner superseded meanwhile comes too late.
            change(id) { if $0.claim == epoch { $0.release = Release(nextDue: nextDue) } }
        case .generationStarted(let generation, let removed):
            change(generation.partition) { partition in
                partition.leftovers.removeAll { removed.contains($0.stream) || $0.stream == generation.stream }
                if partition.announcement?.generation.stream != generation.stream {
                    partition.leftovers.append(Leftover(stream: generation.stream, epoch: generation.epoch))
                }
            }
        case .generationAnnounced(let announcement):
            change(announcement.generation.partition) { $0.take(announcement) }
        case .mark, .snapshot: break
        case nil: hasUnknown = true
        }
    }

    private mutating func change(_ id: PartitionID, _ body: (inout Partition) -> Void) {
        body(&partitions[id, default: Partition()])
    }
}

extension JournalFold.Partition {
    fileprivate mutating func take(_ announcement: GenerationAnnouncement) {
        let generation = announcement.generation
        if let claim, claim > generation.epoch { return }
        // Each follows the one before it: one that comes twice, because its confirm was lost, counts once.
        if let current = self.announcement?.generation, current.stream != generation.previous { return }
        leftovers.removeAll { $0.stream == generation.stream || $0.stream == generation.previous }
        leftovers.append(.init(stream: generation.previous, epoch: nil))
        // Segments that others have taken up.
        let kept = announcement.archive.map(\.stream)
        for segment in self.announcement?.archive ?? [] where !kept.contains(segment.stream) {
            leftovers.append(.init(stream: segment.stream, epoch: nil))
        }
        self.announcement = announcement
    }
}
