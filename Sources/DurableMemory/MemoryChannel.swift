package import DurableBackend
internal import DurableCore

/// One channel of a `MemoryTransport`.
package final class MemoryChannel: ConsumerChannel {
    private let broker: MemoryBroker
    private let connection: Int
    private let id: UInt64
    package let deliveries: DeliverySequence

    init(broker: MemoryBroker, connection: Int, channel: MemoryChannelState) {
        self.broker = broker
        self.connection = connection
        id = channel.id
        deliveries = channel.deliveries
    }

    package func consume(
        queue: String, consumerTag: String, prefetch: Int, from: StreamOffset?, exclusive: Bool
    ) async throws(TransportError) {
        precondition((1...65_535).contains(prefetch), "a consumer's prefetch is 1 to 65,535")
        try await call(.consume(queue: queue)) { state, channel throws(TransportError) in
            try state.consume(
                queue, tag: consumerTag, prefetch: prefetch, from: from, exclusive: exclusive, on: channel)
        }
    }

    package func declarePrivateQueue(name: String, bindings: [PrivateBinding]) async throws(TransportError) {
        try await call(.declarePrivateQueue(name)) { state, channel throws(TransportError) in
            try state.declarePrivateQueue(name, bindings: bindings, on: channel)
        }
    }

    package func acknowledge(_ tag: DeliveryTag, multiple: Bool) {
        settle(.acknowledge(tag, multiple: multiple)) { state, channel in
            state.acknowledge(tag.value, multiple: multiple, on: channel)
        }
    }

    package func reject(_ tag: DeliveryTag, requeue: Bool) {
        settle(.reject(tag, requeue: requeue)) { state, channel in
            state.reject(tag.value, requeue: requeue, on: channel)
        }
    }

    package func close() async {
        broker.access { state in
            if let channel = state.channels[id] { state.close(channel, with: nil) }
        }
    }

    private func call(
        _ call: FaultPlan.Call, _ body: (inout BrokerState, MemoryChannelState) throws(TransportError) -> Void
    ) async throws(TransportError) {
        let fault = broker.fault(call, from: connection)
        if case .delay(let duration) = fault {
            await broker.sleep(for: duration)
            if Task.isCancelled { throw .cancelled }
        }
        if fault == .cutBefore { loseConnection() }
        try broker.access { state throws(TransportError) in
            guard let channel = state.channels[id] else {
                if state.connections[connection].status == .closed { throw .closed }
                throw .connectionLost("the channel is closed")
            }
            try body(&state, channel)
        }
        if fault == .cutAfter {
            loseConnection()
            throw .connectionLost("the connection was cut")
        }
    }

    private func settle(_ call: FaultPlan.Call, _ body: (inout BrokerState, MemoryChannelState) -> Void) {
        let fault = broker.fault(call, from: connection)
        if fault == .cutBefore { loseConnection() }
        broker.access { state in
            if let channel = state.channels[id] { body(&state, channel) }
        }
        if fault == .cutAfter { loseConnection() }
    }

    private func loseConnection() {
        broker.access { state in state.lose(state.connections[connection], "the connection was cut") }
    }
}
