package import DurableBackend
import DurableCore

/// Reads everything a store holds, in chunks of bounded size.
package struct SnapshotReader {
    private let store: any PartitionStore
    private let state: PartitionState
    private var outbox: ArraySlice<OutboxEntry>
    private var sent: ArraySlice<SentMessage> = []
    private var lastSent: SentPlace?
    private var page: ArraySlice<InstanceState> = []
    private var listed: ListCursor?
    private var isListed = false
    /// The instance whose history is being read, and how much of it has been.
    private var current: (state: InstanceState, events: Int)?
    private var isComplete = false

    private static var chunkBytes: Int { 224 << 10 }
    private static var historyBytes: Int { 64 << 10 }
    private static var pageLength: Int { 256 }

    /// - Parameter recovery: What the store says of itself; it must not change while it is read.
    package init(_ store: any PartitionStore, _ recovery: StoreRecovery) {
        self.store = store
        outbox = recovery.state.pendingOutbox[...]
        var state = recovery.state
        state.outbox = [:]
        self.state = state
    }

    /// - Returns: nil behind the last chunk, which has the partition's state.
    package mutating func next() throws(StoreError) -> SnapshotChunk? {
        if isComplete { return nil }
        var chunk = SnapshotChunk()
        var bytes = 0
        while bytes < Self.chunkBytes {
            if current != nil || nextInstance() {
                guard let piece = try nextPiece() else { continue }
                chunk.instances.append(piece)
                bytes += piece.estimatedBytes
                // An instance is in a chunk once.
                if current != nil { break }
            } else if !isListed {
                try turnPage()
            } else if let entry = outbox.popFirst() {
                chunk.outbox.append(entry)
                bytes += entry.estimatedBytes
            } else if let message = try nextSent() {
                chunk.sent.append(message)
                bytes += message.entry.estimatedBytes
            } else {
                chunk.state = state
                isComplete = true
                break
            }
        }
        return chunk
    }

    private mutating func nextInstance() -> Bool {
        current = page.popFirst().map { ($0, 0) }
        return current != nil
    }

    private mutating func turnPage() throws(StoreError) {
        page = try store.list(ListFilter(), after: listed, limit: Self.pageLength)[...]
        listed = page.last.map { ListCursor(createdAt: $0.createdAt, id: $0.id) }
        isListed = page.count < Self.pageLength
    }

    private mutating func nextSent() throws(StoreError) -> SentMessage? {
        if sent.isEmpty {
            sent = try store.sent(after: lastSent, byteLimit: Self.chunkBytes)[...]
            lastSent = sent.last?.place
        }
        return sent.popFirst()
    }

    private mutating func nextPiece() throws(StoreError) -> StoreFlush.InstanceFlush? {
        guard let (state, first) = current else { return nil }
        let events =
            state.historyCount == 0
            ? [] : try store.history(of: state.id, from: first, byteLimit: Self.historyBytes)
        if events.isEmpty, state.historyCount > 0 {
            throw .damaged("history of instance \(state.id) ends at event \(first) of \(state.historyCount)")
        }
        let end = first + events.count
        current = end < state.historyCount ? (state, end) : nil
        var piece = state
        piece.historyCount = end
        return StoreFlush.InstanceFlush(state: piece, newHistory: events, firstIndex: first)
    }
}

extension StoreFlush.InstanceFlush {
    fileprivate var estimatedBytes: Int {
        var bytes = 512
        for event in newHistory { bytes += event.estimatedBytes }
        for event in state.inbox { bytes += event.estimatedBytes }
        return bytes
    }
}
