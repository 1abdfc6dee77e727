package import DurableCore

/// The message broker as the engine sees it: durable queues and streams, publisher confirms, consumers with
/// prefetch. Adapters pass every `TransportRule`.
///
/// Publishing and consuming use separate connections, so that a blocked publisher never stops acknowledgements.
/// A transport reconnects by itself; what was open on a lost connection (channels, unconfirmed publishes) ends
/// with an error and is opened again by its user.
package protocol MessageTransport: Sendable {
    /// Publishes in order and waits until the broker has answered for each message.
    ///
    /// Calls may overlap; each keeps the order of its own messages. Waits while unconfirmed bytes exceed the
    /// transport's bound or the broker blocks publishers.
    ///
    /// - Returns: One outcome a message, same order.
    /// - Throws: `.connectionLost`: the outcome of all or some is unknown, publish again (receivers drop
    ///   duplicates). `.notFound`: there is no such exchange, messages before it may have arrived. `.refused`: the
    ///   broker closed the channel over it, with its text. `.closed`: after `close()`.
    func publish(_ messages: [OutgoingMessage]) async throws(TransportError) -> [PublishOutcome]

    /// Opens a channel to consume on. Everything consumed on it ends together.
    func openChannel() async throws(TransportError) -> any ConsumerChannel

    /// Depth and consumers of a queue, from the broker alone (passive declare).
    ///
    /// - Returns: nil when there is no such queue. Streams: `readyMessages` may lag by seconds.
    func inspect(queue: String) async throws(TransportError) -> QueueInspection?

    /// Declares what is missing; what is there already with other properties is refused with the broker's text.
    func declare(_ topology: TopologyFragment) async throws(TransportError)

    /// True when an exchange of that name exists.
    func exchangeExists(_ name: String) async throws(TransportError) -> Bool

    /// Deletes queues and exchanges by name; those that are missing count as deleted.
    func delete(queues: [String], exchanges: [String]) async throws(TransportError)

    /// Takes one message off a queue without waiting, for tools that look at dead letters. Not for streams.
    ///
    /// - Parameter peek: true returns the message to its place afterwards.
    func get(queue: String, count: Int, peek: Bool) async throws(TransportError) -> [Delivery]

    /// What the broker says it is, e.g. "RabbitMQ 3.10.8"; nil before the first connection.
    var brokerDescription: String? { get async }

    /// Ends all connections in order. Idempotent.
    func close() async
}

/// One channel of consumers. Deliveries of all its consumers come through one sequence, in broker order for each.
package protocol ConsumerChannel: AnyObject, Sendable {
    /// Batches of what has arrived, each 1 to `maximumBatch` deliveries, never waiting to fill one. One reader.
    ///
    /// Ends by throwing `.connectionLost` or `.refused` when the channel dies, normally after `close()`.
    var deliveries: DeliverySequence { get }

    /// Starts a consumer. With several on a single-active-consumer queue only one gets deliveries, the others wait.
    ///
    /// - Parameters:
    ///   - consumerTag: Unique on this channel; comes back in each delivery.
    ///   - prefetch: Most deliveries unacknowledged at a time, 1 to 65,535.
    ///   - from: Where to start, for streams only.
    ///   - exclusive: refuse other consumers (not for quorum queues, which ignore it).
    /// - Throws: `.notFound` when there is no such queue, `.refused` with the broker's text.
    func consume(
        queue: String, consumerTag: String, prefetch: Int, from: StreamOffset?, exclusive: Bool
    ) async throws(TransportError)

    /// Ends one consumer: when this returns, nothing more is delivered to it. What it was given stays in hand, to be
    /// acknowledged or given back; batches that have arrived already still come through `deliveries`. A consumer that
    /// is not there counts as ended.
    ///
    /// Not for a control queue with messages in hand: the next owner would get later ones before those (quorum queues
    /// activate the next consumer at once). That one ends by closing its channel.
    func cancel(consumerTag: String) async throws(TransportError)

    /// Declares a private queue that ends with this channel's connection, bound as given, and returns its name.
    func declarePrivateQueue(name: String, bindings: [PrivateBinding]) async throws(TransportError)

    /// Acknowledges `tag`, and with `multiple` everything delivered before it on this channel. Never waits;
    /// acknowledging on a channel that is gone does nothing (its deliveries come again elsewhere).
    func acknowledge(_ tag: DeliveryTag, multiple: Bool)

    /// Gives one delivery back. `requeue` false sends it to the queue's dead-letter exchange, where it has one.
    func reject(_ tag: DeliveryTag, requeue: Bool)

    /// Ends the channel; unacknowledged deliveries return to their queues in order. Idempotent.
    func close() async
}

package struct PrivateBinding: Hashable, Sendable {
    package var exchange: String
    package var routingKey: String
    package init(exchange: String, routingKey: String) {
        self.exchange = exchange
        self.routingKey = routingKey
    }
}

/// Number the broker gave a delivery on its channel, from 1.
package struct DeliveryTag: Hashable, Comparable, Sendable {
    package var value: UInt64
    package init(_ value: UInt64) { self.value = value }
    package static func < (left: Self, right: Self) -> Bool { left.value < right.value }
}

package enum StreamOffset: Hashable, Sendable {
    case first
    /// The last chunk there is, then what follows. May deliver a few older messages first.
    case last
    /// What is published from now on.
    case next
    /// Exactly from this offset. Below the first retained one a broker starts there silently: compare.
    case offset(UInt64)
}

/// AMQP properties we use; header values are scalars because streams drop or refuse others.
package struct MessageProperties: Hashable, Sendable {
    package var messageID: String?
    package var type: String?
    package var correlationID: String?
    package var replyTo: String?
    package var timestamp: Timestamp?
    package var appID: String?
    package var contentType: String?
    /// Milliseconds to live in the queue; nil: for ever.
    package var expirationMilliseconds: UInt64?
    package var isPersistent: Bool
    /// In order of name.
    package var headers: [MessageHeader]

    package init(
        messageID: String? = nil, type: String? = nil, correlationID: String? = nil, replyTo: String? = nil,
        timestamp: Timestamp? = nil, appID: String? = "dtq", contentType: String? = nil,
        expirationMilliseconds: UInt64? = nil, isPersistent: Bool = true, headers: [MessageHeader] = []
    ) {
        self.messageID = messageID
        self.type = type
        self.correlationID = correlationID
        self.replyTo = replyTo
        self.timestamp = timestamp
        self.appID = appID
        self.contentType = contentType
        self.expirationMilliseconds = expirationMilliseconds
        self.isPersistent = isPersistent
        self.headers = headers
    }

    package func header(_ name: String) -> MessageHeader.Value? { headers.first { $0.name == name }?.value }
}

package struct MessageHeader: Hashable, Sendable {
    package enum Value: Hashable, Sendable {
        case string(String)
        case integer(Int64)
        case boolean(Bool)
    }

    package var name: String
    package var value: Value
    package init(_ name: String, _ value: Value) {
        self.name = name
        self.value = value
    }
}

package struct OutgoingMessage: Hashable, Sendable {
    package var exchange: String
    package var routingKey: String
    package var properties: MessageProperties
    package var body: [UInt8]
    /// Ask the broker to return the message when no queue takes it. Off only for notices nobody may be waiting for.
    package var isMandatory: Bool

    package init(
        exchange: String, routingKey: String, properties: MessageProperties, body: [UInt8], isMandatory: Bool = true
    ) {
        self.exchange = exchange
        self.routingKey = routingKey
        self.properties = properties
        self.body = body
        self.isMandatory = isMandatory
    }
}

package enum PublishOutcome: Hashable, Sendable {
    /// The broker holds the message.
    case confirmed
    /// No queue is bound for it; the broker dropped it. The text is the broker's.
    case returned(String)
    /// The broker refused it (a full queue); it may be tried again later.
    case rejected
    /// AMQP cannot carry it, for the reason in the text: it was not sent, and never will be as it is.
    case unsendable(String)
}

package struct Delivery: Hashable, Sendable {
    package var tag: DeliveryTag
    package var consumerTag: String
    /// Exchange it was published to: what tells a client's message from a worker's.
    package var exchange: String
    package var routingKey: String
    package var isRedelivered: Bool
    /// How often the broker delivered it before (quorum queues); nil where the queue does not count.
    package var deliveryCount: Int?
    /// Position in the stream; nil for queues.
    package var streamOffset: UInt64?
    package var properties: MessageProperties
    package var body: [UInt8]

    package init(
        tag: DeliveryTag, consumerTag: String, exchange: String, routingKey: String, isRedelivered: Bool = false,
        deliveryCount: Int? = nil, streamOffset: UInt64? = nil, properties: MessageProperties, body: [UInt8]
    ) {
        self.tag = tag
        self.consumerTag = consumerTag
        self.exchange = exchange
        self.routingKey = routingKey
        self.isRedelivered = isRedelivered
        self.deliveryCount = deliveryCount
        self.streamOffset = streamOffset
        self.properties = properties
        self.body = body
    }
}

package struct QueueInspection: Hashable, Sendable {
    /// Messages ready for delivery; those delivered and unacknowledged do not count.
    package var readyMessages: Int
    package var consumers: Int
    package init(readyMessages: Int, consumers: Int) {
        self.readyMessages = readyMessages
        self.consumers = consumers
    }
}

/// What may go wrong between us and the broker. Texts are the broker's own where it gave one.
package enum TransportError: Error, Hashable, Sendable {
    /// No connection could be made: nobody listens, name not found, TLS refused. DTQ4001
    case unreachable(String)
    /// The broker refused the login or the virtual host. Trying again will not help. DTQ4002
    case accessRefused(String)
    /// The connection or channel ended while this was under way; its outcome is unknown.
    case connectionLost(String)
    /// A queue or exchange that should be there is not.
    case notFound(String)
    /// The broker closed the channel over a request (precondition failed, resource locked ...).
    case refused(code: Int, text: String)
    /// `close()` was called.
    case closed
    /// The waiting task was cancelled; a publish may have reached the broker.
    case cancelled
}
