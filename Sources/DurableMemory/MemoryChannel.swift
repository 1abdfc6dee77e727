package import DurableBackend
internal import DurableCore

/// One channel of a `MemoryTransport`.
package final class MemoryChannel: ConsumerChannel {
    private let transport: MemoryTransport
    private let id: UInt64
    package let deliveries: DeliverySequence

    init(_ transport: MemoryTransport, _ id: UInt64, _ deliveries: DeliverySequence) {
        self.transport = transport
        self.id = id
        self.deliveries = deliveries
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

    package func cancel(consumerTag: String) async throws(TransportError) {
        try await call(.cancel(consumerTag: consumerTag)) { state, channel in
            state.cancel(consumerTag, on: channel)
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

    package func close() async { _ = await transport.beginClosing(id).result() }

    private func call(
        _ call: FaultPlan.Call,
        _ body: @escaping @Sendable (inout BrokerState, MemoryChannelState) throws(TransportError) -> Void
    ) async throws(TransportError) {
        let fault = transport.broker.fault(call, from: transport.name)
        try transport.client.check()
        try await transport.call(.channel(id), .consuming, fault) { [id] state, _ throws(TransportError) in
            guard let channel = state.channels[id] else { throw .connectionLost("the channel is closed") }
            try body(&state, channel)
        }
    }

    /// Never waits. What arrives after the channel has ended is lost, without harm: its delivery comes again.
    private func settle(
        _ call: FaultPlan.Call, _ body: @escaping @Sendable (inout BrokerState, MemoryChannelState) -> Void
    ) {
        let fault = transport.broker.fault(call, from: transport.name)
        let connection = transport.connection
        transport.broker.send(from: transport.name, lane: .channel(id)) { [id] state in
            if fault == .cutBefore { state.lose(state.connections[connection], .both, "the connection was cut") }
            if let channel = state.channels[id] { body(&state, channel) }
            if fault == .cutAfter { state.lose(state.connections[connection], .both, "the connection was cut") }
        }
    }
}
