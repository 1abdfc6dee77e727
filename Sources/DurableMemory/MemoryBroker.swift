internal import DequeModule
package import DurableBackend
internal import DurableCore
internal import OrderedCollections

/// A message broker in memory, with the semantics of RabbitMQ as far as dtq uses it. Deterministic: same calls in the
/// same order, same deliveries. Any number of transports connect to it; each counts as one client process.
package final class MemoryBroker: Sendable {
    private struct Guarded {
        var state: BrokerState
        var faults: FaultPlan
        /// One thread at a time does what is to be done outside the lock, so that it happens in order.
        var isSending = false
        var alarmDue: Timestamp?
        /// Take back what is scheduled: the look at what has expired, and delayed requests.
        var cancelAlarm: (@Sendable () -> Void)?
        var cancelDelays: OrderedDictionary<BrokerRequest.ID, @Sendable () -> Void> = [:]
    }

    private let network: any BrokerNetwork
    private let guarded: PlatformLock<Guarded>

    /// - Parameters:
    ///   - network: Decides when requests and answers arrive, and when messages expire.
    ///   - segmentMessages: Messages after which a stream that keeps all begins another segment, and skips an offset;
    ///     nil: never.
    package init(network: any BrokerNetwork, faults: FaultPlan = .none, segmentMessages: Int? = nil) {
        self.network = network
        let state = BrokerState(now: network.now(), segmentMessages: segmentMessages)
        guarded = PlatformLock(Guarded(state: state, faults: faults))
    }

    /// A broker that answers at once.
    ///
    /// - Parameter clock: Decides when messages expire.
    package convenience init(
        clock: any EngineClock = SystemClock(), faults: FaultPlan = .none, segmentMessages: Int? = nil
    ) {
        self.init(network: DirectNetwork(clock: clock), faults: faults, segmentMessages: segmentMessages)
    }

    deinit {
        let cancel = guarded.withLock { [$0.cancelAlarm].compactMap { $0 } + $0.cancelDelays.values }
        for cancel in cancel { cancel() }
    }

    /// A new client. `name` tells the network, fault plans and `cut` who it is; two clients may share one.
    package func connect(as name: String = "client") -> MemoryTransport {
        let client = MemoryClient()
        let number = access { state in
            state.connections.append(MemoryConnectionState(name: name, client: client))
            return state.connections.count - 1
        }
        return MemoryTransport(broker: self, name: name, connection: number, client: client)
    }

    // MARK: Faults

    package func setFaults(_ faults: FaultPlan) { guarded.withLock { $0.faults = faults } }

    /// Calls of all transports so far.
    package var callCount: Int { guarded.withLock { $0.state.callCount } }

    /// Ends connections of every transport of that name: what is open on them (channels, unanswered calls) ends with
    /// `.connectionLost` once the client notices. What it does then connects again.
    package func cut(_ name: String, _ which: ConnectionRole = .both) {
        access { state in
            for connection in state.connections where connection.name == name && !connection.isKilled {
                state.lose(connection, which, "the connection was cut")
            }
        }
    }

    /// As `cut`, but for good: the process behind that name is gone, whatever it still tries fails. Who connects later
    /// under the same name is another process.
    package func kill(_ name: String) {
        access { state in
            for connection in state.connections where connection.name == name { state.kill(connection) }
        }
    }

    /// Takes no publishes until `unblockPublishers()`: they wait, everything else goes on.
    package func blockPublishers() { access { $0.isBlockingPublishers = true } }

    package func unblockPublishers() { access { $0.unblockPublishers() } }

    /// Ends all connections and drops what is not persistent; until `start()` nobody can connect.
    package func stop() { access { $0.stop() } }

    package func start() { access { $0.isRunning = true } }

    // MARK: What tests look at

    /// Messages ready for delivery, first one first; of a stream all. They stay where they are.
    package func readyMessages(in queue: String) -> [Delivery] {
        access { state in
            guard let queue = state.queues[queue] else { return [] }
            let kind = queue.description.kind
            let show = { (message: QueuedMessage) in message.delivery(tag: 0, consumerTag: "", kind: kind) }
            return kind == .stream ? queue.log.dropFirst(queue.droppedCount).map(show) : queue.ready.map(show)
        }
    }

    /// Takes waiting messages out of a queue, as an operator's purge does; those that were delivered stay.
    ///
    /// - Returns: How many.
    @discardableResult
    package func purge(_ queue: String, where isLost: (Delivery) -> Bool = { _ in true }) -> Int {
        access { state in
            guard let queue = state.queues[queue], queue.description.kind != .stream else { return 0 }
            let count = queue.ready.count
            queue.ready.removeAll { isLost($0.delivery(tag: 0, consumerTag: "", kind: queue.description.kind)) }
            return count - queue.ready.count
        }
    }

    /// Has a stream keep less or more than it was declared with.
    package func retain(_ retention: StreamRetention, of stream: String) {
        access { $0.queues[stream]?.retention = retention }
    }

    /// Messages of a stream from the given offset on, also those that readers no longer get. They stay where they are.
    package func messages(of stream: String, from offset: Int) -> [Delivery] {
        access { state in
            guard let queue = state.queues[stream], queue.description.kind == .stream else { return [] }
            return queue.log.dropFirst(queue.count(before: UInt64(clamping: offset))).map {
                $0.delivery(tag: 0, consumerTag: "", kind: .stream)
            }
        }
    }

    /// Deliveries consumers hold and have not settled.
    package func unacknowledgedCount(in queue: String) -> Int {
        access { $0.queues[queue]?.unacknowledgedCount ?? 0 }
    }

    /// Consumers of a queue, those that wait to become its single active one included.
    package func consumerCount(of queue: String) -> Int { access { $0.queues[queue]?.consumers.count ?? 0 } }

    // MARK: For transports and channels

    /// One step of the broker: `body`, then the deliveries it makes possible.
    @discardableResult
    func access<Result>(_ body: (inout BrokerState) -> Result) -> Result {
        let now = network.now()
        let (result, mustSend) = guarded.withLock { guarded in
            if now > guarded.state.now {
                // What has expired meanwhile is gone before the step looks at anything.
                guarded.state.now = now
                guarded.state.settle()
            }
            let result = body(&guarded.state)
            guarded.state.settle()
            setAlarm(&guarded)
            let mustSend = !guarded.state.outputs.isEmpty && !guarded.isSending
            if mustSend { guarded.isSending = true }
            return (result, mustSend)
        }
        if mustSend { send() }
        return result
    }

    /// A request of a client leaves.
    func send(_ request: BrokerRequest, from client: String) {
        network.send(from: client, lane: request.lane) { self.access { $0.receive(request) } }
    }

    /// A client's step that needs no answer leaves.
    func send(from client: String, lane: NetworkLane, _ step: @escaping @Sendable (inout BrokerState) -> Void) {
        network.send(from: client, lane: lane) { self.access(step) }
    }

    /// The fault this call meets.
    func fault(_ call: FaultPlan.Call, from client: String) -> FaultPlan.Fault {
        let (plan, number) = guarded.withLock { guarded in
            guarded.state.callCount += 1
            return (guarded.faults, guarded.state.callCount)
        }
        return plan.decide(FaultPlan.Point(number: number, transport: client, call: call))
    }

    /// How a client's connection stands in truth.
    func link(_ connection: Int, _ role: ConnectionRole) -> MemoryConnectionState.Link {
        guarded.withLock { $0.state.connections[connection][role] }
    }

    // MARK: Outside the lock

    private func send() {
        while true {
            let outputs = guarded.withLock { guarded -> [BrokerOutput] in
                defer { guarded.state.outputs = [] }
                guarded.isSending = !guarded.state.outputs.isEmpty
                return guarded.state.outputs
            }
            if outputs.isEmpty { return }
            for output in outputs { carryOut(output) }
        }
    }

    private func carryOut(_ output: BrokerOutput) {
        switch output {
        case .deliver(let client, let lane, let step): network.deliver(to: client, lane: lane, step)
        case .wake(let delay):
            guarded.withLock { $0.cancelAlarm.take() }?()
            guard let delay else { return }
            let cancel = network.schedule(after: delay) { [weak self] in self?.wake() }
            guarded.withLock { $0.cancelAlarm = cancel }
        case .delay(let id, let delay):
            let cancel = network.schedule(after: delay) { [weak self] in self?.endDelay(id) }
            guarded.withLock { if $0.state.delayed[id] != nil { $0.cancelDelays[id] = cancel } }
        case .forgetDelayed(let id):
            guarded.withLock { $0.cancelDelays.removeValue(forKey: id) }?()
        }
    }

    private func wake() {
        // Set again when it came early.
        guarded.withLock { guarded in
            guarded.alarmDue = nil
            guarded.cancelAlarm = nil
        }
        access { _ in }
    }

    private func endDelay(_ id: BrokerRequest.ID) {
        guarded.withLock { _ = $0.cancelDelays.removeValue(forKey: id) }
        access { $0.endDelay(id) }
    }

    private func setAlarm(_ guarded: inout Guarded) {
        let due = guarded.state.nextExpiry
        if due == guarded.alarmDue { return }
        guarded.alarmDue = due
        guarded.state.outputs.append(.wake(after: due.map { $0.since(guarded.state.now) }))
    }
}
