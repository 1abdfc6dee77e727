import DurableBackend
import DurableCore
import DurableWire

/// Records of a log that somebody is about to read: a stretch of it without gaps, within a bound.
struct LogPages {
    /// In order, no position left out.
    private var stretch: ArraySlice<LogEntry> = []
    private var bytes = 0
    private var isFull = false
    /// Where the reading goes on that fetches what is not in memory.
    private var cursor: LogCursor?

    private static var byteLimit: Int { 4 << 20 }

    func entries(after position: LogPosition) -> ArraySlice<LogEntry> {
        guard let first = stretch.first?.position, first.value <= position.value + 1 else { return [] }
        return stretch.dropFirst(Int(clamping: position.value + 1 - first.value))
    }

    mutating func drop(through position: LogPosition) { stretch = entries(after: position) }

    /// Takes along what another reader came by; beyond the bound it has to be read again.
    mutating func collect(_ unit: LogUnit, through end: LogPosition) {
        let start = LogPosition(end.value - UInt64(unit.recordCount))
        guard !isFull, cursor == nil, stretch.last.map({ $0.position == start }) ?? true,
            let entries = try? Self.entries(of: unit, after: start)
        else {
            isFull = true
            return
        }
        bytes += unit.content.count
        if bytes > Self.byteLimit { isFull = true } else { stretch += entries }
    }

    /// Fetches the unit that holds the record after `position`.
    ///
    /// - Parameter bookmark: The last place known at or before it; nil: the stream's beginning.
    mutating func turn(
        after position: LogPosition, from bookmark: LogBookmark?, _ source: LogCursor.Source
    ) async throws(LogCursor.Failure) {
        let reader: LogCursor
        if let cursor, cursor.fold.position <= position {
            reader = cursor
        } else {
            cursor?.close()
            reader = LogCursor(source, from: bookmark)
            cursor = reader
        }
        stretch = []
        while true {
            guard case .unit(let unit) = try await reader.next().judgement else { continue }
            let end = reader.fold.position
            if end <= position { continue }
            do throws(WireError) {
                stretch = try Self.entries(of: unit, after: LogPosition(end.value - UInt64(unit.recordCount)))[...]
            } catch {
                throw .log(.damaged("log stream \(source.generation.stream): record \(end): \(error)"))
            }
            return
        }
    }

    func close() { cursor?.close() }

    private static func entries(of unit: LogUnit, after start: LogPosition) throws(WireError) -> [LogEntry] {
        try unit.records().enumerated().map { index, record in
            LogEntry(position: LogPosition(start.value + UInt64(index) + 1), epoch: unit.epoch, record: record)
        }
    }
}

/// Places in a log stream to go on from, in order. A few thousand at most: beyond, every other one is forgotten.
struct LogBookmarks {
    private var bookmarks: [LogBookmark] = []
    private static var limit: Int { 2048 }

    mutating func add(_ bookmark: LogBookmark) {
        bookmarks.append(bookmark)
        guard bookmarks.count > Self.limit else { return }
        bookmarks = stride(from: 0, to: bookmarks.count, by: 2).map { bookmarks[$0] }
    }

    func last(through position: LogPosition) -> LogBookmark? { bookmarks.last { $0.position <= position } }

    /// The last one at or before `position`; those before it are forgotten.
    mutating func take(for position: LogPosition) -> LogBookmark? {
        guard let index = bookmarks.lastIndex(where: { $0.position <= position }) else { return nil }
        bookmarks.removeFirst(index)
        return bookmarks.first
    }
}

/// Watches what is appended to a stream from now on.
final class LogTail {
    private let channel: any ConsumerChannel
    private let clock: any EngineClock
    private let stream: String

    init(_ transport: any MessageTransport, _ stream: String, _ clock: any EngineClock) async throws(LogError) {
        self.clock = clock
        self.stream = stream
        do throws(TransportError) {
            channel = try await transport.openChannel()
        } catch {
            throw .unavailable("\(stream): \(error)")
        }
        do throws(TransportError) {
            try await channel.consume(
                queue: stream, consumerTag: "tail", prefetch: 64, from: .next, exclusive: false)
        } catch {
            close()
            if case .notFound(let text) = error { throw .damaged("log stream \(stream): \(text)") }
            throw .unavailable("\(stream): \(error)")
        }
    }

    /// Where `message`, which was published after this was made, is in the stream.
    func offset(of message: LogMessage) async throws(LogError) -> UInt64 {
        let body = message.wireBytes
        do throws(TransportError) {
            while let batch = try await channel.next(clock) {
                if let found = batch.first(where: { $0.body == body }), let offset = found.streamOffset {
                    return offset
                }
                if let last = batch.last { channel.acknowledge(last.tag, multiple: true) }
            }
        } catch {
            throw .unavailable("\(stream): \(error)")
        }
        throw .unavailable("\(stream) gave nothing back in time")
    }

    func close() {
        let channel = channel
        Task { await channel.close() }
    }
}
