import DurableBackend
import DurableCore
import DurableWire

/// Fills a copy from the snapshot its log stream begins with. Until that is complete the copy stands nowhere.
final class SnapshotRestorer: Sendable {
    private let copy: any PartitionCopy
    /// Position the snapshot stands for.
    private let base: LogPosition
    private let archive: [ArchiveSegment]
    private let known = PlatformLock(Known())

    private struct Known {
        var state: PartitionState?
        var archived: InstanceFilter?
        var hasRestored = false
    }

    /// - Parameter archive: Where what is not in the snapshot is because it had ended.
    init(_ copy: any PartitionCopy, base: LogPosition, archive: [ArchiveSegment]) {
        self.copy = copy
        self.base = base
        self.archive = archive
    }

    /// Whether the copy was filled here.
    var hasRestored: Bool { known.withLock(\.hasRestored) }

    func take(_ step: StreamLog.SnapshotStep) throws(LogError) {
        do throws(StoreError) {
            switch step {
            case .chunk(let number, let content):
                if number == 1 { try copy.reset() }
                try fill(try Self.decoded(content))
            case .end(let bookmark):
                try complete(bookmark)
            }
        } catch {
            throw LogError(error)
        }
    }

    private func fill(_ chunk: SnapshotChunk) throws(StoreError) {
        if let state = chunk.state {
            known.withLock { known in
                known.state = state
                known.archived = chunk.archived
            }
        }
        var flush = StoreFlush(previous: LogPosition(0), position: LogPosition(0), epoch: .zero)
        // A restored hub's snapshot has those that had ended: they are in no archive yet.
        flush.instances = chunk.instances.map { instance in
            var instance = instance
            if instance.state.status.isTerminal { instance.endedAt = LogPosition(max(base.value, 1)) }
            return instance
        }
        flush.purgedBefore = chunk.purged
        flush.outboxAdded = chunk.outbox
        flush.sent = chunk.sent
        try copy.flush(flush)
    }

    private func complete(_ bookmark: LogBookmark) throws(StoreError) {
        guard let state = known.withLock(\.state) else {
            throw .damaged("the snapshot of \(bookmark.generation.stream) does not say what the partition kept")
        }
        if !archive.isEmpty {
            guard let archived = known.withLock(\.archived) else {
                throw .damaged("the snapshot of \(bookmark.generation.stream) does not say what is in the archive")
            }
            // Newest first: it is asked for most. Before the bookmark, without which the copy is filled again.
            try copy.setMissingArchive(MissingArchive(filter: archived, segments: archive.reversed()))
        }
        var flush = StoreFlush(previous: LogPosition(0), position: bookmark.position, epoch: state.epoch)
        flush.setState(state)
        flush.bookmark = bookmark
        try copy.flush(flush)
        known.withLock { $0.hasRestored = true }
    }

    private static func decoded(_ content: [UInt8]) throws(StoreError) -> SnapshotChunk {
        do throws(WireError) {
            return try SnapshotChunk(wire: content, isForTables: true)
        } catch {
            throw .damaged("a chunk of the snapshot cannot be decoded: \(error)")
        }
    }
}

extension LogError {
    /// A copy that cannot be used for lack of room or of rights stops its partition like a log that cannot.
    init(_ error: StoreError) {
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
