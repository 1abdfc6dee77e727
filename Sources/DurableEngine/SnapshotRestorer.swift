import DurableBackend
import DurableCore
import DurableWire

/// Fills a copy from the snapshot its log stream begins with. Until that is complete the copy stands nowhere.
final class SnapshotRestorer: Sendable {
    private let copy: any PartitionCopy
    private let known = PlatformLock(Known())

    private struct Known {
        var state: PartitionState?
        var hasRestored = false
    }

    init(_ copy: any PartitionCopy) { self.copy = copy }

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
        if let state = chunk.state { known.withLock { $0.state = state } }
        var flush = StoreFlush(previous: LogPosition(0), position: LogPosition(0), epoch: .zero)
        flush.instances = chunk.instances
        flush.outboxAdded = chunk.outbox
        flush.sent = chunk.sent
        try copy.flush(flush)
    }

    private func complete(_ bookmark: LogBookmark) throws(StoreError) {
        guard let state = known.withLock(\.state) else {
            throw .damaged("the snapshot of \(bookmark.generation.stream) does not say what the partition kept")
        }
        var flush = StoreFlush(previous: LogPosition(0), position: bookmark.position, epoch: state.epoch)
        flush.setState(state)
        flush.bookmark = bookmark
        try copy.flush(flush)
        known.withLock { $0.hasRestored = true }
    }

    private static func decoded(_ content: [UInt8]) throws(StoreError) -> SnapshotChunk {
        do throws(WireError) {
            return try SnapshotChunk(wire: content)
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
