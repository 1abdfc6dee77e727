package import DurableBackend
internal import DurableCore
internal import OrderedCollections

/// One client of a `MemoryBroker`. Publishes travel on one connection, everything else on another, each connected
/// again as soon as its loss is noticed.
package final class MemoryTransport: MessageTransport {
    let broker: MemoryBroker
    let name: String
    /// Which of the broker's connections this is.
    let connection: Int
    let client: MemoryClient

    init(broker: MemoryBroker, name: String, connection: Int, client: MemoryClient) {
        self.broker = broker
        self.name = name
        self.connection = connection
        self.client = client
    }

    package func publish(_ messages: [OutgoingMessage]) async throws(TransportError) -> [PublishOutcome] {
        try await messages.publishSendable { messages throws(TransportError) in try await send(messages) }
    }

    private func send(_ messages: [OutgoingMessage]) async throws(TransportError) -> [PublishOutcome] {
        try client.check()
        let fault = broker.fault(.publish(messages), from: name)
        return try await call(.publishing, .publishing, fault) { state, connection throws(TransportError) in
            switch fault {
            case .reject(let isTaken):
                if isTaken { _ = try state.publish(messages, on: connection) }
                return messages.map { _ in .rejected }
            case .rejectSome(let bits):
                let isRefused = messages.indices.map { bits >> (UInt64($0) % 64) & 1 == 1 }
                let taken = zip(messages, isRefused).filter { !$0.1 }.map(\.0)
                var outcomes = try state.publish(taken, on: connection).makeIterator()
                return isRefused.map { $0 ? .rejected : outcomes.next() ?? .rejected }
            default:
                return try state.publish(messages, on: connection)
            }
        }
    }

    package func openChannel() async throws(TransportError) -> any ConsumerChannel {
        let deliveries = DeliverySequence()
        let (id, generation) = try await call(.openChannel) { state, connection in
            (state.openChannel(on: connection, deliveries).id, connection[.consuming].generation)
        }
        try client.opened(id, generation)
        return MemoryChannel(self, id, deliveries)
    }

    package func inspect(queue: String) async throws(TransportError) -> QueueInspection? {
        try await call(.inspect(queue: queue)) { state, connection throws(TransportError) in
            try state.inspect(queue, for: connection)
        }
    }

    package func declare(_ topology: TopologyFragment) async throws(TransportError) {
        try await call(.declare) { state, _ throws(TransportError) in try state.declare(topology) }
    }

    package func exchangeExists(_ name: String) async throws(TransportError) -> Bool {
        try await call(.exchangeExists(name)) { state, _ in state.exchanges[name] != nil }
    }

    package func delete(queues: [String], exchanges: [String]) async throws(TransportError) {
        try await call(.delete) { state, connection throws(TransportError) in
            try state.delete(queues: queues, exchanges: exchanges, for: connection)
        }
    }

    package func get(queue: String, count: Int, peek: Bool) async throws(TransportError) -> [Delivery] {
        try await call(.get(queue: queue)) { state, connection throws(TransportError) in
            try state.get(queue, count: count, peek: peek, for: connection)
        }
    }

    package var brokerDescription: String? {
        get async { "in-memory broker" }
    }

    package func close() async {
        guard let channels = client.end(with: .closed) else { return }
        // All leave now; each arrives behind the acknowledgements of its channel.
        let closing = channels.map(beginClosing)
        for channel in closing { _ = await channel.result() }
        // What was being opened when the client closed.
        let rest = begin(.control, .consuming, .none) { state, connection in state.close(connection) }
        _ = await rest.call.result()
    }
}

extension MemoryTransport {
    typealias Body<Result> = @Sendable (inout BrokerState, MemoryConnectionState) throws(TransportError) -> Result

    private func call<Result: Sendable>(
        _ call: FaultPlan.Call, _ body: @escaping Body<Result>
    ) async throws(TransportError) -> Result {
        try client.check()
        return try await self.call(.control, .consuming, broker.fault(call, from: name), body)
    }

    /// Asks the broker and waits for its answer.
    func call<Result: Sendable>(
        _ lane: NetworkLane, _ role: ConnectionRole, _ fault: FaultPlan.Fault, _ body: @escaping Body<Result>
    ) async throws(TransportError) -> Result {
        let (call, id) = begin(lane, role, fault, body)
        return try await call.value { [broker, name] in
            broker.send(from: name, lane: lane) { $0.withdraw(id) }
        }
    }

    /// Ends a channel, behind what was sent on it before.
    func beginClosing(_ channel: UInt64) -> PendingCall<Void> {
        begin(.channel(channel), .consuming, .none) { state, _ in
            if let channel = state.channels[channel] { state.close(channel, with: nil) }
        }.call
    }

    /// Sends a request. The answer counts if the connection it was sent on still stands when it arrives.
    private func begin<Result: Sendable>(
        _ lane: NetworkLane, _ role: ConnectionRole, _ fault: FaultPlan.Fault, _ body: @escaping Body<Result>
    ) -> (call: PendingCall<Result>, id: BrokerRequest.ID) {
        let call = PendingCall<Result>()
        let ticket = client.begin(role, channel: lane.channel) { call.settle(.failure($0)) }
        let answer: @Sendable (Swift.Result<Result, TransportError>) -> Void = { [self] result in
            client.end(ticket)
            let link = broker.link(connection, role)
            let isLost = link.generation != ticket.generation
            if isLost, case .success = result {
                call.settle(.failure(.connectionLost(link.lossText)))
            } else {
                call.settle(result)
            }
            if isLost { client.goOn(role, generation: link.generation) }
        }
        let id = BrokerRequest.ID(connection: connection, number: ticket.number)
        let request = BrokerRequest(
            id: id, lane: lane, role: role, generation: ticket.generation, channel: lane.channel, fault: fault,
            isPublish: role == .publishing,
            perform: { state, connection in
                do throws(TransportError) {
                    let result = try body(&state, connection)
                    return { answer(.success(result)) }
                } catch {
                    return { answer(.failure(error)) }
                }
            },
            refuse: { answer(.failure($0)) })
        broker.send(request, from: name)
        return (call, id)
    }
}

extension NetworkLane {
    fileprivate var channel: UInt64? { if case .channel(let id) = self { id } else { nil } }
}
