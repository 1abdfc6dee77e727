import DurableBackend
package import DurableCore
package import DurableMemory

/// The network between the broker and everybody else: takes time, keeps the order of each lane, and can stall.
package final class SimulatedNetwork: BrokerNetwork, @unchecked Sendable {  // confined to the simulator's thread
    /// All that passes between one client and the broker.
    private final class Line {
        var node: Node?
        var stalledUntil = Duration.zero
        var lastArrival: [Direction: Duration] = [:]  // look-up only
    }

    private struct Direction: Hashable {
        var lane: NetworkLane
        var isToBroker: Bool
    }

    private let simulator: Simulator
    package let broker: Node
    private let latency: Latency
    private var lines: [String: Line] = [:]  // look-up only

    package init(in simulator: Simulator, broker: Node, latency: Latency) {
        self.simulator = simulator
        self.broker = broker
        self.latency = latency
    }

    /// Says which node is behind a client's name. Before its first call.
    package func connect(_ client: String, to node: Node) { line(of: client).node = node }

    func node(of client: String) -> Node? { lines[client]?.node }

    private func line(of client: String) -> Line {
        if let line = lines[client] { return line }
        let line = Line()
        lines[client] = line
        return line
    }

    /// Nothing passes to or from the client meanwhile; what is under way comes later.
    package func stall(_ client: String, for duration: Duration) {
        line(of: client).stalledUntil = simulator.elapsed + duration
    }

    package func now() -> Timestamp { SimulatedClock.start + simulator.elapsed }

    package func send(from client: String, lane: NetworkLane, _ step: @escaping @Sendable () -> Void) {
        pass(Direction(lane: lane, isToBroker: true), on: line(of: client), to: broker, step)
    }

    package func deliver(to client: String, lane: NetworkLane, _ step: @escaping @Sendable () -> Void) {
        let line = line(of: client)
        pass(Direction(lane: lane, isToBroker: false), on: line, to: line.node ?? simulator.root, step)
    }

    package func schedule(
        after delay: Duration, _ step: @escaping @Sendable () -> Void
    ) -> @Sendable () -> Void {
        let action = simulator.schedule(after: delay, in: broker, step)
        return { action.cancel() }
    }

    private func pass(_ direction: Direction, on line: Line, to node: Node, _ step: @escaping () -> Void) {
        let now = simulator.elapsed
        let earliest = max(now + latency.next(), line.stalledUntil)
        let arrival = Self.raise(&line.lastArrival[direction, default: .zero], to: earliest)
        simulator.schedule(after: arrival - now, in: node, step)
    }

    private static func raise(_ time: inout Duration, to other: Duration) -> Duration {
        time = max(time, other)
        return time
    }
}
