import DurableCore

/// Counts free slots; waiters get them in order of asking.
final class SlotPool: Sendable {
    private struct State {
        var free: Int
        var isClosed = false
        var waiters: [UnsafeContinuation<Bool, Never>] = []
        var firstWaiter = 0
    }

    private let state: PlatformLock<State>

    init(count: Int) { state = PlatformLock(State(free: count)) }

    /// Waits for a slot.
    ///
    /// - Returns: false when the pool was closed: there is no slot.
    func take() async -> Bool {
        await withUnsafeContinuation { waiter in
            let answer = state.withLock { state -> Bool? in
                if state.isClosed { return false }
                if state.free > 0 {
                    state.free -= 1
                    return true
                }
                state.waiters.append(waiter)
                return nil
            }
            if let answer { waiter.resume(returning: answer) }
        }
    }

    func give() {
        let waiter = state.withLock { state -> UnsafeContinuation<Bool, Never>? in
            guard state.firstWaiter < state.waiters.count else {
                state.free += 1
                return nil
            }
            defer {
                state.firstWaiter += 1
                if state.firstWaiter == state.waiters.count {
                    state.waiters = []
                    state.firstWaiter = 0
                }
            }
            return state.waiters[state.firstWaiter]
        }
        waiter?.resume(returning: true)
    }

    /// Ends all waiting; nobody gets a slot any more.
    func close() {
        let waiters = state.withLock { state in
            state.isClosed = true
            defer {
                state.waiters = []
                state.firstWaiter = 0
            }
            return state.waiters[state.firstWaiter...]
        }
        for waiter in waiters { waiter.resume(returning: false) }
    }
}
