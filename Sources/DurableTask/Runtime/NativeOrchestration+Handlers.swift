package import DurableCore

/// What others ask the code of an instance between two episodes. Nothing of it changes the instance.
extension NativeOrchestration {
    /// Has the code answer a query from the state it is in.
    ///
    /// After `misused` the code may have changed: only `evict` may follow.
    package func query(_ name: String, input: Payload?) -> HandlerAnswer {
        guard let answer = runtime.handlers.queries[name] else {
            return .noHandler(known: runtime.handlers.queries.keys.sorted())
        }
        let (result, violation) = look("query \"\(name)\"") { try answer(input) }
        if let violation { return .misused(violation) }
        switch result {
        case .success(let value): return .value(value)
        case .failure(let error): return .failed(FailureDetails(describing: error))
        }
    }

    /// Whether the code has a handler of that update by now.
    package func takesUpdate(named name: String) -> Bool {
        !runtime.isComplete && runtime.handlers.updates[name] != nil
    }

    /// Has the code say whether an update may begin.
    ///
    /// - Parameter violation: Set to what the validator did that it must not: the update is refused then, and only `evict`
    ///   may follow.
    package func admit(_ request: UpdateRequest, violation: inout String?) -> UpdateAdmission {
        guard !runtime.isComplete, let handler = runtime.handlers.updates[request.name] else { return .noHandler }
        let result: Result<Void, any Error>
        (result, violation) = look("update \"\(request.name)\"") { try handler.validate(request.input) }
        if let violation {
            return .rejected(
                FailureDetails(
                    errorType: "HandlerMisuse",
                    message:
                        "DTQ2016 the validator of update \"\(request.name)\" \(violation), though it may only look",
                    isNonRetryable: true))
        }
        switch result {
        case .success: return .admitted
        case .failure(let error): return .rejected(FailureDetails(describing: error))
        }
    }

    /// Names of the updates the code takes, in order.
    package var updateNames: [String] { runtime.handlers.updates.keys.sorted() }

    private func look<Value>(
        _ subject: String, _ body: () throws -> Value
    ) -> (Result<Value, any Error>, violation: String?) {
        precondition(!runtime.mode.isEvicted, "an evicted instance answers nothing")
        runtime.executor.enter()
        defer { runtime.executor.leave() }
        var (result, violation) = runtime.looking(subject) { Result(catching: body) }
        if violation == nil, runtime.executor.hasQueuedJobs { violation = "resumed other code of the instance" }
        return (result, violation)
    }
}
