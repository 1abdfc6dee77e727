import DurableBackend
import DurableCore
import DurableMemory
import Testing

@Suite("Faults of the broker in memory") struct BrokerFaultTests {
    let clock = ManualClock()
    let broker: MemoryBroker
    let worker: MemoryTransport
    let other: MemoryTransport

    init() async throws {
        broker = MemoryBroker(clock: clock)
        worker = broker.connect(as: "worker")
        other = broker.connect(as: "other")
        try await other.declare(
            TopologyFragment(
                exchanges: [
                    ExchangeDescription(name: "x", kind: .direct), ExchangeDescription(name: "d", kind: .fanout),
                ],
                queues: [
                    QueueDescription(name: "q", kind: .quorum, deliveryLimit: 1_000_000),
                    QueueDescription(
                        name: "short", kind: .classic, messageTTLMilliseconds: 10_000, deadLetterExchange: "d"),
                    QueueDescription(name: "dead", kind: .classic),
                ],
                bindings: [
                    BindingDescription(exchange: "x", queue: "q", routingKey: "q"),
                    BindingDescription(exchange: "x", queue: "short", routingKey: "short"),
                    BindingDescription(exchange: "d", queue: "dead", routingKey: ""),
                ]))
    }

    func message(_ text: String, to queue: String = "q") -> OutgoingMessage {
        OutgoingMessage(exchange: "x", routingKey: queue, properties: MessageProperties(), body: Array(text.utf8))
    }

    func ready(_ queue: String = "q") -> [String] {
        broker.readyMessages(in: queue).map { String(decoding: $0.body, as: UTF8.self) }
    }

    @Test(
        "A lost confirm leaves the message stored; a cut before it leaves nothing",
        arguments: [
            (FaultPlan.Fault.cutBefore, [String]()), (.cutAfter, ["a", "b"]),
        ])
    func lostConfirm(_ fault: FaultPlan.Fault, _ stored: [String]) async throws {
        broker.setFaults(.at(call: broker.callCount + 1, fault))
        await #expect(throws: TransportError.connectionLost("the connection was cut")) {
            try await worker.publish([message("a"), message("b")])
        }
        #expect(ready() == stored)
        #expect(try await worker.publish([message("c")]) == [.confirmed])
        #expect(ready() == stored + ["c"])
    }

    @Test("A cut ends a transport's channels, returns what they held, and spares the others")
    func cut() async throws {
        _ = try await other.publish([message("a"), message("b")])
        let channel = try await worker.openChannel()
        try await channel.consume(queue: "q", consumerTag: "c", prefetch: 10, from: nil, exclusive: false)
        let spared = try await other.openChannel()
        var deliveries = channel.deliveries.makeAsyncIterator()
        #expect(try await deliveries.next()?.count == 2)
        #expect(broker.unacknowledgedCount(in: "q") == 2)
        broker.cut("worker")
        #expect(ready() == ["a", "b"])
        await #expect(throws: TransportError.connectionLost("the connection was cut")) {
            _ = try await deliveries.next()
        }
        channel.acknowledge(DeliveryTag(2), multiple: true)
        #expect(ready() == ["a", "b"])
        try await spared.consume(queue: "q", consumerTag: "c", prefetch: 10, from: nil, exclusive: false)
        var again = spared.deliveries.makeAsyncIterator()
        #expect(try await again.next()?.map(\.deliveryCount) == [1, 1])
        _ = try await worker.openChannel()
    }

    @Test("A lost acknowledgement means a second delivery")
    func lostAcknowledgement() async throws {
        _ = try await other.publish([message("a")])
        let channel = try await worker.openChannel()
        try await channel.consume(queue: "q", consumerTag: "c", prefetch: 10, from: nil, exclusive: false)
        broker.setFaults(
            FaultPlan { point in if case .acknowledge = point.call { .cutBefore } else { .none } })
        channel.acknowledge(DeliveryTag(1), multiple: false)
        #expect(ready() == ["a"])
    }

    @Test("A killed client reaches nothing any more")
    func kill() async throws {
        let channel = try await worker.openChannel()
        broker.kill("worker")
        await #expect(throws: TransportError.self) { try await worker.publish([message("a")]) }
        await #expect(throws: TransportError.self) { try await worker.openChannel() }
        await #expect(throws: TransportError.self) {
            try await channel.consume(queue: "q", consumerTag: "c", prefetch: 1, from: nil, exclusive: false)
        }
        #expect(ready().isEmpty)
        #expect(try await other.publish([message("b")]) == [.confirmed])
    }

    @Test("Blocked publishers wait, then go on in order; acknowledgements never wait")
    func blocked() async throws {
        _ = try await other.publish([message("a")])
        let channel = try await worker.openChannel()
        try await channel.consume(queue: "q", consumerTag: "c", prefetch: 1, from: nil, exclusive: false)
        broker.blockPublishers()
        let publish = Task { try await worker.publish([message("b"), message("c")]) }
        channel.acknowledge(DeliveryTag(1), multiple: false)
        #expect(broker.unacknowledgedCount(in: "q") == 0)
        #expect(ready().isEmpty)
        broker.unblockPublishers()
        #expect(try await publish.value == [.confirmed, .confirmed])
        #expect(ready() == ["c"])
    }

    @Test("A blocked publisher gives up when its connection ends or its task is cancelled")
    func blockedThenCut() async throws {
        broker.blockPublishers()
        let count = broker.callCount
        let lost = Task { try await worker.publish([message("a")]) }
        let cancelled = Task { try await other.publish([message("b")]) }
        while broker.callCount < count + 2 { await Task.yield() }
        cancelled.cancel()
        await #expect(throws: TransportError.cancelled) { try await cancelled.value }
        broker.cut("worker")
        await #expect(throws: TransportError.self) { try await lost.value }
        broker.unblockPublishers()
        #expect(ready().isEmpty)
    }

    @Test("A delayed publish arrives when its time has come")
    func delay() async throws {
        broker.setFaults(.at(call: broker.callCount + 1, .delay(.seconds(5))))
        let late = Task { try await worker.publish([message("late")]) }
        await clock.waitForSleeper(until: clock.now() + .seconds(5))
        _ = try await other.publish([message("early")])
        #expect(ready() == ["early"])
        clock.advance(by: .seconds(5))
        #expect(try await late.value == [.confirmed])
        #expect(ready() == ["early", "late"])
    }

    @Test("Messages expire by the broker's clock, at the head of their queue")
    func expiry() async throws {
        _ = try await other.publish([message("a", to: "short")])
        clock.advance(by: .seconds(4))
        _ = try await other.publish([message("b", to: "short")])
        clock.advance(by: .milliseconds(5_999))
        #expect(ready("short") == ["a", "b"])
        clock.advance(by: .milliseconds(1))
        #expect(ready("short") == ["b"])
        #expect(ready("dead") == ["a"])
        #expect(broker.readyMessages(in: "dead").first?.properties.header("x-first-death-reason") == .string("expired"))
        let channel = try await worker.openChannel()
        try await channel.consume(queue: "dead", consumerTag: "c", prefetch: 9, from: nil, exclusive: false)
        var deliveries = channel.deliveries.makeAsyncIterator()
        #expect(try await deliveries.next()?.count == 1)
        // Nobody calls the broker now: its own alarm must fire.
        await clock.waitForSleeper(until: clock.now() + .seconds(4))
        clock.advance(by: .seconds(4))
        #expect(try await deliveries.next()?.map(\.body) == [Array("b".utf8)])
    }

    @Test("A stopped broker refuses everyone and keeps what is durable")
    func stop() async throws {
        for queue in ["q", "short"] {
            var fleeting = message("fleeting", to: queue)
            fleeting.properties.isPersistent = false
            _ = try await other.publish([message("a", to: queue), fleeting])
        }
        let channel = try await worker.openChannel()
        try await channel.declarePrivateQueue(name: "p", bindings: [PrivateBinding(exchange: "x", routingKey: "p")])
        broker.stop()
        await #expect(throws: TransportError.unreachable("the broker is stopped")) {
            try await other.inspect(queue: "q")
        }
        broker.start()
        #expect(ready("q") == ["a", "fleeting"])
        #expect(ready("short") == ["a"])
        #expect(try await other.inspect(queue: "p") == nil)
    }

    @Test("Acknowledging what was never delivered ends the channel")
    func unknownTag() async throws {
        let channel = try await worker.openChannel()
        channel.acknowledge(DeliveryTag(7), multiple: false)
        var deliveries = channel.deliveries.makeAsyncIterator()
        await #expect(throws: TransportError.refused(code: 406, text: "PRECONDITION_FAILED - unknown delivery tag 7")) {
            _ = try await deliveries.next()
        }
    }

    @Test("Nothing is lost or doubled when many publish, consume and are cut at once")
    func concurrency() async throws {
        let seen = Recorder()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for publisher in 0..<4 {
                group.addTask {
                    let transport = broker.connect(as: "publisher")
                    for number in 0..<100 {
                        let outcomes = try await transport.publish([message("\(publisher)-\(number)")])
                        #expect(outcomes == [.confirmed])
                    }
                }
            }
            for consumer in 0..<3 {
                group.addTask {
                    let transport = broker.connect(as: "consumer-\(consumer)")
                    while await seen.texts.count < 400 {
                        let channel = try await transport.openChannel()
                        try await channel.consume(
                            queue: "q", consumerTag: "c", prefetch: 7, from: nil, exclusive: false)
                        let end = try await readSome(channel, seen)
                        await channel.close()
                        if end { return }
                    }
                }
            }
            try await group.waitForAll()
        }
        #expect(await seen.texts.sorted() == (0..<4).flatMap { p in (0..<100).map { "\(p)-\($0)" } }.sorted())
        #expect(ready().isEmpty && broker.unacknowledgedCount(in: "q") == 0)
    }

    /// Settles one batch, half of it at most, and gives the rest back by closing.
    private func readSome(_ channel: any ConsumerChannel, _ seen: Recorder) async throws -> Bool {
        let stop = Task {
            while await seen.texts.count < 400 { await Task.yield() }
            await channel.close()
        }
        defer { stop.cancel() }
        var deliveries = channel.deliveries.makeAsyncIterator()
        guard let batch = try await deliveries.next() else { return true }
        for delivery in batch.prefix((batch.count + 1) / 2) {
            await seen.add(String(decoding: delivery.body, as: UTF8.self))
            channel.acknowledge(delivery.tag, multiple: false)
        }
        return false
    }
}
