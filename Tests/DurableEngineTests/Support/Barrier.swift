import DurableCore

/// Holds activities until the test opens it.
final class Barrier: Sendable {
    private struct State {
        var isOpen = false
        var waiting: [(number: Int, waiter: UnsafeContinuation<Void, Never>)] = []
        var arrivals = 0
    }

    private let state = PlatformLock(State())

    /// Who has come here so far.
    var arrivals: Int { state.withLock { $0.arrivals } }

    /// Takes no notice of cancellation.
    func pass() async { await pass(arrive(), heedsCancellation: false) }

    /// Throws when the task is cancelled before it is open.
    func passUnlessCancelled() async throws {
        let number = arrive()
        await withTaskCancellationHandler {
            await pass(number, heedsCancellation: true)
        } onCancel: {
            let waiter = state.withLock { state in
                state.waiting.firstIndex { $0.number == number }.map { state.waiting.remove(at: $0).waiter }
            }
            waiter?.resume()
        }
        try Task.checkCancellation()
    }

    func open() {
        let waiting = state.withLock { state in
            defer { state.waiting = [] }
            state.isOpen = true
            return state.waiting
        }
        for (_, waiter) in waiting { waiter.resume() }
    }

    private func arrive() -> Int {
        state.withLock { state in
            state.arrivals += 1
            return state.arrivals
        }
    }

    private func pass(_ number: Int, heedsCancellation: Bool) async {
        await withUnsafeContinuation { (waiter: UnsafeContinuation<Void, Never>) in
            let mustWait = state.withLock { state in
                if state.isOpen || heedsCancellation && Task.isCancelled { return false }
                state.waiting.append((number, waiter))
                return true
            }
            if !mustWait { waiter.resume() }
        }
    }
}
