/// Exchanges, queues and bindings as values. The hub's whole topology is one of these (`HubTopology`), and so is
/// what a worker adds for its activities.
package struct TopologyFragment: Hashable, Sendable {
    package var exchanges: [ExchangeDescription]
    package var queues: [QueueDescription]
    package var bindings: [BindingDescription]

    package init(
        exchanges: [ExchangeDescription] = [], queues: [QueueDescription] = [], bindings: [BindingDescription] = []
    ) {
        self.exchanges = exchanges
        self.queues = queues
        self.bindings = bindings
    }

    package static func += (left: inout Self, right: Self) {
        left.exchanges += right.exchanges
        left.queues += right.queues
        left.bindings += right.bindings
    }
}

package struct ExchangeDescription: Hashable, Sendable {
    package enum Kind: String, Hashable, Sendable { case direct, fanout, topic }
    package var name: String
    package var kind: Kind
    package init(name: String, kind: Kind) {
        self.name = name
        self.kind = kind
    }
}

/// A durable queue or stream; nothing else is ever shared.
package struct QueueDescription: Hashable, Sendable {
    package enum Kind: String, Hashable, Sendable, CaseIterable { case quorum, classic, stream }
    package var name: String
    package var kind: Kind
    package var isSingleActiveConsumer: Bool
    /// Milliseconds a message may wait; nil: for ever.
    package var messageTTLMilliseconds: UInt64?
    /// Where rejected and expired messages go; nil: dropped.
    package var deadLetterExchange: String?
    package var deadLetterRoutingKey: String?
    /// Deliveries before the broker dead-letters by itself (quorum only); our own counting decides long before.
    package var deliveryLimit: Int?
    /// Streams only; nil: all is kept.
    package var retention: StreamRetention?
    /// Milliseconds without any consumer after which the broker deletes it; nil: never.
    package var expiryMilliseconds: UInt64?

    package init(
        name: String, kind: Kind, isSingleActiveConsumer: Bool = false, messageTTLMilliseconds: UInt64? = nil,
        deadLetterExchange: String? = nil, deadLetterRoutingKey: String? = nil, deliveryLimit: Int? = nil,
        retention: StreamRetention? = nil, expiryMilliseconds: UInt64? = nil
    ) {
        self.name = name
        self.kind = kind
        self.isSingleActiveConsumer = isSingleActiveConsumer
        self.messageTTLMilliseconds = messageTTLMilliseconds
        self.deadLetterExchange = deadLetterExchange
        self.deadLetterRoutingKey = deadLetterRoutingKey
        self.deliveryLimit = deliveryLimit
        self.retention = retention
        self.expiryMilliseconds = expiryMilliseconds
    }
}

/// How much a stream keeps: the broker drops its oldest segments, whole, while it holds more than `bytes`.
package struct StreamRetention: Hashable, Sendable {
    package var bytes: Int
    package var segmentBytes: Int

    package init(bytes: Int, segmentBytes: Int) {
        self.bytes = bytes
        self.segmentBytes = segmentBytes
    }
}

package struct BindingDescription: Hashable, Sendable {
    package var exchange: String
    package var queue: String
    package var routingKey: String
    package init(exchange: String, queue: String, routingKey: String) {
        self.exchange = exchange
        self.queue = queue
        self.routingKey = routingKey
    }
}
