internal import DequeModule
internal import DurableBackend
internal import DurableCore
internal import OrderedCollections

// Exchanges, queues and bindings: made once, refused when they differ.
extension BrokerState {
    mutating func declare(_ topology: TopologyFragment) throws(TransportError) {
        for exchange in topology.exchanges { try declare(exchange) }
        for queue in topology.queues { try declare(queue) }
        for binding in topology.bindings { try bind(binding) }
    }

    private mutating func declare(_ exchange: ExchangeDescription) throws(TransportError) {
        guard let there = exchanges[exchange.name] else {
            exchanges[exchange.name] = Exchange(kind: exchange.kind)
            return
        }
        if there.kind != exchange.kind {
            throw Self.inequivalent(
                "type", of: "exchange '\(exchange.name)'", asked: exchange.kind.rawValue, there: there.kind.rawValue)
        }
    }

    private mutating func declare(_ queue: QueueDescription) throws(TransportError) {
        guard let there = queues[queue.name] else {
            try checkArguments(queue)
            queues[queue.name] = MemoryQueue(queue, segmentMessages: segmentMessages)
            return
        }
        let name = "queue '\(queue.name)'"
        func compare(_ argument: String, _ property: KeyPath<QueueDescription, String>) throws(TransportError) {
            let (asked, found) = (queue[keyPath: property], there.description[keyPath: property])
            if asked != found { throw Self.inequivalent(argument, of: name, asked: asked, there: found) }
        }
        try compare("x-queue-type", \.kindText)
        try compare("x-single-active-consumer", \.singleActiveConsumerText)
        try compare("x-message-ttl", \.messageTTLText)
        try compare("x-dead-letter-exchange", \.deadLetterExchangeText)
        try compare("x-dead-letter-routing-key", \.deadLetterRoutingKeyText)
        try compare("x-delivery-limit", \.deliveryLimitText)
        try compare("x-max-length-bytes", \.retentionText)
    }

    private static func inequivalent(_ argument: String, of name: String, asked: String, there: String)
        -> TransportError
    {
        .refused(
            code: 406,
            text: "PRECONDITION_FAILED - inequivalent arg '\(argument)' for \(name) in vhost '/': "
                + "received \(asked) but current is \(there)")
    }

    /// What the broker does not let a queue of that kind have.
    private func checkArguments(_ queue: QueueDescription) throws(TransportError) {
        var refused: [String] = []
        if queue.kind == .stream {
            if queue.isSingleActiveConsumer { refused.append("x-single-active-consumer") }
            if queue.messageTTLMilliseconds != nil { refused.append("x-message-ttl") }
            if queue.deadLetterExchange != nil { refused.append("x-dead-letter-exchange") }
        }
        if queue.kind != .quorum && queue.deliveryLimit != nil { refused.append("x-delivery-limit") }
        if queue.kind != .stream && queue.retention != nil { refused.append("x-stream-max-segment-size-bytes") }
        guard let argument = refused.first else { return }
        throw .refused(
            code: 406,
            text: "PRECONDITION_FAILED - invalid arg '\(argument)' for queue '\(queue.name)' in vhost '/' "
                + "of queue type \(queue.kind.rawValue)")
    }

    mutating func bind(_ binding: BindingDescription) throws(TransportError) {
        guard let exchange = exchanges[binding.exchange] else {
            throw .notFound("NOT_FOUND - no exchange '\(binding.exchange)' in vhost '/'")
        }
        if queues[binding.queue] == nil { throw .notFound(Self.noQueue(binding.queue)) }
        if exchange.bindings.contains(where: { $0.queue == binding.queue && $0.key == binding.routingKey }) { return }
        exchanges[binding.exchange]?.bindings.append((binding.queue, binding.routingKey))
    }

    /// Its messages are dropped, and channels that consume it end.
    mutating func deleteQueue(_ name: String) {
        guard let queue = queues.removeValue(forKey: name) else { return }
        queue.isDeleted = true
        for exchange in exchanges.keys { exchanges[exchange]?.bindings.removeAll { $0.queue == name } }
        for consumer in queue.consumers {
            close(consumer.channel, with: .notFound("queue '\(name)' was deleted"))
        }
    }

    /// Deletes in order; a private queue of someone else ends it.
    mutating func delete(
        queues: [String], exchanges: [String], for connection: MemoryConnectionState
    ) throws(TransportError) {
        for name in queues where self.queues[name] != nil {
            _ = try queue(name, for: connection)
            deleteQueue(name)
        }
        for exchange in exchanges { self.exchanges[exchange] = nil }
    }

    /// A queue that client may use.
    func queue(_ name: String, for connection: MemoryConnectionState) throws(TransportError) -> MemoryQueue {
        guard let queue = queues[name] else { throw .notFound(Self.noQueue(name)) }
        if let owner = queue.owner, owner !== connection { throw .refused(code: 405, text: Self.locked(name)) }
        return queue
    }

    static func locked(_ name: String) -> String {
        "RESOURCE_LOCKED - cannot obtain exclusive access to locked queue '\(name)' in vhost '/'"
    }

    /// Takes messages off a queue; with `peek` they come back as if their channel had closed.
    mutating func get(
        _ name: String, count: Int, peek: Bool, for connection: MemoryConnectionState
    ) throws(TransportError) -> [Delivery] {
        let queue = try queue(name, for: connection)
        if queue.description.kind == .stream {
            let text = "NOT_IMPLEMENTED - basic.get not supported by stream queues"
            lose(connection, .consuming, text)
            throw .connectionLost(text)
        }
        let taken = Array(queue.ready.prefix(count))
        queue.ready.removeFirst(taken.count)
        if peek { giveBack(taken, to: queue, keepingPlace: true) }
        return taken.enumerated().map { index, message in
            message.delivery(tag: UInt64(index + 1), consumerTag: "", kind: queue.description.kind)
        }
    }

    func inspect(
        _ name: String, for connection: MemoryConnectionState
    ) throws(TransportError) -> QueueInspection? {
        if queues[name] == nil { return nil }
        let queue = try queue(name, for: connection)
        let isShared = queue.description.kind != .quorum || !queue.description.isSingleActiveConsumer
        return QueueInspection(
            readyMessages: queue.description.kind == .stream ? queue.log.count - queue.droppedCount : queue.ready.count,
            consumers: isShared ? queue.consumers.count : min(queue.consumers.count, 1))
    }
}

// Arguments as the broker's texts show them.
extension QueueDescription {
    fileprivate var kindText: String { "'\(kind.rawValue)'" }
    fileprivate var singleActiveConsumerText: String { isSingleActiveConsumer ? "'true'" : "none" }
    fileprivate var messageTTLText: String { messageTTLMilliseconds.map { "'\($0)'" } ?? "none" }
    fileprivate var deadLetterExchangeText: String { deadLetterExchange.map { "'\($0)'" } ?? "none" }
    fileprivate var deadLetterRoutingKeyText: String { deadLetterRoutingKey.map { "'\($0)'" } ?? "none" }
    fileprivate var deliveryLimitText: String { deliveryLimit.map { "'\($0)'" } ?? "none" }
    fileprivate var retentionText: String { retention.map { "'\($0.bytes)'" } ?? "none" }
}
