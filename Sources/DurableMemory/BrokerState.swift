internal import DequeModule
internal import DurableBackend
internal import DurableCore
internal import OrderedCollections

/// Everything a broker holds. Guarded by `MemoryBroker`'s lock; each operation ends with `settle()`.
struct BrokerState {
    struct Exchange {
        var kind: ExchangeDescription.Kind
        var bindings: [(queue: String, key: String)] = []
    }

    var now: Timestamp
    var isRunning = true
    var isBlockingPublishers = false
    var exchanges: OrderedDictionary<String, Exchange> = [:]
    var queues: OrderedDictionary<String, MemoryQueue> = [:]
    var channels: [UInt64: MemoryChannelState] = [:]
    /// In order of connecting.
    var connections: [MemoryConnectionState] = []
    var lastChannelID: UInt64 = 0
    /// Messages after which a stream begins another segment; nil: never.
    let segmentMessages: Int?
    var callCount = 0
    /// Publishes that wait until the broker takes messages again, in order of arrival.
    var blocked: [BrokerRequest] = []
    /// Requests that a fault plan holds up.
    var delayed: OrderedDictionary<BrokerRequest.ID, BrokerRequest> = [:]
    /// What is to be done once the lock is free.
    var outputs: [BrokerOutput] = []
    /// Queues that may have something for a consumer, each once.
    private var dirty: [MemoryQueue] = []
    /// Queues that hold a message which may expire, each once.
    private var perishable: [MemoryQueue] = []

    init(now: Timestamp, segmentMessages: Int?) {
        self.now = now
        self.segmentMessages = segmentMessages
    }

    // MARK: Publishing

    /// Carries out one publish call. A missing exchange ends it, after what came before it, and with it the channel
    /// all publishes of that client share: those on their way are lost, and so are confirms.
    mutating func publish(
        _ messages: [OutgoingMessage], on connection: MemoryConnectionState
    ) throws(TransportError) -> [PublishOutcome] {
        var outcomes: [PublishOutcome] = []
        outcomes.reserveCapacity(messages.count)
        for message in messages {
            guard exchanges[message.exchange] != nil else {
                let text = "NOT_FOUND - no exchange '\(message.exchange)' in vhost '/'"
                connection[.publishing].generation += 1
                connection[.publishing].lossText = "the broker closed the channel over another message: \(text)"
                throw .notFound(text)
            }
            let targets = route(exchange: message.exchange, key: message.routingKey)
            if targets.isEmpty && message.isMandatory {
                outcomes.append(.returned("NO_ROUTE"))
                continue
            }
            let queued = QueuedMessage(
                exchange: message.exchange, routingKey: message.routingKey, properties: message.properties,
                body: message.body)
            for queue in targets { append(queued, to: queue) }
            outcomes.append(.confirmed)
        }
        return outcomes
    }

    private mutating func append(_ message: QueuedMessage, to queue: MemoryQueue) {
        queue.append(message, at: now)
        markDirty(queue)
        let lifetime = message.properties.expirationMilliseconds ?? queue.description.messageTTLMilliseconds
        if lifetime != nil && queue.description.kind != .stream && !queue.isPerishable {
            queue.isPerishable = true
            perishable.append(queue)
        }
    }

    /// Queues bound for `key`, each once, in order of binding.
    private func route(exchange name: String, key: String) -> [MemoryQueue] {
        guard let exchange = exchanges[name] else { return [] }
        var targets: OrderedSet<String> = []
        for binding in exchange.bindings {
            let matches =
                switch exchange.kind {
                case .fanout: true
                case .direct: binding.key == key
                case .topic: TopicPattern.matches(binding.key, key)
                }
            if matches { targets.append(binding.queue) }
        }
        return targets.compactMap { queues[$0] }
    }

    // MARK: Consuming

    mutating func markDirty(_ queue: MemoryQueue) {
        if queue.isDirty { return }
        queue.isDirty = true
        dirty.append(queue)
    }

    mutating func acknowledge(_ tag: UInt64, multiple: Bool, on channel: MemoryChannelState) {
        guard let settled = channel.settle(tag, multiple: multiple) else {
            return failUnknownTag(tag, on: channel)
        }
        for one in settled { markDirty(one.consumer.queue) }
    }

    mutating func reject(_ tag: UInt64, requeue: Bool, on channel: MemoryChannelState) {
        guard let one = channel.settle(tag, multiple: false)?.first else { return failUnknownTag(tag, on: channel) }
        let queue = one.consumer.queue
        markDirty(queue)
        if queue.description.kind == .stream {
            return lose(channel.connection, .consuming, "NOT_IMPLEMENTED - basic.reject not supported by stream queues")
        }
        if requeue {
            giveBack([one.message], to: queue)
        } else {
            deadLetter(one.message, from: queue, reason: "rejected")
        }
    }

    private mutating func failUnknownTag(_ tag: UInt64, on channel: MemoryChannelState) {
        close(channel, with: .refused(code: 406, text: "PRECONDITION_FAILED - unknown delivery tag \(tag)"))
    }

    /// Returns deliveries, in order of their places, that were not settled.
    mutating func giveBack(_ messages: [QueuedMessage], to queue: MemoryQueue, keepingPlace: Bool = false) {
        if queue.isDeleted || queue.description.kind == .stream { return }
        var returned: [QueuedMessage] = []
        for var message in messages {
            message.isRedelivered = true
            message.deliveryCount += 1
            guard queue.description.kind == .quorum else {
                returned.append(message)
                continue
            }
            if let limit = queue.description.deliveryLimit, message.deliveryCount > limit {
                deadLetter(message, from: queue, reason: "delivery_limit")
            } else if keepingPlace || queue.description.deliveryLimit != nil {
                returned.append(message)
            } else {
                // Quorum queues without a limit put what is given back at their tail.
                queue.putAtTail(message)
            }
        }
        queue.putBack(returned)
        markDirty(queue)
    }

    private mutating func deadLetter(_ message: QueuedMessage, from queue: MemoryQueue, reason: String) {
        guard let exchange = queue.description.deadLetterExchange else { return }
        if reason != "rejected" && message.deaths.contains(queue.name) { return }
        var dead = message
        dead.exchange = exchange
        dead.routingKey = queue.description.deadLetterRoutingKey ?? message.routingKey
        dead.deaths.append(queue.name)
        dead.deliveryCount = 0
        dead.isRedelivered = false
        dead.properties.expirationMilliseconds = nil
        if message.deaths.isEmpty {
            dead.properties.headers += [
                MessageHeader("x-first-death-exchange", .string(message.exchange)),
                MessageHeader("x-first-death-queue", .string(queue.name)),
                MessageHeader("x-first-death-reason", .string(reason)),
            ]
            dead.properties.headers.sort { $0.name < $1.name }
        }
        for target in route(exchange: exchange, key: dead.routingKey) { append(dead, to: target) }
    }

    // MARK: Settling

    /// Hands out what can be handed out, then sends it.
    mutating func settle() {
        if perishable.contains(where: { $0.isDeleted || $0.isEmpty || $0.nextExpiry.map { $0 <= now } ?? false }) {
            expire()
        }
        if dirty.isEmpty { return }
        // In order of their first delivery; sending again what has been sent does nothing.
        var touched: [MemoryChannelState] = []
        var index = 0
        while index < dirty.count {
            let queue = dirty[index]
            index += 1
            queue.isDirty = false
            if !queue.isDeleted { handOut(queue, &touched) }
        }
        dirty.removeAll(keepingCapacity: true)
        for channel in touched { send(channel) }
    }

    private mutating func expire() {
        let queues = perishable
        perishable = []
        var kept: [MemoryQueue] = []
        for queue in queues {
            if queue.isDeleted || queue.isEmpty {
                queue.isPerishable = false
            } else {
                kept.append(queue)
                expire(queue)
            }
        }
        // Behind them, where a message went that died.
        perishable = kept + perishable
    }

    /// Sends what a channel was assigned and not yet sent.
    mutating func send(_ channel: MemoryChannelState) {
        if channel.outgoing.isEmpty { return }
        let (deliveries, batch) = (channel.deliveries, channel.outgoing)
        channel.outgoing = []
        outputs.append(
            .deliver(client: channel.connection.name, lane: .channel(channel.id)) { deliveries.push(batch) })
    }

    private mutating func expire(_ queue: MemoryQueue) {
        while let due = queue.nextExpiry, due <= now, let message = queue.ready.popFirst() {
            deadLetter(message, from: queue, reason: "expired")
        }
    }

    /// - Parameter channels: Gets those that something was assigned to.
    private mutating func handOut(_ queue: MemoryQueue, _ channels: inout [MemoryChannelState]) {
        if queue.description.kind == .stream {
            for consumer in queue.consumers {
                consumer.streamIndex = max(consumer.streamIndex, queue.droppedCount)
                while consumer.hasRoom && consumer.streamIndex < queue.log.count {
                    let message = queue.log[consumer.streamIndex]
                    consumer.streamIndex += 1
                    if message.position < consumer.streamStart { continue }
                    consumer.channel.assign(message, to: consumer)
                    channels.append(consumer.channel)
                }
            }
            return
        }
        while !queue.ready.isEmpty, let consumer = queue.takeTurn(), let message = queue.ready.popFirst() {
            consumer.channel.assign(message, to: consumer)
            channels.append(consumer.channel)
            expire(queue)
        }
    }

    /// When the next message expires; only the one at the head of a queue can.
    var nextExpiry: Timestamp? {
        var next: Timestamp?
        for queue in perishable where !queue.isDeleted {
            if let due = queue.nextExpiry { next = min(next ?? due, due) }
        }
        return next
    }
}

/// Topic exchanges: words parted by dots, `*` for one word, `#` for any number of them.
enum TopicPattern {
    static func matches(_ pattern: String, _ key: String) -> Bool {
        matches(
            pattern.split(separator: ".", omittingEmptySubsequences: false)[...],
            key.split(separator: ".", omittingEmptySubsequences: false)[...])
    }

    private static func matches(_ pattern: ArraySlice<Substring>, _ words: ArraySlice<Substring>) -> Bool {
        guard let first = pattern.first else { return words.isEmpty }
        if first == "#" {
            return matches(pattern.dropFirst(), words) || (!words.isEmpty && matches(pattern, words.dropFirst()))
        }
        guard let word = words.first, first == "*" || first == word else { return false }
        return matches(pattern.dropFirst(), words.dropFirst())
    }
}
