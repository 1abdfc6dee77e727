package import DurableBackend
package import Logging

/// The transport on RabbitMQ (3.10 tested): one connection to publish, one for everything else.
///
/// Property `timestamp` travels in whole seconds, as AMQP has it. `Delivery.deliveryCount` is what a quorum queue
/// counts, 0 on any first delivery, and nil for a redelivery by a queue that does not count.
package final class AMQPTransport: MessageTransport {
    private let publisher: AMQPConnection
    private let consumer: AMQPConnection

    /// Connects when first used.
    package init(configuration: AMQPConfiguration, logger: Logger) {
        publisher = AMQPConnection(configuration, role: "publish", logger: logger)
        consumer = AMQPConnection(configuration, role: "consume", logger: logger)
    }

    deinit {
        publisher.abandon()
        consumer.abandon()
    }

    package func publish(_ messages: [OutgoingMessage]) async throws(TransportError) -> [PublishOutcome] {
        if messages.isEmpty { return [] }
        return try await messages.publishSendable { messages throws(TransportError) in try await send(messages) }
    }

    private func send(_ messages: [OutgoingMessage]) async throws(TransportError) -> [PublishOutcome] {
        let batch = PublishBatch(messages, connectedBy: .now + publisher.configuration.connectionWait)
        publisher.post(.publish(batch))
        return try await batch.waiter.value { [publisher] in publisher.post(.withdraw(batch)) }
    }

    package func openChannel() async throws(TransportError) -> any ConsumerChannel {
        let deliveries = DeliverySequence()
        let id = try await consumer.openChannel(deliveries: deliveries)
        return AMQPConsumerChannel(consumer, id, deliveries)
    }

    package func inspect(queue: String) async throws(TransportError) -> QueueInspection? {
        let reply = try await consumer.callUnlessMissing(.queueDeclare(name: queue, flags: .passive, arguments: []))
        guard case .queue(let messages, let consumers)? = reply else { return nil }
        return QueueInspection(readyMessages: messages, consumers: consumers)
    }

    package func exchangeExists(_ name: String) async throws(TransportError) -> Bool {
        // The default exchange is always there, and its name may not be declared.
        if name.isEmpty { return true }
        return try await consumer.callUnlessMissing(.exchangeDeclare(name: name, kind: "direct", passive: true)) != nil
    }

    package func declare(_ topology: TopologyFragment) async throws(TransportError) {
        let methods = topology.declarations
        if methods.isEmpty { return }
        try await consumer.withScratchChannel { [consumer] (channel) throws(TransportError) in
            // Bounded groups: one round trip for many, and a refusal is known before the rest is sent.
            var start = 0
            while start < methods.count {
                let end = min(start + 64, methods.count)
                _ = try await consumer.call(channel, Array(methods[start..<end]))
                start = end
            }
        }
    }

    package func delete(queues: [String], exchanges: [String]) async throws(TransportError) {
        let methods = queues.map(ClientMethod.queueDelete) + exchanges.map(ClientMethod.exchangeDelete)
        if methods.isEmpty { return }
        // RabbitMQ answers the deletion of what is missing with ok.
        try await consumer.withScratchChannel { [consumer] (channel) throws(TransportError) in
            for method in methods { _ = try await consumer.call(channel, [method]) }
        }
    }

    package func get(queue: String, count: Int, peek: Bool) async throws(TransportError) -> [Delivery] {
        try await consumer.withScratchChannel { [consumer] (channel) throws(TransportError) in
            var taken: [Delivery] = []
            while taken.count < count {
                guard case .message(let delivery) = try await consumer.call(channel, [.get(queue: queue)]) else {
                    break
                }
                taken.append(delivery)
            }
            // Closing the channel returns what is unacknowledged to its place, in order.
            if !peek, let last = taken.last {
                consumer.post(.send(channel, .acknowledge(last.tag.value, multiple: true)))
            }
            return taken
        }
    }

    package var brokerDescription: String? {
        get async { consumer.brokerDescription ?? publisher.brokerDescription }
    }

    package func close() async {
        await publisher.close()
        await consumer.close()
    }
}

extension AMQPConnection {
    /// Calls on a channel of its own; nil when the broker says 404.
    fileprivate func callUnlessMissing(_ method: ClientMethod) async throws(TransportError) -> ServerReply? {
        do throws(TransportError) {
            return try await withScratchChannel { (channel) throws(TransportError) in
                try await call(channel, [method])
            }
        } catch {
            if case .notFound = error { return nil }
            throw error
        }
    }
}

extension TopologyFragment {
    /// Exchanges, then queues, then what binds them.
    fileprivate var declarations: [ClientMethod] {
        exchanges.map { .exchangeDeclare(name: $0.name, kind: $0.kind.rawValue, passive: false) }
            + queues.map { .queueDeclare(name: $0.name, flags: .durable, arguments: $0.arguments) }
            + bindings.map { .queueBind(queue: $0.queue, exchange: $0.exchange, routingKey: $0.routingKey) }
    }
}

extension QueueDescription {
    /// Arguments of queue.declare, in order of name.
    package var arguments: [MessageHeader] {
        var arguments: [MessageHeader] = []
        if let deadLetterExchange {
            arguments.append(MessageHeader("x-dead-letter-exchange", .string(deadLetterExchange)))
        }
        if let deadLetterRoutingKey {
            arguments.append(MessageHeader("x-dead-letter-routing-key", .string(deadLetterRoutingKey)))
        }
        if let deliveryLimit { arguments.append(MessageHeader("x-delivery-limit", .integer(Int64(deliveryLimit)))) }
        if let expiryMilliseconds {
            arguments.append(MessageHeader("x-expires", .integer(Int64(clamping: expiryMilliseconds))))
        }
        if let retention {
            arguments.append(MessageHeader("x-max-length-bytes", .integer(Int64(retention.bytes))))
        }
        if let messageTTLMilliseconds {
            arguments.append(MessageHeader("x-message-ttl", .integer(Int64(clamping: messageTTLMilliseconds))))
        }
        arguments.append(MessageHeader("x-queue-type", .string(kind.rawValue)))
        if isSingleActiveConsumer { arguments.append(MessageHeader("x-single-active-consumer", .boolean(true))) }
        if let retention {
            arguments.append(
                MessageHeader("x-stream-max-segment-size-bytes", .integer(Int64(retention.segmentBytes))))
        }
        return arguments
    }
}
