import DurableBackend
import DurableCore
import DurableWire

/// Reads a log stream from one place on, message by message, and folds it. One reader at a time.
final class LogCursor {
    struct Source {
        var transport: any MessageTransport
        /// What the stream must say of itself.
        var generation: LogGeneration
        var clock: any EngineClock
        /// Whether to wait for what may never come, until the task is cancelled; else it must be on its way.
        var isFollowing = false
    }

    struct Step {
        var offset: UInt64
        var message: LogMessage
        var judgement: LogFold.Judgement
    }

    enum Failure: Error {
        case log(LogError)
        /// What is at the bookmark is not what was there when it was taken.
        case misplaced(String)
    }

    private(set) var fold: LogFold
    /// Set until its message was seen again.
    private(set) var unproven: LogBookmark?
    private var source: Source
    private var nextOffset: UInt64
    private var channel: (any ConsumerChannel)?
    private var batch: ArraySlice<Delivery> = []
    private var lossCount = 0

    /// Messages the broker sends ahead: bounded, since each may be large.
    private static var prefetch: Int { 64 }
    /// Lost connections in a row after which reading gives up.
    private static var lossLimit: Int { 3 }

    /// - Parameter bookmark: Where to go on; nil: at the stream's beginning.
    init(_ source: Source, from bookmark: LogBookmark?) {
        self.source = source
        unproven = bookmark
        nextOffset = bookmark?.offset ?? 0
        fold = bookmark.map(LogFold.init(from:)) ?? LogFold()
    }

    /// The next message, which must be in the stream already or on its way there.
    ///
    /// - Throws: `.damaged`: messages are missing, or cannot be read. `.unavailable`: the connection is lost, the
    ///   stream was deleted, nothing came in time, or the task was cancelled.
    func next() async throws(Failure) -> Step {
        while true {
            let body = try await nextBody()
            let offset = nextOffset - 1
            let message: LogMessage
            do throws(WireError) {
                message = try LogMessage(wire: body)
            } catch {
                throw damaged("message \(offset) cannot be decoded: \(error)")
            }
            if let bookmark = unproven {
                unproven = nil
                guard bookmark.fits(message) else { throw .misplaced("message \(offset) is another one") }
                continue
            }
            do throws(LogFold.Damage) {
                let judgement = try fold.take(message)
                if case .generation = judgement, fold.generation != source.generation {
                    throw LogFold.Damage(text: "its first message says that it is another log")
                }
                return Step(offset: offset, message: message, judgement: judgement)
            } catch {
                throw damaged(error.text)
            }
        }
    }

    /// From now on what is read must be in the stream or on its way there.
    func endFollowing() { source.isFollowing = false }

    /// Whether the next message is here already.
    var hasNext: Bool { !batch.isEmpty }

    deinit { close() }

    /// Ends the reading; `next` would go on where it was.
    func close() {
        guard let channel else { return }
        self.channel = nil
        batch = []
        Task { await channel.close() }
    }

    // MARK: - Deliveries

    private func nextBody() async throws(Failure) -> [UInt8] {
        while true {
            while let delivery = batch.first {
                guard let offset = delivery.streamOffset else {
                    throw damaged("it is no stream")
                }
                // Left in the batch until then: should it be called off, the next call finds the same.
                if offset > nextOffset { try await checkIsNext(offset) }
                batch.removeFirst()
                if offset < nextOffset { continue }
                nextOffset = offset + 1
                return delivery.body
            }
            try await fill()
        }
    }

    /// A stream that begins later than asked for starts there without a word.
    private func checkIsNext(_ offset: UInt64) async throws(Failure) {
        if unproven != nil { throw .misplaced("message \(nextOffset) is gone") }
        let stream = source.generation.stream
        let isNext: Bool
        do throws(TransportError) {
            isNext = try await source.transport.isNext(offset, after: nextOffset, in: stream, clock: source.clock)
        } catch {
            throw .log(.unavailable("\(stream): \(error)"))
        }
        guard isNext else { throw damaged("messages \(nextOffset) to \(offset - 1) are missing") }
    }

    private func fill() async throws(Failure) {
        let more: [Delivery]?
        do throws(TransportError) {
            let channel = try await open()
            do throws(TransportError) {
                more = try await channel.next(source.isFollowing ? nil : source.clock)
            } catch {
                // The broker ends consumers also when it moves the stream to another node: opening it again tells.
                if case .notFound(let text) = error { throw .connectionLost(text) }
                throw error
            }
            if let last = more?.last { channel.acknowledge(last.tag, multiple: true) }
        } catch {
            channel = nil
            switch error {
            case .connectionLost where lossCount < Self.lossLimit:
                lossCount += 1
                return
            case .notFound(let text): throw damaged(text)
            default: throw .log(.unavailable("\(source.generation.stream): \(error)"))
            }
        }
        guard let more else {
            // Who was told to stop may have somebody else go on with this.
            if Task.isCancelled { throw .log(.unavailable("reading \(source.generation.stream) was called off")) }
            channel = nil
            throw .log(.unavailable("\(source.generation.stream) gave nothing back in time"))
        }
        batch = more[...]
        lossCount = 0
    }

    private func open() async throws(TransportError) -> any ConsumerChannel {
        if let channel { return channel }
        let channel = try await source.transport.openChannel()
        do throws(TransportError) {
            try await channel.consume(
                queue: source.generation.stream, consumerTag: "log", prefetch: Self.prefetch, from: .offset(nextOffset),
                exclusive: false)
        } catch {
            await channel.close()
            throw error
        }
        self.channel = channel
        return channel
    }

    private func damaged(_ text: String) -> Failure {
        .log(.damaged("log stream \(source.generation.stream): \(text). Nothing was changed"))
    }
}
