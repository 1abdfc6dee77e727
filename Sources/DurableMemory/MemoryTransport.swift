package import DurableBackend
internal import DurableCore

/// One client of a `MemoryBroker`.
package final class MemoryTransport: MessageTransport {
    let broker: MemoryBroker
    /// Which of the broker's connections this is.
    let connection: Int

    init(broker: MemoryBroker, connection: Int) {
        self.broker = broker
        self.connection = connection
    }

    package func publish(_ messages: [OutgoingMessage]) async throws(TransportError) -> [PublishOutcome] {
        let generation = try openGeneration()
        return try await call(.publish(messages), began: generation) { [broker, connection] () throws(TransportError) in
            var outcomes: [PublishOutcome]?
            while outcomes == nil {
                await broker.waitUntilUnblocked(connection, began: generation)
                if Task.isCancelled { throw .cancelled }
                outcomes = try self.step(began: generation) { state throws(TransportError) in
                    state.isBlockingPublishers ? nil : try state.publish(messages)
                }
            }
            return outcomes ?? []
        }
    }

    package func openChannel() async throws(TransportError) -> any ConsumerChannel {
        try await call(.openChannel) { state, connection in
            let channel = state.openChannel(on: connection)
            return MemoryChannel(broker: self.broker, connection: self.connection, channel: channel)
        }
    }

    package func inspect(queue: String) async throws(TransportError) -> QueueInspection? {
        try await call(.inspect(queue: queue)) { state, _ in state.inspect(queue) }
    }

    package func declare(_ topology: TopologyFragment) async throws(TransportError) {
        try await call(.declare) { state, _ throws(TransportError) in try state.declare(topology) }
    }

    package func exchangeExists(_ name: String) async throws(TransportError) -> Bool {
        try await call(.exchangeExists(name)) { state, _ in state.exchanges[name] != nil }
    }

    package func delete(queues: [String], exchanges: [String]) async throws(TransportError) {
        try await call(.delete) { state, _ in
            for queue in queues { state.deleteQueue(queue) }
            for exchange in exchanges { state.deleteExchange(exchange) }
        }
    }

    package func get(queue: String, count: Int, peek: Bool) async throws(TransportError) -> [Delivery] {
        try await call(.get(queue: queue)) { state, _ throws(TransportError) in
            try state.get(queue, count: count, peek: peek)
        }
    }

    package var brokerDescription: String? {
        get async { "in-memory broker" }
    }

    package func close() async {
        broker.access { state in
            let client = state.connections[connection]
            guard client.status == .open else { return }
            client.status = .closed
            for channel in client.channels { state.close(channel, with: nil) }
        }
    }
}

// Connections: every call goes through the fault plan, and gets no answer when its connection ended meanwhile.
extension MemoryTransport {
    /// A call that is one step of the broker.
    private func call<Result: Sendable>(
        _ call: FaultPlan.Call,
        _ body: (inout BrokerState, MemoryConnectionState) throws(TransportError) -> Result
    ) async throws(TransportError) -> Result {
        let generation = try openGeneration()
        return try await self.call(call, began: generation) { () throws(TransportError) in
            try self.step(began: generation) { state throws(TransportError) in
                try body(&state, state.connections[self.connection])
            }
        }
    }

    private func call<Result: Sendable>(
        _ call: FaultPlan.Call, began generation: Int, _ body: () async throws(TransportError) -> Result
    ) async throws(TransportError) -> Result {
        switch broker.fault(call, from: connection) {
        case .none:
            return try await body()
        case .delay(let duration):
            await broker.sleep(for: duration)
            if Task.isCancelled { throw .cancelled }
            return try await body()
        case .cutBefore:
            loseConnection()
            throw .connectionLost("the connection was cut")
        case .cutAfter:
            _ = try await body()
            loseConnection()
            throw .connectionLost("the connection was cut")
        }
    }

    private func step<Result>(
        began generation: Int, _ body: (inout BrokerState) throws(TransportError) -> Result
    ) throws(TransportError) -> Result {
        try broker.access { state throws(TransportError) in
            try Self.check(state, connection, began: generation)
            return try body(&state)
        }
    }

    private func openGeneration() throws(TransportError) -> Int {
        try broker.access { state throws(TransportError) in
            let generation = state.connections[connection].generation
            try Self.check(state, connection, began: generation)
            return generation
        }
    }

    private static func check(_ state: BrokerState, _ connection: Int, began generation: Int) throws(TransportError) {
        let client = state.connections[connection]
        if client.status == .closed { throw .closed }
        if client.generation != generation { throw .connectionLost("the connection ended meanwhile") }
        if client.status == .killed { throw .unreachable("the client was killed") }
        if !state.isRunning { throw .unreachable("the broker is stopped") }
    }

    private func loseConnection() {
        broker.access { state in state.lose(state.connections[connection], "the connection was cut") }
    }
}
