package import DurableBackend
internal import DurableCore

/// One caller waiting for one answer. Reply, loss of the connection and cancellation may race; the first one counts.
package final class Waiter<Value: Sendable>: Sendable {
    package typealias Answer = Result<Value, TransportError>

    private enum State {
        /// Becomes `waiting` or `answered`.
        case new
        /// Becomes `answered`.
        case waiting(UnsafeContinuation<Answer, Never>)
        case answered(Answer)
    }

    private let state = PlatformLock(State.new)

    package init() {}

    /// Callable from any thread.
    ///
    /// - Returns: false when an earlier answer stands, so that this one reaches nobody.
    @discardableResult
    package func resolve(_ answer: Answer) -> Bool {
        let (isFirst, caller) = state.withLock { state -> (Bool, UnsafeContinuation<Answer, Never>?) in
            switch state {
            case .new:
                state = .answered(answer)
                return (true, nil)
            case .waiting(let caller):
                state = .answered(answer)
                return (true, caller)
            case .answered: return (false, nil)
            }
        }
        caller?.resume(returning: answer)
        return isFirst
    }

    /// Waits for the answer; called once. Cancellation answers `.cancelled` and runs `onCancel`.
    package func value(onCancel: @Sendable () -> Void = {}) async throws(TransportError) -> Value {
        try await withTaskCancellationHandler {
            await answer()
        } onCancel: {
            if resolve(.failure(.cancelled)) { onCancel() }
        }.get()
    }

    /// Waits for the answer whatever happens to the calling task.
    func valueWithoutCancellation() async throws(TransportError) -> Value {
        try await answer().get()
    }

    private func answer() async -> Answer {
        await withUnsafeContinuation { (caller: UnsafeContinuation<Answer, Never>) in
            let early = state.withLock { state -> Answer? in
                if case .answered(let answer) = state { return answer }
                state = .waiting(caller)
                return nil
            }
            if let early { caller.resume(returning: early) }
        }
    }
}
