internal import DurableBackend
internal import DurableCore

/// One caller waiting for one answer. Reply, loss of the connection and cancellation may race; the first one counts.
final class Waiter<Value: Sendable>: Sendable {
    typealias Answer = Result<Value, TransportError>

    private enum State {
        /// Becomes `waiting` or `answered`.
        case new
        /// Becomes `answered`.
        case waiting(UnsafeContinuation<Answer, Never>)
        case answered(Answer)
    }

    private let state = PlatformLock(State.new)

    /// Callable from any thread.
    ///
    /// - Returns: false when an earlier answer stands, so that this one reaches nobody.
    @discardableResult
    func resolve(_ answer: Answer) -> Bool {
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
    func value(onCancel: @Sendable () -> Void = {}) async throws(TransportError) -> Value {
        let answer = await withTaskCancellationHandler {
            await withUnsafeContinuation { (caller: UnsafeContinuation<Answer, Never>) in
                let early = state.withLock { state -> Answer? in
                    if case .answered(let answer) = state { return answer }
                    state = .waiting(caller)
                    return nil
                }
                if let early { caller.resume(returning: early) }
            }
        } onCancel: {
            if resolve(.failure(.cancelled)) { onCancel() }
        }
        return try answer.get()
    }

    /// Waits for the answer whatever happens to the calling task.
    func valueWithoutCancellation() async throws(TransportError) -> Value {
        let answer = await withUnsafeContinuation { (caller: UnsafeContinuation<Answer, Never>) in
            let early = state.withLock { state -> Answer? in
                if case .answered(let answer) = state { return answer }
                state = .waiting(caller)
                return nil
            }
            if let early { caller.resume(returning: early) }
        }
        return try answer.get()
    }
}
