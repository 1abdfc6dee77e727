import DurableBackend
import DurableCore

/// What the broker does without an engine: publish with confirms, consume and acknowledge, all at once, through the
/// same transport, on a queue like a work queue.
struct RawBroker {
    let transport: any MessageTransport
    /// Of exchange and queue; whoever made it removes both.
    let name: String
    let body: [UInt8]

    static let window = 1000
    private static let publishers = 10

    init(transport: any MessageTransport, hub: HubName, body: [UInt8]) async throws {
        self.transport = transport
        self.body = body
        name = Self.name(of: hub)
        try await transport.declare(
            TopologyFragment(
                exchanges: [ExchangeDescription(name: name, kind: .direct)],
                queues: [QueueDescription(name: name, kind: .quorum, deliveryLimit: HubTopology.deliveryLimit)],
                bindings: [BindingDescription(exchange: name, queue: name, routingKey: "")]))
    }

    static func name(of hub: HubName) -> String { "dtq.\(hub).raw" }

    /// - Parameter count: Messages, rounded up to whole publish calls.
    /// - Returns: Messages/s, from the first publish until all are confirmed, delivered and acknowledged.
    func messagesPerSecond(_ count: Int) async throws -> Double {
        let channel = try await transport.openChannel()
        try await channel.consume(
            queue: name, consumerTag: "raw", prefetch: Self.window, from: nil, exclusive: false)
        let call = [OutgoingMessage](repeating: message, count: Self.window / Self.publishers)
        let calls = (count + call.count - 1) / call.count
        let duration = try await ContinuousClock().measure {
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await receive(calls * call.count, on: channel) }
                for publisher in 0..<Self.publishers {
                    group.addTask {
                        for _ in stride(from: publisher, to: calls, by: Self.publishers) { try await publish(call) }
                    }
                }
                try await group.waitForAll()
            }
        }
        await channel.close()
        return Double(calls * call.count) / duration.inSeconds
    }

    /// - Returns: Seconds from publish to confirm of one message at a time. They stay in the queue.
    func confirmSeconds(_ count: Int) async throws -> [Double] {
        var seconds: [Double] = []
        for _ in 0..<count {
            seconds.append(try await ContinuousClock().measure { try await publish([message]) }.inSeconds)
        }
        return seconds
    }

    private var message: OutgoingMessage {
        OutgoingMessage(
            exchange: name, routingKey: "",
            properties: MessageProperties(messageID: "b3e4f7a0-7f43-4c8e-9d05-2f6d6f6a1c55/1/1", type: "TaskScheduled"),
            body: body)
    }

    private func publish(_ messages: [OutgoingMessage]) async throws {
        let outcomes = try await transport.publish(messages)
        guard outcomes.allSatisfy({ $0 == .confirmed }) else {
            throw BenchFailure("the broker did not confirm all messages of the baseline")
        }
    }

    private func receive(_ count: Int, on channel: any ConsumerChannel) async throws {
        var missing = count
        for try await batch in channel.deliveries {
            if let last = batch.last { channel.acknowledge(last.tag, multiple: true) }
            missing -= batch.count
            if missing <= 0 { return }
        }
        try Task.checkCancellation()
        throw BenchFailure("the baseline's channel ended with \(missing) messages missing")
    }
}
