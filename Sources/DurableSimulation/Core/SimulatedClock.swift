import DurableBackend
package import DurableCore

/// The wall clock of one node, which may be ahead of or behind the others.
package final class SimulatedClock: EngineClock, @unchecked Sendable {  // confined to the simulator's thread
    private let simulator: Simulator
    private let node: Node

    /// When a run starts.
    package static let start = Timestamp(millisecondsSinceEpoch: 1_795_510_800_000)

    package init(of node: Node, in simulator: Simulator) {
        self.simulator = simulator
        self.node = node
    }

    package func now() -> Timestamp { Self.start + (simulator.elapsed + node.clockOffset) }

    package func uptime() -> Duration { simulator.elapsed }

    package func sleep(for duration: Duration) async {
        if duration <= .zero { return }
        let nap = Nap()
        await withTaskCancellationHandler {
            await withUnsafeContinuation { (continuation: UnsafeContinuation<Void, Never>) in
                if Task.isCancelled { return continuation.resume() }
                nap.continuation = continuation
                nap.alarm = simulator.schedule(after: duration, in: node) { nap.end() }
            }
        } onCancel: {
            nap.end()
        }
    }
}

private final class Nap: @unchecked Sendable {  // confined to the simulator's thread
    var continuation: UnsafeContinuation<Void, Never>?
    var alarm: Simulator.Action?

    func end() {
        alarm?.cancel()
        alarm = nil
        continuation?.resume()
        continuation = nil
    }
}
