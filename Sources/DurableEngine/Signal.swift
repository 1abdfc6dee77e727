package import DurableBackend
import DurableCore

/// Wakes one waiting task; a notice that comes while nobody waits is kept (one, not a count).
package final class Signal: Sendable {
    private struct State {
        var isRaised = false
        var waiter: UnsafeContinuation<Void, Never>?
    }

    private let state = PlatformLock(State())

    package init() {}

    package func raise() {
        let waiter = state.withLock { state -> UnsafeContinuation<Void, Never>? in
            guard let waiter = state.waiter else {
                state.isRaised = true
                return nil
            }
            state.waiter = nil
            return waiter
        }
        waiter?.resume()
    }

    /// A notice for later. One that is cancelled gives none: it would end the next wait.
    package func raise(after delay: Duration, by clock: any EngineClock) -> Task<Void, Never> {
        Task {
            await clock.sleep(for: delay)
            if !Task.isCancelled { raise() }
        }
    }

    /// Forgets the notice that is kept, if there is one.
    package func clear() { state.withLock { $0.isRaised = false } }

    /// Returns at the next notice, at once if one is kept, or when the task is cancelled.
    package func wait() async {
        await withTaskCancellationHandler {
            await withUnsafeContinuation { (waiter: UnsafeContinuation<Void, Never>) in
                let mustWait = state.withLock { state in
                    precondition(state.waiter == nil, "a signal has one waiter")
                    if state.isRaised || Task.isCancelled {
                        state.isRaised = false
                        return false
                    }
                    state.waiter = waiter
                    return true
                }
                if !mustWait { waiter.resume() }
            }
        } onCancel: {
            raise()
        }
    }
}
