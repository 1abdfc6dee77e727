internal import DequeModule
internal import DurableBackend
internal import DurableCore
internal import OrderedCollections

// Connections and channels: how they begin, and what returns to its queue when they end.
extension BrokerState {
    mutating func openChannel(
        on connection: MemoryConnectionState, _ deliveries: DeliverySequence
    ) -> MemoryChannelState {
        lastChannelID += 1
        let channel = MemoryChannelState(id: lastChannelID, connection: connection, deliveries: deliveries)
        channels[channel.id] = channel
        connection.channels.append(channel)
        return channel
    }

    mutating func consume(
        _ queueName: String, tag: String, prefetch: Int, from: StreamOffset?, exclusive: Bool,
        on channel: MemoryChannelState
    ) throws(TransportError) {
        do throws(TransportError) {
            if channel.consumers.contains(where: { $0.tag == tag && !$0.isCancelled }) {
                let text = "NOT_ALLOWED - attempt to reuse consumer tag '\(tag)'"
                lose(channel.connection, .consuming, text)
                throw TransportError.connectionLost(text)
            }
            let queue = try consumable(queueName, by: channel, exclusive: exclusive)
            let consumer = MemoryConsumer(
                channel: channel, queue: queue, tag: tag, prefetch: prefetch,
                isExclusive: exclusive && queue.description.kind == .classic)
            if queue.description.kind == .stream {
                Self.place(consumer, at: from ?? .next, in: queue)
            }
            queue.consumers.append(consumer)
            channel.consumers.append(consumer)
            markDirty(queue)
        } catch {
            close(channel, with: error)
            throw error
        }
    }

    /// Ends a consumer; what it holds stays with the channel.
    mutating func cancel(_ tag: String, on channel: MemoryChannelState) {
        guard let consumer = channel.consumers.first(where: { $0.tag == tag && !$0.isCancelled }) else { return }
        consumer.isCancelled = true
        let queue = consumer.queue
        queue.consumers.removeAll { $0 === consumer }
        markDirty(queue)
        if queue.owner != nil && queue.consumers.isEmpty { deleteQueue(queue.name) }
    }

    private func consumable(
        _ name: String, by channel: MemoryChannelState, exclusive: Bool
    ) throws(TransportError) -> MemoryQueue {
        let queue = try queue(name, for: channel.connection)
        // Quorum queues and streams take no notice of exclusive consumers.
        if queue.description.kind == .classic
            && (queue.consumers.contains(where: \.isExclusive) || (exclusive && !queue.consumers.isEmpty))
        {
            throw .refused(code: 403, text: "ACCESS_REFUSED - queue '\(name)' in vhost '/' in exclusive use")
        }
        return queue
    }

    private static func place(_ consumer: MemoryConsumer, at offset: StreamOffset, in queue: MemoryQueue) {
        switch offset {
        case .first: consumer.streamIndex = queue.droppedCount
        case .last: consumer.streamIndex = max(queue.droppedCount, queue.log.count - 1)
        case .next: consumer.streamIndex = queue.log.count
        case .offset(let offset): (consumer.streamIndex, consumer.streamStart) = (queue.count(before: offset), offset)
        }
    }

    static func noQueue(_ name: String) -> String { "NOT_FOUND - no queue '\(name)' in vhost '/'" }

    mutating func declarePrivateQueue(
        _ name: String, bindings: [PrivateBinding], on channel: MemoryChannelState
    ) throws(TransportError) {
        do throws(TransportError) {
            if let there = queues[name], there.owner !== channel.connection {
                throw TransportError.refused(code: 405, text: Self.locked(name))
            }
            if queues[name] == nil {
                queues[name] = MemoryQueue(
                    QueueDescription(name: name, kind: .classic), owner: channel.connection)
                channel.connection.privateQueues.append(name)
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

    /// Ends a channel: its consumers go, what they held returns in order, private queues that nobody consumes any more
    /// vanish.
    ///
    /// - Parameters:
    ///   - error: What the reader of its deliveries gets; nil when it closed the channel itself.
    ///   - lane: How the client learns of it; nil: behind the deliveries.
    mutating func close(
        _ channel: MemoryChannelState, with error: TransportError?, over lane: NetworkLane? = nil
    ) {
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
        for consumer in channel.consumers {
            let queue = consumer.queue
            if queue.owner != nil && queue.consumers.isEmpty { deleteQueue(queue.name) }
        }
        channel.consumers = []
        channel.unacknowledged = []
        send(channel)
        let (client, deliveries, id) = (channel.connection.client, channel.deliveries, channel.id)
        outputs.append(
            .deliver(client: channel.connection.name, lane: lane ?? .channel(id)) {
                client.ended(id)
                deliveries.finish(throwing: error)
            })
    }

    /// Ends connections of a client, with all that is open on them; it may connect again.
    mutating func lose(_ connection: MemoryConnectionState, _ which: ConnectionRole, _ text: String) {
        for role in which.each {
            connection[role].generation += 1
            connection[role].lossText = text
            let (client, generation) = (connection.client, connection[role].generation)
            if role == .consuming {
                for channel in connection.channels { close(channel, with: .connectionLost(text), over: .loss) }
                deletePrivateQueues(of: connection)
            }
            outputs.append(
                .deliver(client: connection.name, lane: .loss) {
                    client.lost(role, generation: generation, text)
                })
        }
    }

    /// A client leaves in order.
    mutating func close(_ connection: MemoryConnectionState) {
        for channel in connection.channels { close(channel, with: nil) }
        deletePrivateQueues(of: connection)
    }

    private mutating func deletePrivateQueues(of connection: MemoryConnectionState) {
        for name in connection.privateQueues where queues[name]?.owner === connection { deleteQueue(name) }
        connection.privateQueues = []
    }

    /// The process behind a client is gone.
    mutating func kill(_ connection: MemoryConnectionState) {
        if connection.isKilled { return }
        connection.isKilled = true
        lose(connection, .both, "the client was killed")
        let client = connection.client
        outputs.append(
            .deliver(client: connection.name, lane: .loss) {
                _ = client.end(with: .unreachable("the client was killed"))
            })
    }

    mutating func stop() {
        isRunning = false
        for connection in connections { lose(connection, .both, "the broker was stopped") }
        // Quorum queues and streams keep all they were given.
        for queue in queues.values where queue.description.kind == .classic {
            queue.ready.removeAll { !$0.properties.isPersistent }
        }
    }
}
