package import DurableBackend
package import DurableCore
import DurableWire

/// The replicated log of one partition: a stream of the broker, read back by whoever appends.
///
/// An append is durable when its own reader meets it in place. A newer owner's `begin` met before it makes it void for
/// every reader alike: that is the fence, and it needs nothing but the order of the stream. What has an unknown outcome
/// is written again with the same index, of which readers take the first.
package final class StreamLog: PartitionLog, @unchecked Sendable {  // one call at a time, which `turn` checks
    package struct Parts: Sendable {
        package var transport: any MessageTransport
        package var topology: HubTopology
        /// What the stream must say of itself.
        package var generation: LogGeneration
        package var clock: any EngineClock
        /// A text nobody else writes under.
        package var writer: String
        /// Where to begin reading; nil: at the beginning.
        package var bookmark: LogBookmark?
        /// Largest content of one message; what is larger is split.
        package var partBytes = 256 << 10
        /// Takes the snapshot that the stream begins with, when it is read.
        package var onSnapshot: (@Sendable (SnapshotStep) throws(LogError) -> Void)?

        package init(
            transport: any MessageTransport, topology: HubTopology, generation: LogGeneration,
            clock: any EngineClock, writer: String, bookmark: LogBookmark? = nil
        ) {
            self.transport = transport
            self.topology = topology
            self.generation = generation
            self.clock = clock
            self.writer = writer
            self.bookmark = bookmark
        }
    }

    package enum SnapshotStep: Sendable {
        /// In order, the first one also when the stream is read anew.
        case chunk(number: UInt64, content: [UInt8])
        /// The log goes on behind this.
        case end(LogBookmark)
    }

    /// What others may look at between calls.
    private struct Known {
        var position = LogPosition(0)
        var size = LogSize(total: 0, snapshot: 0)
        var newest = Epoch.zero
        var bookmarks = LogBookmarks()
        var bookmarkDefect: String?
        var isClosed = false
    }

    private let parts: Parts
    private let turn = PlatformLock(false)
    private let known = PlatformLock(Known())
    /// Follows the end of the stream.
    private var cursor: LogCursor
    private var pages = LogPages()
    /// The epoch whose last unit is the last of the log as far as this opening knows.
    private var owned: Epoch?
    /// An epoch with a unit of unknown outcome: something else under its index could be taken for it.
    private var abandoned: Epoch?
    private var markCount = 0

    /// Times a message is published whose confirm does not come.
    private static var attemptLimit: Int { 3 }

    package convenience init(_ parts: Parts) {
        self.init(parts, LogCursor(Self.source(parts), from: parts.bookmark))
    }

    /// Goes on with what somebody has read from the stream's beginning or from a bookmark.
    init(_ parts: Parts, _ cursor: LogCursor) {
        self.parts = parts
        self.cursor = cursor
        if let bookmark = parts.bookmark {
            known.withLock { known in
                known.bookmarks.add(bookmark)
                known.size = LogSize(total: bookmark.bytes, snapshot: bookmark.snapshotBytes)
            }
        }
        if cursor.unproven == nil { noteFold() }
    }

    /// Writes the beginning of a stream that nobody reads yet, and reads it back: this is then the writer of the epoch
    /// that made it.
    ///
    /// - Parameter next: The snapshot's next chunk, encoded; nil: it is complete.
    /// - Throws: Nobody will ever read the stream.
    func found(_ next: () throws(LogError) -> [UInt8]?) async throws(LogError) -> GenerationAnnouncement {
        enter()
        defer { leave() }
        let generation = parts.generation
        let number = try await writeChunks(next)
        var end: UInt64 = 0
        try await write([.snapshotComplete(chunks: number)]) { step, _ in
            end = step.offset
            return step.judgement == .snapshotComplete
        }
        owned = generation.epoch
        return GenerationAnnouncement(
            generation: generation, snapshotEnd: end, snapshotBytes: cursor.fold.snapshotBytes)
    }

    /// Writes all of an archive stream and reads it back.
    ///
    /// - Parameter next: The next chunk, encoded; nil: there is no more.
    func archive(_ next: () throws(LogError) -> [UInt8]?) async throws(LogError) -> (chunks: UInt64, bytes: UInt64) {
        enter()
        defer { leave() }
        let chunks = try await writeChunks(next)
        return (chunks, cursor.fold.bytes)
    }

    /// - Returns: How many there are.
    private func writeChunks(_ next: () throws(LogError) -> [UInt8]?) async throws(LogError) -> UInt64 {
        let generation = parts.generation
        do throws(TransportError) {
            try await parts.transport.declare(parts.topology.log(generation.stream))
        } catch {
            throw .unavailable("\(generation.stream): \(error)")
        }
        try await write([.generation(generation)]) { step, _ in step.message == .generation(generation) }
        var number: UInt64 = 0
        while true {
            var chunks: [LogUnit] = []
            while chunks.count < Self.chunksTogether, let content = try next() {
                number += 1
                chunks.append(
                    LogUnit(
                        epoch: generation.epoch, index: number, writer: parts.writer, recordCount: 1, content: content))
            }
            guard let last = chunks.last else { return number }
            let messages = chunks.flatMap { $0.parts(byteLimit: parts.partBytes) }.map(LogMessage.snapshot)
            try await write(messages) { step, _ in step.judgement == .chunk(last) }
        }
    }

    /// Chunks of a snapshot on their way at a time: their partition does nothing else while they are made.
    private static var chunksTogether: Int { 2 }

    // MARK: - The port

    package func begin(_ begin: PartitionRecord.Begin) async throws(LogError) -> LogPosition {
        enter()
        defer { leave() }
        owned = nil
        if cursor.fold.newest >= begin.epoch { throw .fenced(newest: cursor.fold.newest) }
        try await place(
            LogUnit(epoch: begin.epoch, index: 0, writer: parts.writer, records: [.begin(begin)]))
        return cursor.fold.position
    }

    package func append(_ records: [PartitionRecord], epoch: Epoch) async throws(LogError) -> LogPosition {
        precondition(
            (1...LogUnit.maximumRecords).contains(records.count), "an append has 1 to \(LogUnit.maximumRecords) records"
        )
        enter()
        defer { leave() }
        if owned != epoch { try await adopt(epoch) }
        pages = LogPages()
        try await place(
            LogUnit(epoch: epoch, index: cursor.fold.lastIndex + 1, writer: parts.writer, records: records))
        return cursor.fold.position
    }

    package func read(after position: LogPosition, limit: Int) async throws(LogError) -> [LogEntry] {
        enter()
        defer { leave() }
        // An owner has read back all there is; who does not own asks the stream.
        if owned == nil { try await catchUp() }
        if limit > 0, position < parts.generation.base {
            throw .damaged("records up to \(parts.generation.base) are in the snapshot, \(position) was asked for")
        }
        var found: [LogEntry] = []
        var last = position
        while found.count < limit, last < cursor.fold.position {
            var page = pages.entries(after: last)
            if page.isEmpty {
                try await turnPage(after: last)
                page = pages.entries(after: last)
            }
            found += page.prefix(limit - found.count)
            last = found.last?.position ?? last
        }
        pages.drop(through: position)
        return found
    }

    // MARK: - For the storage around it

    package var size: LogSize? { known.withLock(\.size) }
    /// Of the stream it reads.
    var generation: LogGeneration { parts.generation }
    /// Whether everything appended so far in `epoch` is in place, as far as this opening knows.
    func isAtRest(in epoch: Epoch) -> Bool { owned == epoch }

    /// Last position this opening has seen.
    var position: LogPosition { known.withLock(\.position) }
    /// Newest epoch this opening has seen begin.
    var newest: Epoch { known.withLock(\.newest) }
    /// Why the bookmark could not be used; nil when it could.
    var bookmarkDefect: String? { known.withLock(\.bookmarkDefect) }

    /// The last place at or before `position` to go on from. Earlier ones are forgotten.
    func bookmark(for position: LogPosition) -> LogBookmark? {
        known.withLock { $0.bookmarks.take(for: position) }
    }

    /// Ends reading. Calls throw `.unavailable` afterwards.
    func close() {
        known.withLock { $0.isClosed = true }
        // A call that is under way finds it closed and ends its reading itself.
        if turn.withLock({ !$0 }) { closeCursors() }
    }

    private func closeCursors() {
        cursor.close()
        pages.close()
    }

    // MARK: - Writing

    /// Makes this opening the writer of an epoch that another one began.
    private func adopt(_ epoch: Epoch) async throws(LogError) {
        if cursor.fold.newest > epoch { throw .fenced(newest: cursor.fold.newest) }
        if epoch == abandoned {
            throw .unavailable("the outcome of an append of epoch \(epoch) is unknown: begin a new epoch")
        }
        try await catchUp()
        if cursor.fold.newest != epoch { throw .fenced(newest: cursor.fold.newest) }
    }

    /// Writes a unit and returns once it was read back in place.
    private func place(_ unit: LogUnit) async throws(LogError) {
        owned = nil
        abandoned = unit.epoch
        try await write(unit.parts(byteLimit: parts.partBytes).map(LogMessage.part)) { step, fold throws(LogError) in
            if fold.newest > unit.epoch { throw .fenced(newest: fold.newest) }
            if case .unit(let placed) = step.judgement, placed.epoch == unit.epoch, placed.index == unit.index {
                if placed.writer == unit.writer { return true }
                if unit.index == 0 { throw .fenced(newest: fold.newest) }
                throw .unavailable("someone else writes in epoch \(unit.epoch)")
            }
            if case .part(let part) = step.message, part.writer == unit.writer, part.epoch == unit.epoch,
                part.index == unit.index, case .void(let reason) = step.judgement
            {
                throw .unavailable("what was confirmed does not count in the stream (\(reason))")
            }
            return false
        }
        owned = unit.epoch
        abandoned = nil
    }

    /// Reads to where the stream ends now.
    private func catchUp() async throws(LogError) {
        markCount += 1
        let mark = LogMessage.mark("\(parts.writer)/\(markCount)")
        try await write([mark]) { step, _ in step.message == mark }
    }

    /// Publishes messages and reads until `isDone` says so. Messages may be in the stream several times, and some of
    /// them when this fails.
    private func write(
        _ messages: [LogMessage], until isDone: (LogCursor.Step, LogFold) throws(LogError) -> Bool
    ) async throws(LogError) {
        let outgoing = messages.map {
            parts.topology.logMessage($0, to: parts.generation.stream, at: parts.clock.now())
        }
        if let bookmark = cursor.unproven {
            let tail = try await LogTail(parts.transport, parts.generation.stream, parts.clock)
            do throws(LogError) {
                try await publish(outgoing)
                let offset = try await tail.offset(of: messages[0])
                // A reader that stood behind the end would wait there for ever.
                if offset <= bookmark.offset { restart("the stream ends at message \(offset)") }
            } catch {
                tail.close()
                throw error
            }
            tail.close()
        } else {
            try await publish(outgoing)
        }
        while true {
            let step: LogCursor.Step
            do throws(LogCursor.Failure) {
                if known.withLock(\.isClosed) { throw .log(.unavailable("the partition is closed")) }
                step = try await cursor.next()
            } catch {
                switch error {
                case .log(let error): throw error
                case .misplaced(let text):
                    restart(text)
                    continue
                }
            }
            try note(step)
            if try isDone(step, cursor.fold) { return }
        }
    }

    private func publish(_ messages: [OutgoingMessage]) async throws(LogError) {
        let stream = parts.generation.stream
        let outcomes: [PublishOutcome]
        do throws(TransportError) {
            outcomes = try await parts.transport.publish(messages, attempts: Self.attemptLimit)
        } catch {
            throw .unavailable("\(stream): \(error)")
        }
        for outcome in outcomes {
            switch outcome {
            case .confirmed: continue
            case .returned(let text): throw .damaged("log stream \(stream) is not there: \(text). Nothing was changed")
            case .rejected: throw .unavailable("the broker did not take a message for \(stream)")
            case .unsendable(let text): throw .unavailable("\(stream): \(text). Nothing was changed")
            }
        }
    }

    // MARK: - Reading

    private static func source(_ parts: Parts) -> LogCursor.Source {
        LogCursor.Source(transport: parts.transport, generation: parts.generation, clock: parts.clock)
    }

    /// Begins anew where the stream begins: the bookmark belongs to another one.
    private func restart(_ defect: String) {
        cursor.close()
        cursor = LogCursor(Self.source(parts), from: nil)
        pages = LogPages()
        known.withLock { known in
            known.bookmarks = LogBookmarks()
            known.bookmarkDefect = defect
        }
    }

    private func note(_ step: LogCursor.Step) throws(LogError) {
        let fold = cursor.fold
        switch step.judgement {
        case .unit, .generation: break
        case .chunk(let chunk):
            try parts.onSnapshot?(.chunk(number: chunk.index, content: chunk.content))
            return
        case .snapshotComplete:
            guard let end = fold.bookmark(at: step.offset) else { return }
            try parts.onSnapshot?(.end(end))
        default: return
        }
        noteFold()
        if let bookmark = fold.bookmark(at: step.offset) { known.withLock { $0.bookmarks.add(bookmark) } }
        // Kept for the recovery that follows.
        if owned == nil, case .unit(let unit) = step.judgement { pages.collect(unit, through: fold.position) }
    }

    private func noteFold() {
        let fold = cursor.fold
        known.withLock { known in
            known.position = fold.position
            known.newest = fold.newest
            known.size = LogSize(total: fold.bytes, snapshot: fold.snapshotBytes)
        }
    }

    /// Fetches the unit that holds the record after `position`.
    private func turnPage(after position: LogPosition) async throws(LogError) {
        do throws(LogCursor.Failure) {
            let bookmark = known.withLock { $0.bookmarks.last(through: position) }
            try await pages.turn(after: position, from: bookmark, Self.source(parts))
        } catch {
            switch error {
            case .log(let error): throw error
            case .misplaced(let text): throw .damaged("log stream \(parts.generation.stream): \(text)")
            }
        }
    }

    // MARK: - Turns

    private func enter() {
        let wasFree = turn.withLock { isTaken in
            defer { isTaken = true }
            return !isTaken
        }
        precondition(wasFree, "a log has one call at a time")
    }

    private func leave() {
        turn.withLock { $0 = false }
        if known.withLock(\.isClosed) { closeCursors() }
    }
}
