internal import DurableBackend
internal import DurableCore

/// What a rule works with: two transports, names nobody else uses, and helpers that fail with a text.
final class TransportBench: Sendable {
    let first: any MessageTransport
    let second: any MessageTransport
    let clock: any EngineClock
    private let prefix: String
    private let made = PlatformLock((queues: [String](), exchanges: [String](), fences: 0))

    /// - Parameter uniqueName: Keeps this run's names apart from those of other runs on the same broker.
    init(_ pair: TransportPair, rule: TransportRule, clock: any EngineClock, uniqueName: String) {
        first = pair.first
        second = pair.second
        self.clock = clock
        prefix = "dtq.rule.\(rule.rawValue).\(uniqueName)"
    }

    /// Direct exchange; the key is the queue's name.
    var exchange: String { "\(prefix).x" }
    /// Fanout exchange in front of `deadQueue`.
    var deadExchange: String { "\(prefix).dead" }
    var deadQueue: String { "\(prefix).dead.q" }
    /// Queue for fences, see `fence(_:)`.
    var fenceQueue: String { "\(prefix).fence" }

    func name(_ suffix: String) -> String { "\(prefix).\(suffix)" }

    func prepare() async throws {
        try await declare(
            TopologyFragment(
                exchanges: [
                    ExchangeDescription(name: exchange, kind: .direct),
                    ExchangeDescription(name: deadExchange, kind: .fanout),
                ],
                queues: [QueueDescription(name: deadQueue, kind: .classic)],
                bindings: [BindingDescription(exchange: deadExchange, queue: deadQueue, routingKey: "")]))
    }

    func tearDown() async {
        let made = made.withLock { $0 }
        try? await second.delete(queues: made.queues, exchanges: made.exchanges)
        await first.close()
        await second.close()
    }

    func declare(_ topology: TopologyFragment) async throws {
        made.withLock {
            $0.queues += topology.queues.map(\.name)
            $0.exchanges += topology.exchanges.map(\.name)
        }
        try await first.declare(topology)
    }

    /// Declares a queue bound to `exchange` by its name, and returns that name.
    @discardableResult
    func queue(
        _ suffix: String, _ kind: QueueDescription.Kind, _ adjust: (inout QueueDescription) -> Void = { _ in }
    ) async throws -> String {
        var description = QueueDescription(name: name(suffix), kind: kind)
        if kind == .quorum { description.deliveryLimit = 1000 }
        adjust(&description)
        try await declare(
            TopologyFragment(
                queues: [description],
                bindings: [
                    BindingDescription(exchange: exchange, queue: description.name, routingKey: description.name)
                ]))
        return description.name
    }

    func message(_ text: String, to queue: String) -> OutgoingMessage {
        OutgoingMessage(
            exchange: exchange, routingKey: queue, properties: MessageProperties(messageID: text),
            body: Array(text.utf8))
    }

    /// Publishes one message a text and checks that the broker took each.
    func publish(_ texts: [String], to queue: String) async throws {
        let outcomes = try await second.publish(texts.map { message($0, to: queue) })
        try expect(
            outcomes == texts.map { _ in .confirmed }, "\(texts.count) messages are confirmed, got \(outcomes)")
    }

    func numbers(_ range: Range<Int>) -> [String] { range.map(String.init) }

    func open(_ transport: any MessageTransport) async throws -> TransportReader {
        TransportReader(try await transport.openChannel(), clock)
    }

    /// Opens a channel and consumes one queue on it.
    func consume(
        _ queue: String, on transport: any MessageTransport, prefetch: Int = 100, from: StreamOffset? = nil
    ) async throws -> TransportReader {
        let reader = try await open(transport)
        try await reader.consume(queue, prefetch: prefetch, from: from)
        return reader
    }

    /// Proves that `reader` was sent nothing else: a message through a queue of its own must come next.
    func expectNothingMore(for reader: TransportReader) async throws {
        let number = made.withLock { made in
            made.fences += 1
            return made.fences
        }
        let fence = try await queue("fence.\(number)", .classic)
        try await reader.consume(fence, prefetch: 1)
        try await publish(["fence"], to: fence)
        let next = try await reader.take(1)
        try expect(next.first?.routingKey == fence, "nothing more arrives, got \(next.texts)")
    }

    /// Waits until `condition` holds; for what a broker does on its own time.
    func eventually(_ what: String, _ condition: @Sendable @escaping () async throws -> Bool) async throws {
        try await withDeadline(what, clock) { [clock] in
            while try await !condition() {
                try Task.checkCancellation()
                await clock.sleep(for: .milliseconds(5))
            }
        }
    }
}

/// One channel and what has arrived on it.
actor TransportReader {
    nonisolated let channel: any ConsumerChannel
    private let clock: any EngineClock
    private var buffer: [Delivery] = []

    init(_ channel: any ConsumerChannel, _ clock: any EngineClock) {
        self.channel = channel
        self.clock = clock
    }

    nonisolated func consume(
        _ queue: String, tag: String? = nil, prefetch: Int = 100, from: StreamOffset? = nil
    ) async throws {
        try await channel.consume(
            queue: queue, consumerTag: tag ?? "c-\(queue)", prefetch: prefetch, from: from, exclusive: false)
    }

    /// The next `count` deliveries in order of arrival.
    func take(_ count: Int) async throws -> [Delivery] {
        try await withDeadline("\(count) deliveries arrive", clock) { try await self.read(count) }
    }

    private func read(_ count: Int) async throws -> [Delivery] {
        while buffer.count < count {
            var iterator = channel.deliveries.makeAsyncIterator()
            guard let batch = try await iterator.next() else {
                throw RuleViolation("the sequence ended after \(buffer.texts), \(count) deliveries were due")
            }
            buffer += batch
        }
        defer { buffer.removeFirst(count) }
        return Array(buffer.prefix(count))
    }

    /// Reads to the end of the sequence; nil when it ended normally.
    func end() async throws -> TransportError? {
        try await withDeadline("the sequence ends", clock) { await self.readToEnd() }
    }

    private func readToEnd() async -> TransportError? {
        do throws(TransportError) {
            for try await batch in channel.deliveries { buffer += batch }
            return nil
        } catch {
            return error
        }
    }

    nonisolated func acknowledge(_ delivery: Delivery?, multiple: Bool = false) {
        if let delivery { channel.acknowledge(delivery.tag, multiple: multiple) }
    }

    nonisolated func reject(_ delivery: Delivery?, requeue: Bool) {
        if let delivery { channel.reject(delivery.tag, requeue: requeue) }
    }

    nonisolated func close() async { await channel.close() }
}

extension [Delivery] {
    var texts: [String] { map { String(decoding: $0.body.prefix(40), as: UTF8.self) } }
}

/// What a rule found instead.
package struct RuleViolation: Error, CustomStringConvertible {
    package var description: String
    package init(_ description: String) { self.description = description }
}

/// - Parameter rule: What must hold, and what was seen.
func expect(_ condition: Bool, _ rule: @autoclosure () -> String) throws {
    if !condition { throw RuleViolation("expected that \(rule())") }
}

/// Runs `body`, at most 30 seconds.
func withDeadline<Result: Sendable>(
    _ what: String, _ clock: any EngineClock, _ body: @escaping @Sendable () async throws -> Result
) async throws -> Result {
    try await withThrowingTaskGroup(of: Result?.self) { group in
        group.addTask { try await body() }
        group.addTask {
            await clock.sleep(for: .seconds(30))
            return nil
        }
        defer { group.cancelAll() }
        guard let result = try await group.next() ?? nil else {
            throw RuleViolation("expected that \(what) within 30 s")
        }
        return result
    }
}
