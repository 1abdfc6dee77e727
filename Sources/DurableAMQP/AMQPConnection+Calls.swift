internal import DurableBackend

extension AMQPConnection {
    /// Opens a channel; waits for a connection as long as the configuration says.
    func openChannel(deliveries: DeliverySequence?) async throws(TransportError) -> ChannelID {
        let waiter = Waiter<ChannelID>()
        let deadline = ContinuousClock.now + configuration.connectionWait
        post(.open(deliveries: deliveries, waiter, connectedBy: deadline))
        return try await waiter.value()
    }

    /// Sends methods together and waits for the last one's answer; the first refusal ends the channel.
    func call(_ channel: ChannelID, _ methods: [ClientMethod]) async throws(TransportError) -> ServerReply {
        for method in methods {
            if let defect = method.defect { throw .refused(code: 502, text: defect) }
        }
        let waiter = Waiter<ServerReply>()
        post(.call(channel, methods, waiter))
        return try await waiter.value()
    }

    /// Closes a channel and waits for the broker's answer, whatever becomes of the calling task. A channel that is gone
    /// counts as closed.
    func closeChannel(_ channel: ChannelID) async {
        let waiter = Waiter<ServerReply>()
        post(.closeChannel(channel, waiter))
        _ = try? await waiter.valueWithoutCancellation()
    }

    /// Runs `body` on a channel of its own, so that a refusal ends nothing but this.
    func withScratchChannel<Value>(
        _ body: (ChannelID) async throws(TransportError) -> Value
    ) async throws(TransportError) -> Value {
        let channel = try await openChannel(deliveries: nil)
        do throws(TransportError) {
            let value = try await body(channel)
            await closeChannel(channel)
            return value
        } catch {
            await closeChannel(channel)
            throw error
        }
    }
}

extension ClientMethod {
    /// What AMQP cannot carry about this method's names, or nil.
    fileprivate var defect: String? {
        let names: [String]
        switch self {
        case .exchangeDeclare(let name, _, _), .exchangeDelete(let name), .queueDeclare(let name, _, _),
            .queueDelete(let name), .get(let name):
            names = [name]
        case .queueBind(let queue, let exchange, let routingKey): names = [queue, exchange, routingKey]
        case .consume(let queue, let consumerTag, _, _): names = [queue, consumerTag]
        default: names = []
        }
        return names.first { $0.utf8.count > 255 }.map {
            "the name '\($0.prefix(40))...' has \($0.utf8.count) bytes, AMQP carries at most 255"
        }
    }
}
