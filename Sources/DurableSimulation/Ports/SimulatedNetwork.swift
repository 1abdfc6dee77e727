import DurableBackend
package import DurableCore
package import DurableMemory

/// The network between the broker and everybody else: takes time, keeps the order of each lane, and can stall.
package final class SimulatedNetwork: BrokerNetwork, @unchecked Sendable {  // confined to the simulator's thread
    private struct Direction: Hashable {
        var client: String
        var lane: NetworkLane
        var isToBroker: Bool
    }

    private let simulator: Simulator
    package let broker: Node
    private let latency: Latency
    private var nodes: [String: Node] = [:]  // look-up only
    private var lastArrival: [Direction: Duration] = [:]  // look-up only
    private var stalledUntil: [String: Duration] = [:]  // look-up only

    package init(in simulator: Simulator, broker: Node, latency: Latency) {
        self.simulator = simulator
        self.broker = broker
        self.latency = latency
    }

    /// Says which node is behind a client's name. Before its first call.
    package func connect(_ client: String, to node: Node) { nodes[client] = node }

    func node(of client: String) -> Node? { nodes[client] }

    /// Nothing passes to or from the client meanwhile; what is under way comes later.
    package func stall(_ client: String, for duration: Duration) {
        stalledUntil[client] = simulator.elapsed + duration
    }

    package func now() -> Timestamp { SimulatedClock.start + simulator.elapsed }

    package func send(from client: String, lane: NetworkLane, _ step: @escaping @Sendable () -> Void) {
        pass(Direction(client: client, lane: lane, isToBroker: true), to: broker, step)
    }

    package func deliver(to client: String, lane: NetworkLane, _ step: @escaping @Sendable () -> Void) {
        pass(Direction(client: client, lane: lane, isToBroker: false), to: nodes[client] ?? simulator.root, step)
    }

    package func schedule(
        after delay: Duration, _ step: @escaping @Sendable () -> Void
    ) -> @Sendable () -> Void {
        let action = simulator.schedule(after: delay, in: broker, step)
        return { action.cancel() }
    }

    private func pass(_ direction: Direction, to node: Node, _ step: @escaping () -> Void) {
        var arrival = simulator.elapsed + latency.next()
        if let until = stalledUntil[direction.client] { arrival = max(arrival, until) }
        if let last = lastArrival[direction] { arrival = max(arrival, last) }
        lastArrival[direction] = arrival
        simulator.schedule(after: arrival - simulator.elapsed, in: node, step)
    }
}
