package import DurableBackend
package import DurableCore

/// How clients and a broker in memory reach each other, and the broker's time.
///
/// What passes is a closure that the network runs once, now or later, on any thread: the steps of one client and lane
/// in the order in which they were handed over, those of different lanes in any order. A step it never runs is a
/// message lost for ever, so a network that holds steps back must run them once the connection was cut (their effect
/// is nothing then) or see to it that nobody waits for them.
///
/// The broker calls with no lock held, so a step may run before the call returns.
package protocol BrokerNetwork: Sendable {
    /// The broker's time.
    func now() -> Timestamp
    /// From a client to the broker: runs `step` there.
    func send(from client: String, lane: NetworkLane, _ step: @escaping @Sendable () -> Void)
    /// From the broker to a client: runs `step` there.
    func deliver(to client: String, lane: NetworkLane, _ step: @escaping @Sendable () -> Void)
    /// Runs `step` at the broker after `delay`, unless the closure it returns is called before.
    func schedule(after delay: Duration, _ step: @escaping @Sendable () -> Void) -> @Sendable () -> Void
}

/// What keeps its order on its way.
package enum NetworkLane: Hashable, Sendable {
    /// Publishes and their confirms.
    case publishing
    /// One channel: its consumers, acknowledgements and deliveries, and its end. Its number is unique at its broker.
    case channel(UInt64)
    /// Declaring, inspecting, taking messages, opening channels. Shares a connection with the channels.
    case control
    /// A client notices that a connection of its own is gone. Nothing crosses the network for that: a client that is
    /// cut off notices too, when it misses heartbeats.
    case loss
}

/// The connections of one client: a blocked publisher must not stop acknowledgements.
package enum ConnectionRole: Hashable, Sendable {
    case publishing, consuming, both

    /// The single connections this stands for.
    var each: [ConnectionRole] { self == .both ? [.publishing, .consuming] : [self] }
}

/// Everything arrives at once, on the thread that sends it.
package struct DirectNetwork: BrokerNetwork {
    private let clock: any EngineClock

    package init(clock: any EngineClock = SystemClock()) { self.clock = clock }

    package func now() -> Timestamp { clock.now() }

    package func send(from client: String, lane: NetworkLane, _ step: @escaping @Sendable () -> Void) { step() }

    package func deliver(to client: String, lane: NetworkLane, _ step: @escaping @Sendable () -> Void) { step() }

    package func schedule(after delay: Duration, _ step: @escaping @Sendable () -> Void) -> @Sendable () -> Void {
        let task = Task { [clock] in
            await clock.sleep(for: delay)
            if !Task.isCancelled { step() }
        }
        return { task.cancel() }
    }
}
