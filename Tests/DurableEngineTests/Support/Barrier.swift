import DurableCore

/// Holds activities until the test opens it. Takes no notice of cancellation.
final class Barrier: Sendable {
    private struct State {
        var isOpen = false
        var waiting: [UnsafeContinuation<Void, Never>] = []
        var arrivals = 0
    }

    private let state = PlatformLock(State())

    /// Who has come here so far.
    var arrivals: Int { state.withLock { $0.arrivals } }

    func pass() async {
        await withUnsafeContinuation { (waiter: UnsafeContinuation<Void, Never>) in
            let isOpen = state.withLock { state in
                state.arrivals += 1
                if !state.isOpen { state.waiting.append(waiter) }
                return state.isOpen
            }
            if isOpen { waiter.resume() }
        }
    }

    func open() {
        let waiting = state.withLock { state in
            defer { state.waiting = [] }
            state.isOpen = true
            return state.waiting
        }
        for waiter in waiting { waiter.resume() }
    }
}
