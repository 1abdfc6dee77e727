import DurableBackend
import DurableCore
import DurableWire

/// Reads a log into a copy as it grows, for a worker that may own the partition next.
///
/// What counts in the stream counts for good, whoever owns the partition: each stretch of it may be written as it
/// comes.
struct LogFollower {
    private let copy: any PartitionCopy
    private let source: LogCursor.Source
    private let partitionCount: Int
    private let restorer: SnapshotRestorer
    private var cursor: LogCursor
    private var fold: CopyFold
    private var bookmark: LogBookmark?
    private let archive: ArchiveReader
    /// By the clock's uptime.
    private var flushed: Duration

    /// Unwritten changes at which the copy is filled at once.
    private static var flushBytes: Int { 1 << 20 }
    /// How long changes wait while more of them come.
    private static var flushInterval: Duration { .seconds(1) }

    init(
        _ copy: any PartitionCopy, _ source: LogCursor.Source, _ bookmark: LogBookmark?, partitionCount: Int,
        archive segments: [ArchiveSegment]
    ) throws(LogError) {
        self.copy = copy
        self.source = source
        self.partitionCount = partitionCount
        self.bookmark = bookmark
        restorer = SnapshotRestorer(copy, base: source.generation.base, archive: segments)
        archive = ArchiveReader(copy, source.transport, source.clock, source.generation)
        cursor = LogCursor(source, from: bookmark)
        flushed = source.clock.uptime()
        do throws(StoreError) {
            // Without a bookmark everything is read again.
            if bookmark == nil { try copy.reset() }
            fold = try CopyFold(copy, partitionCount: partitionCount)
        } catch {
            throw LogError(error)
        }
    }

    /// Returns when the task is cancelled, with everything that was read in the copy.
    ///
    /// - Parameter onCaughtUp: Called when the copy has all that is before `mark`.
    /// - Returns: Where to go on reading; nil when the copy is of nothing one could go on from.
    mutating func run(
        until mark: LogMessage, isolation: isolated (any Actor)? = #isolation, _ onCaughtUp: () -> Void
    ) async throws(LogError) -> (cursor: LogCursor, bookmark: LogBookmark)? {
        // Beside the following: a log that is not followed meanwhile may go on in another stream.
        let archive = archive
        var reading: Task<Void, Never>?
        let result: Result<(cursor: LogCursor, bookmark: LogBookmark)?, LogError>
        do throws(LogError) {
            let place = try await follow(until: mark) {
                // What cannot be read now is left to the next following, or to an owner.
                reading = reading ?? Task { try? await archive.readAll(isolation: isolation) }
                onCaughtUp()
            }
            result = .success(place)
        } catch {
            result = .failure(error)
        }
        reading?.cancel()
        await reading?.value
        return try result.get()
    }

    private mutating func follow(
        until mark: LogMessage, _ onCaughtUp: () -> Void
    ) async throws(LogError) -> (cursor: LogCursor, bookmark: LogBookmark)? {
        while true {
            let step: LogCursor.Step
            do throws(LogCursor.Failure) {
                step = try await cursor.next()
            } catch {
                switch error {
                case .log(.unavailable) where Task.isCancelled:
                    try flush()
                    guard let bookmark, cursor.unproven == nil else { return nil }
                    cursor.endFollowing()
                    return (cursor, bookmark)
                case .log(let error):
                    try flush()
                    throw error
                case .misplaced(let text):
                    do throws(StoreError) { try copy.reset() } catch { throw LogError(error) }
                    throw .unavailable(text)
                }
            }
            // What was folded in part is dropped with the follower: the copy is where it was last filled.
            try take(step)
            if step.message == mark {
                try flush()
                onCaughtUp()
            }
        }
    }

    private mutating func take(_ step: LogCursor.Step) throws(LogError) {
        switch step.judgement {
        case .unit(let unit): try take(unit, at: step.offset)
        case .chunk(let chunk): try restorer.take(.chunk(number: chunk.index, content: chunk.content))
        case .snapshotComplete:
            guard let end = cursor.fold.bookmark(at: step.offset) else { return }
            try restorer.take(.end(end))
            bookmark = end
            do throws(StoreError) {
                fold = try CopyFold(copy, partitionCount: partitionCount)
            } catch {
                throw LogError(error)
            }
        default: return
        }
    }

    private mutating func take(_ unit: LogUnit, at offset: UInt64) throws(LogError) {
        let end = cursor.fold.position
        // A bookmark may be a little before what the copy has.
        if end > fold.position {
            let start = end.value - UInt64(unit.recordCount)
            let records: [PartitionRecord]
            do throws(WireError) {
                records = try unit.records()
            } catch {
                throw .damaged("log stream \(source.generation.stream): record \(end): \(error)")
            }
            guard start <= fold.position.value else {
                throw .damaged("the copy stands at \(fold.position), \(source.generation.stream) goes on at \(start)")
            }
            do throws(StoreError) {
                for record in records.dropFirst(Int(fold.position.value - start)) { try fold.take(record) }
            } catch {
                throw LogError(error)
            }
        }
        bookmark = cursor.fold.bookmark(at: offset)
        let now = source.clock.uptime()
        if fold.bytes >= Self.flushBytes || now - flushed >= Self.flushInterval {
            try flush()
            flushed = now
        }
    }

    private mutating func flush() throws(LogError) {
        do throws(StoreError) { try fold.flush(bookmark) } catch { throw LogError(error) }
    }
}
