import DurableBackend
import DurableCore
import DurableMemory
import Testing

@Suite("The broker in memory behind a network") struct BrokerNetworkTests {
    let network = HandNetwork()
    let broker: MemoryBroker
    let worker: MemoryTransport
    let other: MemoryTransport

    init() async throws {
        broker = MemoryBroker(network: network)
        worker = broker.connect(as: "worker")
        other = broker.connect(as: "other")
        try await other.declare(
            TopologyFragment(
                exchanges: [ExchangeDescription(name: "x", kind: .direct)],
                queues: [QueueDescription(name: "q", kind: .quorum, deliveryLimit: 1_000_000)],
                bindings: [BindingDescription(exchange: "x", queue: "q", routingKey: "q")]))
    }

    func messages(_ texts: String...) -> [OutgoingMessage] {
        texts.map {
            OutgoingMessage(exchange: "x", routingKey: "q", properties: MessageProperties(), body: Array($0.utf8))
        }
    }

    func ready() -> [String] {
        broker.readyMessages(in: "q").map { String(decoding: $0.body, as: UTF8.self) }
    }

    func consume(prefetch: Int = 10) async throws -> any ConsumerChannel {
        let channel = try await worker.openChannel()
        try await channel.consume(queue: "q", consumerTag: "c", prefetch: prefetch, from: nil, exclusive: false)
        return channel
    }

    @Test(
        "A confirm is lost when its connection ends on the way, whether the client knew or not",
        arguments: [true, false])
    func lostConfirm(_ noticeComesFirst: Bool) async throws {
        network.hold { direction, lane in direction == .deliver && lane == .publishing || lane == .loss }
        let publish = Task { [worker, messages = messages("a")] in try await worker.publish(messages) }
        await network.waitForHeld(1)
        #expect(ready() == ["a"])
        broker.cut("worker", .publishing)
        network.release(.deliver, noticeComesFirst ? .loss : .publishing)
        await #expect(throws: TransportError.connectionLost("the connection was cut")) { try await publish.value }
        network.releaseAll()
        #expect(try await worker.publish(messages("b")) == [.confirmed])
        #expect(ready() == ["a", "b"])
    }

    @Test("A publish that arrives on a connection that is gone leaves nothing")
    func stalePublish() async throws {
        network.hold { direction, lane in direction == .send && lane == .publishing }
        let publish = Task { [worker, messages = messages("a")] in try await worker.publish(messages) }
        await network.waitForHeld(1)
        broker.cut("worker")
        await #expect(throws: TransportError.connectionLost("the connection was cut")) { try await publish.value }
        network.releaseAll()
        #expect(ready().isEmpty)
        #expect(try await worker.publish(messages("b")) == [.confirmed])
    }

    @Test("A client that has not noticed the loss uses its dead connection once more")
    func unnoticedLoss() async throws {
        network.hold { _, lane in lane == .loss }
        broker.cut("worker")
        await #expect(throws: TransportError.connectionLost("the connection was cut")) {
            try await worker.publish(messages("a"))
        }
        await #expect(throws: TransportError.connectionLost("the connection was cut")) {
            try await worker.openChannel()
        }
        _ = try await worker.openChannel()
        #expect(try await worker.publish(messages("b")) == [.confirmed])
        #expect(ready() == ["b"])
    }

    @Test("A connection to publish and one to consume end apart")
    func oneConnection() async throws {
        let channel = try await consume(prefetch: 1)
        broker.cut("worker", .publishing)
        _ = try await worker.publish(messages("a", "b"))
        var deliveries = channel.deliveries.makeAsyncIterator()
        #expect(try await deliveries.next()?.count == 1)
        network.hold { _, lane in lane == .publishing }
        let publish = Task { [worker, messages = messages("c")] in try await worker.publish(messages) }
        await network.waitForHeld(1)
        broker.cut("worker", .consuming)
        await #expect(throws: TransportError.connectionLost("the connection was cut")) {
            _ = try await deliveries.next()
        }
        #expect(ready() == ["a", "b"])
        network.releaseAll()
        #expect(try await publish.value == [.confirmed])
        #expect(ready() == ["a", "b", "c"])
    }

    @Test("An acknowledgement that arrives after its channel has ended is lost: the delivery comes again")
    func lostAcknowledgement() async throws {
        _ = try await other.publish(messages("a"))
        let channel = try await consume()
        network.hold { direction, lane in direction == .send && lane != .control }
        channel.acknowledge(DeliveryTag(1), multiple: false)
        channel.acknowledge(DeliveryTag(9), multiple: false)
        #expect(broker.unacknowledgedCount(in: "q") == 1)
        broker.cut("worker", .consuming)
        network.releaseAll()
        #expect(ready() == ["a"])
        let again = try await consume()
        var deliveries = again.deliveries.makeAsyncIterator()
        #expect(try await deliveries.next()?.map(\.deliveryCount) == [1])
    }

    @Test("Deliveries keep their order on the way, and the end of a channel comes behind them")
    func order() async throws {
        let channel = try await consume(prefetch: 3)
        network.hold { direction, _ in direction == .deliver }
        let publish = Task { [other, messages = messages("a", "b", "c", "d")] in try await other.publish(messages) }
        await network.waitForHeld(2)
        channel.acknowledge(DeliveryTag(1), multiple: false)
        channel.acknowledge(DeliveryTag(77), multiple: false)
        #expect(ready() == ["b", "c", "d"])
        network.releaseAll()
        #expect(try await publish.value.count == 4)
        var texts: [String] = []
        await #expect(throws: TransportError.refused(code: 406, text: "PRECONDITION_FAILED - unknown delivery tag 77"))
        {
            for try await batch in channel.deliveries {
                texts += batch.map { String(decoding: $0.body, as: UTF8.self) }
            }
        }
        #expect(texts == ["a", "b", "c", "d"])
    }

    @Test("Closing comes behind acknowledgements and returns when the broker has done it", arguments: [true, false])
    func close(_ wholeClient: Bool) async throws {
        _ = try await other.publish(messages("a", "b"))
        let channel = try await consume()
        network.hold { direction, lane in direction == .send && lane != .publishing }
        channel.acknowledge(DeliveryTag(1), multiple: false)
        let closed = Recorder()
        let close = Task { [worker] in
            if wholeClient { await worker.close() } else { await channel.close() }
            await closed.add("closed")
        }
        await network.waitForHeld(2)
        #expect(broker.unacknowledgedCount(in: "q") == 2)
        #expect(await closed.texts.isEmpty)
        network.releaseAll()
        await close.value
        #expect(ready() == ["b"])
        #expect(broker.unacknowledgedCount(in: "q") == 0)
        var deliveries = channel.deliveries.makeAsyncIterator()
        while let batch = try await deliveries.next() { #expect(batch.count == 2) }
    }

    @Test("Closing ends with the connection, too")
    func closeOfALostConnection() async throws {
        let channel = try await consume()
        network.hold { direction, lane in direction == .send }
        let close = Task { await channel.close() }
        await network.waitForHeld(1)
        broker.cut("worker")
        await close.value
        network.releaseAll()
    }

    @Test(
        "A cancelled caller goes on at once; its publish is withdrawn, if that comes in time", arguments: [true, false])
    func cancellation(_ isWithdrawnInTime: Bool) async throws {
        broker.blockPublishers()
        network.hold { _, lane in lane == .publishing }
        let publish = Task { [worker, messages = messages("a")] in try await worker.publish(messages) }
        await network.waitForHeld(1)
        network.release(.send)
        publish.cancel()
        await #expect(throws: TransportError.cancelled) { try await publish.value }
        if isWithdrawnInTime { network.release(.send) }
        broker.unblockPublishers()
        network.releaseAll()
        #expect(ready() == (isWithdrawnInTime ? [] : ["a"]))
    }

    @Test("A refused publish may have been taken all the same", arguments: [true, false])
    func reject(_ isTaken: Bool) async throws {
        broker.setFaults(.at(call: broker.callCount + 1, .reject(isTaken: isTaken)))
        #expect(try await worker.publish(messages("a", "b")) == [.rejected, .rejected])
        #expect(ready() == (isTaken ? ["a", "b"] : []))
        #expect(try await worker.publish(messages("c")) == [.confirmed])
    }

    @Test("A missing exchange takes along what the same client has under way")
    func missingExchange() async throws {
        network.hold { direction, lane in direction == .deliver && lane == .publishing }
        let before = Task { [worker, messages = messages("a")] in try await worker.publish(messages) }
        await network.waitForHeld(1)
        var wrong = messages("b")
        wrong[0].exchange = "nowhere"
        let publish = Task { [worker, wrong] in try await worker.publish(wrong) }
        await network.waitForHeld(2)
        let after = Task { [worker, messages = messages("c")] in try await worker.publish(messages) }
        await network.waitForHeld(3)
        network.releaseAll()
        let text = "NOT_FOUND - no exchange 'nowhere' in vhost '/'"
        let lost = TransportError.connectionLost("the broker closed the channel over another message: \(text)")
        await #expect(throws: lost) { try await before.value }
        await #expect(throws: TransportError.notFound(text)) { try await publish.value }
        await #expect(throws: lost) { try await after.value }
        #expect(ready() == ["a"])
        #expect(try await worker.publish(messages("d")) == [.confirmed])
    }

    @Test("Who connects under the name of a killed client is another one")
    func kill() async throws {
        let channel = try await consume()
        broker.kill("worker")
        let next = broker.connect(as: "worker")
        broker.kill("nobody")
        #expect(try await next.publish(messages("a")) == [.confirmed])
        await #expect(throws: TransportError.unreachable("the client was killed")) {
            try await worker.publish(messages("b"))
        }
        channel.acknowledge(DeliveryTag(1), multiple: true)
        await channel.close()
        await worker.close()
        #expect(ready() == ["a"])
    }
}
