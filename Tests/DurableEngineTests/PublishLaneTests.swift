import DurableBackend
import DurableCore
import DurableEngine
import DurableMemory
import Testing

@Suite("Publish lane") struct PublishLaneTests {
    let clock = ManualClock()
    let broker: MemoryBroker
    let transport: MemoryTransport

    init() async throws {
        broker = MemoryBroker(clock: clock)
        transport = broker.connect(as: "worker")
        try await transport.declare(
            TopologyFragment(
                exchanges: [ExchangeDescription(name: "x", kind: .direct)],
                queues: [QueueDescription(name: "q", kind: .quorum)],
                bindings: [BindingDescription(exchange: "x", queue: "q", routingKey: "q")]))
    }

    func item(_ number: Int) -> PublishLane<Int>.Item {
        PublishLane<Int>.Item(
            key: number,
            message: OutgoingMessage(
                exchange: "x", routingKey: "q", properties: MessageProperties(messageID: "\(number)"), body: []))
    }

    var queued: [String?] { broker.readyMessages(in: "q").map(\.properties.messageID) }

    @Test("Publishes again what it has no confirm for, except what was withdrawn meanwhile")
    func withdraw() async throws {
        let lane = PublishLane<Int>(
            transport: transport, clock: clock, isReliable: true, logger: EngineHarness.logger("lane"))
        // The broker takes the first publish, its confirm is lost.
        broker.setFaults(.at(call: broker.callCount + 1, .cutAfter))
        lane.submit([item(1), item(2)])
        let confirmed = PlatformLock<[Int]>([])
        let running = Task { await lane.run { keys in confirmed.withLock { $0 += keys } } }
        // One sleeper looks after parked items, the other one is the pause before the next try.
        await clock.waitForSleepers(2)
        #expect(queued == ["1", "2"])
        lane.withdraw([1])
        lane.submit([item(3)])
        clock.advance(by: .milliseconds(100))
        while confirmed.withLock({ $0.count }) < 2 { await Task.yield() }
        #expect(confirmed.withLock { $0 } == [2, 3])
        #expect(queued == ["1", "2", "2", "3"])
        #expect(lane.pendingCount == 0)
        running.cancel()
        await running.value
    }
    @Test("Tells who waits for its end once nothing is under way, and not before what it confirmed was noted")
    func settled() async throws {
        let lane = PublishLane<Int>(
            transport: transport, clock: clock, isReliable: true, logger: EngineHarness.logger("lane"))
        let seen = PlatformLock<[Int]>([])
        let running = Task { await lane.run { _ in seen.withLock { $0.append(lane.pendingCount) } } }
        lane.submit([item(1)])
        await lane.settled.wait()
        #expect(seen.withLock { $0 } == [1])
        #expect(lane.pendingCount == 0)
        running.cancel()
        await running.value
    }
}
