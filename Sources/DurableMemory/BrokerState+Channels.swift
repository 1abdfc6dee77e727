internal import DequeModule
internal import DurableBackend
internal import DurableCore
internal import OrderedCollections

// Connections and channels: how they begin, and what returns to its queue when they end.
extension BrokerState {
    mutating func openChannel(on connection: MemoryConnectionState) -> MemoryChannelState {
        lastChannelID += 1
        let channel = MemoryChannelState(id: lastChannelID, connection: connection, deliveries: DeliverySequence())
        channels[channel.id] = channel
        connection.channels.append(channel)
        return channel
    }

    mutating func consume(
        _ queueName: String, tag: String, prefetch: Int, from: StreamOffset?, exclusive: Bool,
        on channel: MemoryChannelState
    ) throws(TransportError) {
        do throws(TransportError) {
            let queue = try consumable(queueName, by: channel, exclusive: exclusive)
            if channel.consumers.contains(where: { $0.tag == tag }) {
                throw TransportError.refused(
                    code: 530, text: "NOT_ALLOWED - attempt to reuse consumer tag '\(tag)'")
            }
            let consumer = MemoryConsumer(
                channel: channel, queue: queue, tag: tag, prefetch: prefetch,
                isExclusive: exclusive && queue.description.kind == .classic)
            if queue.description.kind == .stream {
                consumer.streamIndex = Self.start(at: from ?? .next, in: queue)
            }
            queue.consumers.append(consumer)
            channel.consumers.append(consumer)
            markDirty(queue)
        } catch {
            close(channel, with: error)
            throw error
        }
    }

    private func consumable(
        _ name: String, by channel: MemoryChannelState, exclusive: Bool
    ) throws(TransportError) -> MemoryQueue {
        guard let queue = queues[name] else { throw .notFound(Self.noQueue(name)) }
        if let owner = queue.owner, owner.connection !== channel.connection {
            throw .refused(
                code: 405,
                text: "RESOURCE_LOCKED - cannot obtain exclusive access to locked queue '\(name)' in vhost '/'")
        }
        // Quorum queues and streams take no notice of exclusive consumers.
        if queue.description.kind == .classic
            && (queue.consumers.contains(where: \.isExclusive) || (exclusive && !queue.consumers.isEmpty))
        {
            throw .refused(code: 403, text: "ACCESS_REFUSED - queue '\(name)' in vhost '/' in exclusive use")
        }
        return queue
    }

    private static func start(at offset: StreamOffset, in queue: MemoryQueue) -> Int {
        switch offset {
        case .first: 0
        case .last: max(0, queue.log.count - 1)
        case .next: queue.log.count
        // An offset that is not there yet starts with what comes next, whatever its offset.
        case .offset(let offset): min(Int(clamping: offset), queue.log.count)
        }
    }

    static func noQueue(_ name: String) -> String { "NOT_FOUND - no queue '\(name)' in vhost '/'" }

    mutating func declarePrivateQueue(
        _ name: String, bindings: [PrivateBinding], on channel: MemoryChannelState
    ) throws(TransportError) {
        do throws(TransportError) {
            if let there = queues[name], there.owner?.connection !== channel.connection {
                throw TransportError.refused(
                    code: 405,
                    text: "RESOURCE_LOCKED - cannot obtain exclusive access to locked queue '\(name)' in vhost '/'")
            }
            if queues[name] == nil {
                queues[name] = MemoryQueue(QueueDescription(name: name, kind: .classic), owner: channel)
                channel.privateQueues.append(name)
            }
            for binding in bindings {
                try bind(
                    BindingDescription(exchange: binding.exchange, queue: name, routingKey: binding.routingKey))
            }
        } catch {
            close(channel, with: error)
            throw error
        }
    }

    /// Ends a channel: its consumers go, what they held returns in order, its private queues vanish.
    ///
    /// - Parameter error: What the reader of its deliveries gets; nil when it closed the channel itself.
    mutating func close(_ channel: MemoryChannelState, with error: TransportError?) {
        guard channels.removeValue(forKey: channel.id) != nil else { return }
        channel.connection.channels.removeAll { $0 === channel }
        for consumer in channel.consumers {
            consumer.queue.consumers.removeAll { $0 === consumer }
            markDirty(consumer.queue)
        }
        for consumer in channel.consumers {
            let held = channel.unacknowledged.compactMap { $0?.consumer === consumer ? $0?.message : nil }
            consumer.queue.unacknowledgedCount -= held.count
            giveBack(held.sorted { $0.position < $1.position }, to: consumer.queue, keepingPlace: true)
        }
        for name in channel.privateQueues { deleteQueue(name) }
        channel.consumers = []
        channel.unacknowledged = []
        channel.deliveries.push(channel.outgoing)
        channel.outgoing = []
        channel.deliveries.finish(throwing: error)
    }

    /// Ends everything a transport has open; it may connect again.
    mutating func lose(_ connection: MemoryConnectionState, _ text: String) {
        connection.generation += 1
        for channel in connection.channels { close(channel, with: .connectionLost(text)) }
    }

    mutating func stop() {
        isRunning = false
        for connection in connections { lose(connection, "the broker was stopped") }
        for queue in queues.values {
            queue.ready.removeAll { !$0.properties.isPersistent }
        }
    }
}
