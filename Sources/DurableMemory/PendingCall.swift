internal import DurableBackend
internal import DurableCore

/// One caller that waits for one answer. Answer, loss of the connection and cancellation may race; the first counts.
final class PendingCall<Answer: Sendable>: Sendable {
    private struct State {
        var result: Result<Answer, TransportError>?
        var caller: UnsafeContinuation<Result<Answer, TransportError>, Never>?
    }

    private let state = PlatformLock(State())

    /// - Returns: false when an earlier result stands.
    @discardableResult
    func settle(_ result: Result<Answer, TransportError>) -> Bool {
        let (isFirst, caller) = state.withLock {
            state -> (Bool, UnsafeContinuation<Result<Answer, TransportError>, Never>?) in
            if state.result != nil { return (false, nil) }
            state.result = result
            defer { state.caller = nil }
            return (true, state.caller)
        }
        caller?.resume(returning: result)
        return isFirst
    }

    /// Waits for the result; called once. Cancellation before there is one makes it `.cancelled` and runs `withdraw`.
    func value(withdraw: @escaping @Sendable () -> Void) async throws(TransportError) -> Answer {
        try await withTaskCancellationHandler {
            await result()
        } onCancel: {
            if settle(.failure(.cancelled)) { withdraw() }
        }.get()
    }

    /// As `value`, whatever becomes of the calling task.
    func result() async -> Result<Answer, TransportError> {
        await withUnsafeContinuation { caller in
            let early = state.withLock { state -> Result<Answer, TransportError>? in
                if state.result == nil { state.caller = caller }
                return state.result
            }
            if let early { caller.resume(returning: early) }
        }
    }
}
