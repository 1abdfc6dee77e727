internal import DequeModule
internal import DurableBackend
internal import DurableCore

/// A message as a queue holds it.
struct QueuedMessage {
    var exchange: String
    var routingKey: String
    var properties: MessageProperties
    var body: [UInt8]
    /// Place in the queue: what comes back goes where it was. In a stream, its offset.
    var position: UInt64 = 0
    var deliveryCount = 0
    var isRedelivered = false
    var expiresAt: Timestamp?
    /// Queues it died in, so that it cannot go round in circles.
    var deaths: [String] = []
}

/// One queue or stream. Guarded by the broker's lock, like everything it refers to.
final class MemoryQueue {
    let description: QueueDescription
    /// Set for private queues: nobody else may use them, and they end with its connection.
    let owner: MemoryConnectionState?
    var ready: Deque<QueuedMessage> = []
    /// Streams only: all that was ever published, and how many of these readers no longer get.
    private(set) var log: [QueuedMessage] = []
    private(set) var droppedCount = 0
    /// Streams only; nil: all is kept.
    var retention: StreamRetention?
    /// Streams without retention only: messages after which a segment is full; nil: never.
    private let segmentMessages: Int?
    /// Of the messages that readers get, oldest first.
    private var segments: [(messageCount: Int, bytes: Int)] = [(0, 0)]
    /// In order of subscription.
    var consumers: [MemoryConsumer] = []
    var isDeleted = false
    /// Whether the broker has it among those that may have something for a consumer, or a message that expires.
    var isDirty = false
    var isPerishable = false
    var unacknowledgedCount = 0
    private var nextPosition: UInt64 = 0
    private var nextTurn = 0

    init(_ description: QueueDescription, owner: MemoryConnectionState? = nil, segmentMessages: Int? = nil) {
        self.description = description
        self.owner = owner
        self.segmentMessages = segmentMessages
        retention = description.retention
    }

    var name: String { description.name }
    /// Streams only: how many messages stand before an offset.
    func count(before offset: UInt64) -> Int {
        var (low, high) = (0, log.count)
        while low < high {
            let middle = (low + high) / 2
            if log[middle].position < offset { low = middle + 1 } else { high = middle }
        }
        return low
    }
    /// Holds nothing, delivered or not.
    var isEmpty: Bool { ready.isEmpty && unacknowledgedCount == 0 }
    /// When its first message expires; those behind it wait for that.
    var nextExpiry: Timestamp? { ready.isEmpty ? nil : ready[0].expiresAt }

    func append(_ message: QueuedMessage, at now: Timestamp) {
        if description.kind == .stream { beginSegmentIfFull() }
        var message = message
        message.position = nextPosition
        nextPosition += 1
        if description.kind == .stream {
            segments[segments.count - 1].messageCount += 1
            segments[segments.count - 1].bytes += message.body.count
            log.append(message)
            return
        }
        let lifetimes = [description.messageTTLMilliseconds, message.properties.expirationMilliseconds]
        message.expiresAt = lifetimes.compactMap { $0 }.min().map { now + .milliseconds(Int64(clamping: $0)) }
        ready.append(message)
    }

    private func beginSegmentIfFull() {
        guard let last = segments.last else { return }
        let isFull =
            retention.map { last.bytes >= $0.segmentBytes } ?? (last.messageCount >= segmentMessages ?? .max)
        if !isFull { return }
        while let retention, segments.reduce(0, { $0 + $1.bytes }) > retention.bytes {
            droppedCount += segments.removeFirst().messageCount
        }
        segments.append((0, 0))
        // RabbitMQ begins a segment with a chunk of its own, which takes an offset.
        nextPosition += 1
    }

    /// Puts messages that come in order of their places back there.
    func putBack(_ messages: [QueuedMessage]) {
        guard let last = messages.last else { return }
        guard let first = ready.first, first.position < last.position else {
            ready.prepend(contentsOf: messages)
            return
        }
        ready = Deque((Array(ready) + messages).sorted { $0.position < $1.position })
    }

    func putAtTail(_ message: QueuedMessage) {
        var message = message
        message.position = nextPosition
        nextPosition += 1
        ready.append(message)
    }

    /// Whose turn it is: consumers with room take turns, except that a single active consumer gets everything.
    func takeTurn() -> MemoryConsumer? {
        if description.isSingleActiveConsumer {
            return consumers.first.flatMap { $0.hasRoom ? $0 : nil }
        }
        for step in 0..<consumers.count {
            let index = (nextTurn + step) % consumers.count
            if consumers[index].hasRoom {
                nextTurn = index + 1
                return consumers[index]
            }
        }
        return nil
    }
}

final class MemoryConsumer {
    let channel: MemoryChannelState
    let queue: MemoryQueue
    let tag: String
    let prefetch: Int
    let isExclusive: Bool
    var unacknowledgedCount = 0
    /// Gets nothing more, and stays on its channel's list for what it still holds.
    var isCancelled = false
    /// Streams only: how many messages stand before the next one, and the lowest offset that was asked for.
    var streamIndex = 0
    var streamStart: UInt64 = 0

    init(channel: MemoryChannelState, queue: MemoryQueue, tag: String, prefetch: Int, isExclusive: Bool) {
        self.channel = channel
        self.queue = queue
        self.tag = tag
        self.prefetch = prefetch
        self.isExclusive = isExclusive
    }

    var hasRoom: Bool { unacknowledgedCount < prefetch }
}

/// One channel: its consumers and what they hold.
final class MemoryChannelState {
    struct Unacknowledged {
        var message: QueuedMessage
        var consumer: MemoryConsumer
    }

    let id: UInt64
    let connection: MemoryConnectionState
    let deliveries: DeliverySequence
    var consumers: [MemoryConsumer] = []
    /// By tag, from `firstTag` on; nil where one was settled out of order.
    var unacknowledged: Deque<Unacknowledged?> = []
    var firstTag: UInt64 = 1
    /// Assigned and not yet pushed.
    var outgoing: [Delivery] = []

    init(id: UInt64, connection: MemoryConnectionState, deliveries: DeliverySequence) {
        self.id = id
        self.connection = connection
        self.deliveries = deliveries
    }

    func assign(_ message: QueuedMessage, to consumer: MemoryConsumer) {
        let tag = firstTag + UInt64(unacknowledged.count)
        unacknowledged.append(Unacknowledged(message: message, consumer: consumer))
        consumer.unacknowledgedCount += 1
        consumer.queue.unacknowledgedCount += 1
        outgoing.append(message.delivery(tag: tag, consumerTag: consumer.tag, kind: consumer.queue.description.kind))
    }

    /// Takes what `tag` (with `multiple`: everything up to it) stands for; nil when there is no such delivery.
    func settle(_ tag: UInt64, multiple: Bool) -> [Unacknowledged]? {
        guard tag >= firstTag, tag - firstTag < UInt64(unacknowledged.count) else { return nil }
        let last = Int(tag - firstTag)
        guard unacknowledged[last] != nil else { return nil }
        var settled: [Unacknowledged] = []
        for index in (multiple ? 0 : last)...last {
            guard let one = unacknowledged[index] else { continue }
            settled.append(one)
            unacknowledged[index] = nil
            one.consumer.unacknowledgedCount -= 1
            one.consumer.queue.unacknowledgedCount -= 1
        }
        while let first = unacknowledged.first, first == nil {
            unacknowledged.removeFirst()
            firstTag += 1
        }
        return settled
    }
}

/// One client's connections, as the broker knows them.
final class MemoryConnectionState {
    struct Link {
        /// Raised by each loss: what began before it does not get an answer.
        var generation = 0
        /// What the last loss came from.
        var lossText = ""
    }

    let name: String
    let client: MemoryClient
    var isKilled = false
    /// In order of opening.
    var channels: [MemoryChannelState] = []
    /// Names in order of declaration.
    var privateQueues: [String] = []
    private var publishing = Link()
    private var consuming = Link()

    init(name: String, client: MemoryClient) {
        self.name = name
        self.client = client
    }

    /// One of the two; `both` is none.
    subscript(role: ConnectionRole) -> Link {
        get { role == .publishing ? publishing : consuming }
        set { if role == .publishing { publishing = newValue } else { consuming = newValue } }
    }
}

extension QueuedMessage {
    func delivery(tag: UInt64, consumerTag: String, kind: QueueDescription.Kind) -> Delivery {
        // Only quorum queues count, but what was never delivered was delivered 0 times.
        let isCounted = kind == .quorum || (kind == .classic && !isRedelivered)
        return Delivery(
            tag: DeliveryTag(tag), consumerTag: consumerTag, exchange: exchange, routingKey: routingKey,
            isRedelivered: isRedelivered, deliveryCount: isCounted ? deliveryCount : nil,
            streamOffset: kind == .stream ? position : nil, properties: properties, body: body)
    }
}
