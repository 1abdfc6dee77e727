internal import DurableBackend
internal import OrderedCollections

/// One call of a client on its way to the broker.
struct BrokerRequest: Sendable {
    /// Unique at its broker.
    struct ID: Hashable, Sendable {
        var connection: Int
        var number: UInt64
    }

    var id: ID
    var lane: NetworkLane
    /// Which of the client's connections carries it.
    var role: ConnectionRole
    /// Of that connection when the call began: the broker takes nothing from a connection that is gone.
    var generation: Int
    var channel: UInt64?
    var fault: FaultPlan.Fault
    /// Publishes wait while the broker takes none.
    var isPublish = false
    /// Carries the call out; the answer is a step for the client.
    var perform: @Sendable (inout BrokerState, MemoryConnectionState) -> @Sendable () -> Void
    /// A step for the client of a call that was not carried out.
    var refuse: @Sendable (TransportError) -> Void
}

/// What the broker does once its lock is free, in this order.
enum BrokerOutput {
    case deliver(client: String, lane: NetworkLane, step: @Sendable () -> Void)
    /// Look again when a message has expired; nil: none will.
    case wake(after: Duration?)
    case delay(BrokerRequest.ID, Duration)
    case forgetDelayed(BrokerRequest.ID)
}

// Requests: what becomes of each, and the steps that go back.
extension BrokerState {
    mutating func receive(_ request: BrokerRequest) {
        guard case .delay(let duration) = request.fault else { return carryOut(request) }
        delayed[request.id] = request
        outputs.append(.delay(request.id, duration))
    }

    mutating func endDelay(_ id: BrokerRequest.ID) {
        if let request = delayed.removeValue(forKey: id) { carryOut(request) }
    }

    /// Its caller no longer waits; what has not been carried out never is.
    mutating func withdraw(_ id: BrokerRequest.ID) {
        blocked.removeAll { $0.id == id }
        if delayed.removeValue(forKey: id) != nil { outputs.append(.forgetDelayed(id)) }
    }

    mutating func unblockPublishers() {
        isBlockingPublishers = false
        let waiting = blocked
        blocked = []
        for request in waiting { carryOut(request) }
    }

    private mutating func carryOut(_ request: BrokerRequest) {
        let connection = connections[request.id.connection]
        if request.fault == .cutBefore { lose(connection, .both, "the connection was cut") }
        if let error = refusal(of: request, from: connection) {
            return answer(request, on: connection) { request.refuse(error) }
        }
        if request.isPublish && isBlockingPublishers {
            blocked.append(request)
            return
        }
        answer(request, on: connection, request.perform(&self, connection))
        if request.fault == .cutAfter { lose(connection, .both, "the connection was cut") }
    }

    private func refusal(of request: BrokerRequest, from connection: MemoryConnectionState) -> TransportError? {
        let link = connection[request.role]
        if let channel = request.channel {
            if channels[channel] == nil { return .connectionLost("the channel is closed") }
        } else if link.generation != request.generation {
            return .connectionLost(link.lossText)
        }
        if connection.isKilled { return .unreachable("the client was killed") }
        if !isRunning { return .unreachable("the broker is stopped") }
        return nil
    }

    private mutating func answer(
        _ request: BrokerRequest, on connection: MemoryConnectionState, _ step: @escaping @Sendable () -> Void
    ) {
        outputs.append(.deliver(client: connection.name, lane: request.lane, step: step))
    }
}
