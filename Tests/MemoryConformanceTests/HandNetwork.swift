import DurableBackend
import DurableCore
import DurableMemory

/// A network on which nothing moves until the test says so. Requests that nobody holds back arrive at once.
final class HandNetwork: BrokerNetwork {
    enum Direction: Hashable { case send, deliver }

    private struct Step {
        var direction: Direction
        var lane: NetworkLane
        var run: @Sendable () -> Void
    }

    private struct State {
        var holds: @Sendable (Direction, NetworkLane) -> Bool = { _, _ in false }
        var held: [Step] = []
        var watchers: [(count: Int, continuation: CheckedContinuation<Void, Never>)] = []
    }

    let clock = ManualClock()
    private let state = PlatformLock(State())

    func now() -> Timestamp { clock.now() }

    func send(from client: String, lane: NetworkLane, _ step: @escaping @Sendable () -> Void) {
        pass(Step(direction: .send, lane: lane, run: step))
    }

    func deliver(to client: String, lane: NetworkLane, _ step: @escaping @Sendable () -> Void) {
        pass(Step(direction: .deliver, lane: lane, run: step))
    }

    func schedule(after delay: Duration, _ step: @escaping @Sendable () -> Void) -> @Sendable () -> Void {
        DirectNetwork(clock: clock).schedule(after: delay, step)
    }

    private func pass(_ step: Step) {
        let watchers = state.withLock { state -> [CheckedContinuation<Void, Never>]? in
            let isBehind = state.held.contains { $0.direction == step.direction && $0.lane == step.lane }
            guard isBehind || state.holds(step.direction, step.lane) else { return nil }
            state.held.append(step)
            let count = state.held.count
            defer { state.watchers.removeAll { $0.count <= count } }
            return state.watchers.filter { $0.count <= count }.map(\.continuation)
        }
        guard let watchers else { return step.run() }
        for watcher in watchers { watcher.resume() }
    }

    var heldCount: Int { state.withLock { $0.held.count } }

    /// What is to be held back from now on.
    func hold(_ holds: @escaping @Sendable (Direction, NetworkLane) -> Bool) {
        state.withLock { $0.holds = holds }
    }

    /// Returns once at least `count` steps are held.
    func waitForHeld(_ count: Int) async {
        await withCheckedContinuation { continuation in
            let isThere = state.withLock { state in
                if state.held.count >= count { return true }
                state.watchers.append((count, continuation))
                return false
            }
            if isThere { continuation.resume() }
        }
    }

    /// Lets the oldest held step of that kind arrive, or all of them; what they cause is held as before.
    func release(_ direction: Direction, _ lane: NetworkLane? = nil, all: Bool = true) {
        let count = all ? heldCount : 1
        for _ in 0..<count {
            let step = state.withLock { state -> Step? in
                state.held.firstIndex { $0.direction == direction && (lane == nil || $0.lane == lane) }
                    .map { state.held.remove(at: $0) }
            }
            step?.run()
        }
    }

    /// Nothing is held any more, and all that was arrives in order.
    func releaseAll() {
        hold { _, _ in false }
        while let step = state.withLock({ $0.held.isEmpty ? nil : $0.held.removeFirst() }) { step.run() }
    }
}
