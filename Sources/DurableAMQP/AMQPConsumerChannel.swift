package import DurableBackend

/// A channel on the consume connection. Ends with it, when the broker closes it over a request, or with `close()`;
/// letting go of the object ends nothing.
package final class AMQPConsumerChannel: ConsumerChannel {
    package let deliveries: DeliverySequence
    private let connection: AMQPConnection
    private let id: ChannelID

    init(_ connection: AMQPConnection, _ id: ChannelID, _ deliveries: DeliverySequence) {
        self.connection = connection
        self.id = id
        self.deliveries = deliveries
    }

    package func consume(
        queue: String, consumerTag: String, prefetch: Int, from: StreamOffset?, exclusive: Bool
    ) async throws(TransportError) {
        let arguments = from.map { [MessageHeader("x-stream-offset", $0.argument)] } ?? []
        // Prefetch counts for consumers started after it, so both go together.
        _ = try await connection.call(
            id,
            [
                .prefetch(min(max(prefetch, 1), 65_535)),
                .consume(queue: queue, consumerTag: consumerTag, exclusive: exclusive, arguments: arguments),
            ])
    }

    package func cancel(consumerTag: String) async throws(TransportError) {
        _ = try await connection.call(id, [.cancel(consumerTag: consumerTag)])
    }

    package func declarePrivateQueue(name: String, bindings: [PrivateBinding]) async throws(TransportError) {
        let arguments = [MessageHeader("x-queue-type", .string("classic"))]
        let binds = bindings.map {
            ClientMethod.queueBind(queue: name, exchange: $0.exchange, routingKey: $0.routingKey)
        }
        _ = try await connection.call(
            id, [.queueDeclare(name: name, flags: [.exclusive, .autoDelete], arguments: arguments)] + binds)
    }

    package func acknowledge(_ tag: DeliveryTag, multiple: Bool) {
        connection.post(.send(id, .acknowledge(tag.value, multiple: multiple)))
    }

    package func reject(_ tag: DeliveryTag, requeue: Bool) {
        connection.post(.send(id, .reject(tag.value, requeue: requeue)))
    }

    package func close() async {
        await connection.closeChannel(id)
    }
}

extension StreamOffset {
    /// Value of the consume argument `x-stream-offset`.
    fileprivate var argument: MessageHeader.Value {
        switch self {
        case .first: .string("first")
        case .last: .string("last")
        case .next: .string("next")
        case .offset(let offset): .integer(Int64(clamping: offset))
        }
    }
}
