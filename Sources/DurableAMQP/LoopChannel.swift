internal import DurableBackend

/// A channel as its connection's thread knows it. Never leaves that thread.
final class LoopChannel {
    enum Phase {
        /// In use, or about to be: what is sent meets the channel open. Becomes `closing`, or is removed.
        case open
        /// We asked to close; only the answer counts. Removed with it.
        case closing
    }

    /// A method sent and not answered. Answers come in the order of the methods.
    struct Call {
        var method: ClientMethod
        var finish: (Result<ServerReply, TransportError>) -> Void
    }

    /// What belongs to a method that has content: properties and body come in the frames after it.
    struct Content {
        enum Kind { case delivery(DeliveryHead), returned(String) }
        var kind: Kind
        var exchange: String
        var routingKey: String
        var properties: ReceivedProperties?
        var bodySize = 0
        var body: [UInt8] = []
    }

    let id: ChannelID
    let number: UInt16
    let deliveries: DeliverySequence?
    var phase = Phase.open
    var content: Content?
    /// Arrived in this round, handed on at its end.
    var arrived: [Delivery] = []
    private var calls: [Call] = []

    init(id: ChannelID, number: UInt16, deliveries: DeliverySequence?) {
        self.id = id
        self.number = number
        self.deliveries = deliveries
    }

    func expect(_ method: ClientMethod, _ finish: @escaping (Result<ServerReply, TransportError>) -> Void) {
        calls.append(Call(method: method, finish: finish))
    }

    /// Passes a reply to the call it answers; false when it answers none.
    func take(_ number: UInt32, _ reply: ServerReply) -> Bool {
        guard let call = calls.first, call.method.isAnswered(by: number) else { return false }
        calls.removeFirst()
        call.finish(.success(reply))
        return true
    }

    /// Ends the channel: calls fail, and deliveries end after those that have arrived.
    func end(_ error: TransportError?) {
        let open = calls
        calls = []
        for call in open { call.finish(.failure(error ?? .closed)) }
        if !arrived.isEmpty { deliveries?.push(arrived) }
        arrived = []
        deliveries?.finish(throwing: error)
    }
}

extension LoopChannel.Content {
    var isComplete: Bool { properties != nil && body.count >= bodySize }

    /// - Precondition: `isComplete`.
    var delivery: Delivery {
        let received = properties ?? ReceivedProperties(properties: MessageProperties())
        var head = DeliveryHead(
            tag: 0, consumerTag: "", exchange: exchange, routingKey: routingKey, isRedelivered: false, isGet: false)
        if case .delivery(let given) = kind { head = given }
        // Quorum queues count from the second delivery on; a first one was delivered 0 times before by any queue.
        let isFirst = !head.isRedelivered && received.streamOffset == nil
        return Delivery(
            tag: DeliveryTag(head.tag), consumerTag: head.consumerTag, exchange: exchange, routingKey: routingKey,
            isRedelivered: head.isRedelivered, deliveryCount: received.deliveryCount ?? (isFirst ? 0 : nil),
            streamOffset: received.streamOffset, properties: received.properties, body: body)
    }
}
