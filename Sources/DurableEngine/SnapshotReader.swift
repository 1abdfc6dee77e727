package import DurableBackend
import DurableCore

/// Reads what a store holds in chunks of bounded size: everything, all but what has ended, or only that.
package struct SnapshotReader {
    private let store: any PartitionStore
    private let scope: Scope
    /// nil: what has ended is read, and nothing else.
    private let state: PartitionState?
    private let archived: InstanceFilter?
    private var outbox: ArraySlice<OutboxEntry>
    private var sent: ArraySlice<SentMessage> = []
    private var lastSent: SentPlace?
    private var purged: ArraySlice<PurgedInstance> = []
    private var lastPurged: InstanceID?
    private var isPurgedRead = false
    /// The streams that the purged are remembered for.
    private let archive: [ArchiveSegment]
    /// Nothing that ended later is read, where what has ended is.
    private let through: LogPosition
    private var page: ArraySlice<InstanceState> = []
    private var listed: ListCursor?
    private var ended = EndedInstance(after: LogPosition(0))
    private var isListed = false
    /// The instance whose history is being read, and how much of it has been.
    private var current: (state: InstanceState, events: Int)?
    private var isComplete = false

    private static var chunkBytes: Int { 224 << 10 }
    private static var historyBytes: Int { 64 << 10 }
    private static var pageLength: Int { 256 }

    private enum Scope {
        case listed(ListFilter)
        case ended(any PartitionCopy)
    }

    /// What has been read of it.
    private(set) var instanceCount: UInt64 = 0
    private(set) var newestEnd = Timestamp.distantPast

    /// Reads everything.
    ///
    /// - Parameter recovery: What the store says of itself; it must not change while it is read.
    package init(_ store: any PartitionStore, _ recovery: StoreRecovery) {
        self.init(store, recovery, ListFilter(), archived: nil, archive: [])
    }

    /// Reads all but what has ended.
    ///
    /// - Parameters:
    ///   - archived: What is not read.
    ///   - archive: Where that is; what was purged since is read.
    init(
        openOf store: any PartitionStore, _ recovery: StoreRecovery, archived: InstanceFilter?,
        archive: [ArchiveSegment]
    ) {
        let open = OrchestrationStatus.allCases.filter { !$0.isTerminal }
        self.init(store, recovery, ListFilter(statuses: open), archived: archived, archive: archive)
    }

    private init(
        _ store: any PartitionStore, _ recovery: StoreRecovery, _ filter: ListFilter, archived: InstanceFilter?,
        archive: [ArchiveSegment]
    ) {
        self.archive = archive
        through = LogPosition(.max)
        scope = .listed(filter)
        self.store = store
        self.archived = archived
        outbox = recovery.state.pendingOutbox[...]
        var state = recovery.state
        state.outbox = [:]
        self.state = state
    }

    /// Reads what ended after `position` and nothing else.
    init(_ copy: any PartitionCopy, endedAfter position: LogPosition, through: LogPosition = LogPosition(.max)) {
        archive = []
        self.through = through
        store = copy
        scope = .ended(copy)
        archived = nil
        state = nil
        outbox = []
        ended = EndedInstance(after: position)
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
                if current != nil {
                    chunk.continues = true
                    break
                }
            } else if !isListed {
                try turnPage()
            } else if let entry = outbox.popFirst() {
                chunk.outbox.append(entry)
                bytes += entry.estimatedBytes
            } else if let message = try nextSent() {
                chunk.sent.append(message)
                bytes += message.entry.estimatedBytes
            } else if let instance = try nextPurged() {
                chunk.purged.append(instance)
                bytes += 128
            } else {
                chunk.state = state
                chunk.archived = archived
                isComplete = true
                break
            }
        }
        return state == nil && chunk.instances.isEmpty ? nil : chunk
    }

    private mutating func nextInstance() -> Bool {
        current = page.popFirst().map { ($0, 0) }
        return current != nil
    }

    private mutating func turnPage() throws(StoreError) {
        switch scope {
        case .ended(let copy): try turnEndedPage(copy)
        case .listed(let filter):
            page = try store.list(filter, after: listed, limit: Self.pageLength)[...]
            listed = page.last.map { ListCursor(createdAt: $0.createdAt, id: $0.id) }
            isListed = page.count < Self.pageLength
        }
    }

    private mutating func turnEndedPage(_ copy: any PartitionCopy) throws(StoreError) {
        let found = try copy.ended(after: ended, limit: Self.pageLength)
        ended = found.last ?? ended
        isListed = found.count < Self.pageLength || ended.position > through
        page = []
        for entry in found where entry.position <= through {
            guard let state = try copy.instance(entry.id) else {
                throw .damaged("instance \(entry.id) ended and is not there")
            }
            page.append(state)
            instanceCount += 1
            newestEnd = max(newestEnd, state.lastUpdatedAt)
        }
    }

    private mutating func nextPurged() throws(StoreError) -> PurgedInstance? {
        guard !archive.isEmpty, let copy = store as? any PartitionCopy else { return nil }
        while true {
            if let next = purged.popFirst() {
                if archive.contains(where: next.mayBeIn) { return next }
                continue
            }
            if isPurgedRead { return nil }
            let page = try copy.purged(after: lastPurged, limit: Self.pageLength)
            lastPurged = page.last?.id
            isPurgedRead = page.count < Self.pageLength
            purged = page[...]
        }
    }

    private mutating func nextSent() throws(StoreError) -> SentMessage? {
        if case .ended = scope { return nil }
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
