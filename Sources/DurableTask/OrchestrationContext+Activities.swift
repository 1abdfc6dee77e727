extension OrchestrationContext {
    /// Has a worker run `activity` and waits for its result.
    ///
    /// With a policy, each attempt is a request of its own, with a task ID and so an idempotency key of its own. A
    /// receiver that has to recognise a second attempt needs a key that you make (`newUUID()`) and pass in the input.
    ///
    /// - Parameter retry: When to try again; nil: a failure is final.
    /// - Throws: `ActivityFailure` if the activity failed, in the last attempt; `CancellationError` if this task is
    ///   cancelled (before: nothing was requested; while waiting: the activity's task is cancelled too, and what comes
    ///   of it is ignored; between attempts: no further one is made); `PayloadError` if the result is no `Output`; `InvalidRetryPolicy`.
    public func callActivity<Input, Output>(
        _ activity: Activity<Input, Output>, _ input: Input, retry: RetryPolicy? = nil
    ) async throws -> Output {
        try await callActivity(activity.name, input, retry: retry, as: Output.self)
    }

    /// Has a worker run `activity`, which takes no input, and waits for its result.
    public func callActivity<Output>(
        _ activity: Activity<NoValue, Output>, retry: RetryPolicy? = nil
    ) async throws -> Output {
        try await callActivity(activity.name, NoValue(), retry: retry, as: Output.self)
    }

    /// Has a worker run `activity`, which returns nothing, and waits for it.
    public func callActivity<Input>(
        _ activity: Activity<Input, NoValue>, _ input: Input, retry: RetryPolicy? = nil
    ) async throws {
        _ = try await callActivity(activity.name, input, retry: retry, as: NoValue.self)
    }

    /// Has a worker run `activity`, which neither takes nor returns anything, and waits for it.
    public func callActivity(_ activity: Activity<NoValue, NoValue>, retry: RetryPolicy? = nil) async throws {
        _ = try await callActivity(activity.name, NoValue(), retry: retry, as: NoValue.self)
    }

    /// Has a worker run the activity of that name, wherever it is written, and waits for its result.
    public func callActivity<Output: Decodable & Sendable>(
        _ name: String, _ input: some Encodable & Sendable = NoValue(), retry: RetryPolicy? = nil,
        as type: Output.Type = Output.self
    ) async throws -> Output {
        try await runtime.admit("context.callActivity")
        let result = try await runtime.retrying(retry, "context.callActivity") { _ in
            // For each attempt: those that history holds are not encoded.
            let payload = try runtime.encodeUnlessReplaying(input, as: "the input of activity \"\(name)\"")
            return try await runtime.callActivity(name, input: payload)
        }
        return try PayloadCoding.decode(type, from: result, as: "the result of activity \"\(name)\"")
    }
}
