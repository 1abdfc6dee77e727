extension OrchestrationContext {
    /// Has a worker run `activity` and waits for its result.
    ///
    /// - Throws: `ActivityFailure` if the activity failed, `CancellationError` if this task is cancelled (before:
    ///   nothing was requested; while waiting: the result is ignored), `PayloadError` if the result is no `Output`.
    public func callActivity<Input, Output>(
        _ activity: Activity<Input, Output>, _ input: Input
    ) async throws -> Output {
        try await callActivity(activity.name, input, as: Output.self)
    }

    /// Has a worker run `activity`, which takes no input, and waits for its result.
    public func callActivity<Output>(_ activity: Activity<NoValue, Output>) async throws -> Output {
        try await callActivity(activity.name, NoValue(), as: Output.self)
    }

    /// Has a worker run `activity`, which returns nothing, and waits for it.
    public func callActivity<Input>(_ activity: Activity<Input, NoValue>, _ input: Input) async throws {
        _ = try await callActivity(activity.name, input, as: NoValue.self)
    }

    /// Has a worker run `activity`, which neither takes nor returns anything, and waits for it.
    public func callActivity(_ activity: Activity<NoValue, NoValue>) async throws {
        _ = try await callActivity(activity.name, NoValue(), as: NoValue.self)
    }

    /// Has a worker run the activity of that name, wherever it is written, and waits for its result.
    public func callActivity<Output: Decodable & Sendable>(
        _ name: String, _ input: some Encodable & Sendable = NoValue(), as type: Output.Type = Output.self
    ) async throws -> Output {
        try await runtime.admit("context.callActivity")
        let payload = try runtime.encodeUnlessReplaying(input, as: "the input of activity \"\(name)\"")
        let result = try await runtime.callActivity(name, input: payload)
        return try PayloadCoding.decode(type, from: result, as: "the result of activity \"\(name)\"")
    }
}
