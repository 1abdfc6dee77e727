public import DurableCore

extension OrchestrationContext {
    // MARK: Sub-orchestrations

    /// Starts another instance, its child, and waits for its result. It runs wherever its partition is, on its own
    /// history; this one waits as for an activity. Where this task is cancelled, so is the child: its code is, and ends
    /// as it likes. Terminating a parent terminates children that have not ended, unless asked not to.
    ///
    /// With a policy, each attempt is a child of its own with an ID of its own, so that those that failed can still be
    /// looked at. (The Durable Task Framework starts the same ID again over the failed instance; here an ID is used
    /// once.) A child that was terminated, or that could not be started, is not tried again.
    ///
    /// - Parameters:
    ///   - version: Of the child; nil: that of the orchestration given, or else what its owner gives those without one.
    ///   - instanceID: Of the child. nil: one of its own, the same on replay. Further attempts have this one with
    ///     `:attempt-2`, `:attempt-3` and so on after it; it must be short enough for that.
    ///   - retry: When to try again; nil: a failure is final.
    ///   - whenCancelled: What becomes of the child when this task is cancelled while it waits.
    ///   - tags: Of the child, which has none of its parent's; at most 16, keys of up to 64 bytes, values of up to 256.
    /// - Throws: `SubOrchestrationFailure` if the child failed (in the last attempt) or was terminated, or an instance
    ///   of that ID is there already; `CancellationError` if this task is cancelled (before: nothing was requested;
    ///   while waiting: the child is cancelled too, unless asked otherwise, and what comes of it is ignored; between
    ///   attempts: no further one is made); `InvalidInstanceID`; `InvalidTags`; `PayloadError` if the result is no
    ///   `Output`; `InvalidRetryPolicy`.
    public func callSubOrchestration<Input, Output>(
        _ orchestration: Orchestration<Input, Output>, _ input: Input, version: String? = nil,
        instanceID: InstanceID? = nil, retry: RetryPolicy? = nil, tags: [String: String] = [:],
        whenCancelled: ChildCancellation = .cancel
    ) async throws -> Output {
        try await callSubOrchestration(
            orchestration.name, input, version: version ?? orchestration.version, instanceID: instanceID,
            retry: retry, tags: tags, whenCancelled: whenCancelled, as: Output.self)
    }

    /// Starts a child that takes no input, and waits for its result.
    public func callSubOrchestration<Output>(
        _ orchestration: Orchestration<NoValue, Output>, version: String? = nil, instanceID: InstanceID? = nil,
        retry: RetryPolicy? = nil, tags: [String: String] = [:],
        whenCancelled: ChildCancellation = .cancel
    ) async throws -> Output {
        try await callSubOrchestration(
            orchestration.name, NoValue(), version: version ?? orchestration.version, instanceID: instanceID,
            retry: retry, tags: tags, whenCancelled: whenCancelled, as: Output.self)
    }

    /// Starts a child that returns nothing, and waits for its end.
    public func callSubOrchestration<Input>(
        _ orchestration: Orchestration<Input, NoValue>, _ input: Input, version: String? = nil,
        instanceID: InstanceID? = nil, retry: RetryPolicy? = nil, tags: [String: String] = [:],
        whenCancelled: ChildCancellation = .cancel
    ) async throws {
        _ = try await callSubOrchestration(
            orchestration.name, input, version: version ?? orchestration.version, instanceID: instanceID,
            retry: retry, tags: tags, whenCancelled: whenCancelled, as: NoValue.self)
    }

    /// Starts a child that neither takes nor returns anything, and waits for its end.
    public func callSubOrchestration(
        _ orchestration: Orchestration<NoValue, NoValue>, version: String? = nil, instanceID: InstanceID? = nil,
        retry: RetryPolicy? = nil, tags: [String: String] = [:],
        whenCancelled: ChildCancellation = .cancel
    ) async throws {
        _ = try await callSubOrchestration(
            orchestration.name, NoValue(), version: version ?? orchestration.version, instanceID: instanceID,
            retry: retry, tags: tags, whenCancelled: whenCancelled, as: NoValue.self)
    }

    /// Starts a child of the orchestration of that name, wherever it is written, and waits for its result.
    public func callSubOrchestration<Output: Decodable & Sendable>(
        _ name: String, _ input: some Encodable & Sendable = NoValue(), version: String? = nil,
        instanceID: InstanceID? = nil, retry: RetryPolicy? = nil, tags: [String: String] = [:],
        whenCancelled: ChildCancellation = .cancel, as type: Output.Type = Output.self
    ) async throws -> Output {
        try await runtime.admit("context.callSubOrchestration")
        let longest = instanceID?.ofAttempt(max(1, retry?.maximumAttempts ?? 1))
        if let defect = instanceID?.orchestrationDefect ?? longest?.defect {
            throw InvalidInstanceID(description: defect)
        }
        if CriticalSection.current != nil {
            throw CriticalSectionError(
                "orchestration \"\(name)\" cannot be called in a critical section: it might wait for an entity "
                    + "that waits for this section. Call it before or after, or start it without waiting for it")
        }
        let kept = try checked(tags)
        let result = try await runtime.retrying(retry, "context.callSubOrchestration") { attempt in
            let payload = try runtime.encodeUnlessReplaying(input, as: "the input of orchestration \"\(name)\"")
            return try await runtime.callSubOrchestration(
                name, version: version, instanceID: instanceID?.ofAttempt(attempt), input: payload,
                tags: kept, whenCancelled: whenCancelled)
        }
        return try PayloadCoding.decode(type, from: result, as: "the result of orchestration \"\(name)\"")
    }

    /// Starts another instance that nobody waits for. It is on its way once this episode is saved; should an instance
    /// of that ID be there already, nothing happens.
    ///
    /// - Returns: Its ID.
    /// - Throws: `InvalidInstanceID`, `InvalidTags`.
    @discardableResult
    public func startOrchestration<Input, Output>(
        _ orchestration: Orchestration<Input, Output>, _ input: Input, version: String? = nil,
        instanceID: InstanceID? = nil, tags: [String: String] = [:]
    ) throws -> InstanceID {
        try startOrchestration(
            orchestration.name, input, version: version ?? orchestration.version, instanceID: instanceID, tags: tags)
    }

    /// Starts an instance of the orchestration of that name that nobody waits for.
    ///
    /// - Returns: Its ID.
    /// - Throws: `InvalidInstanceID`, `InvalidTags`, `PayloadError`.
    @discardableResult
    public func startOrchestration(
        _ name: String, _ input: some Encodable & Sendable = NoValue(), version: String? = nil,
        instanceID: InstanceID? = nil, tags: [String: String] = [:]
    ) throws -> InstanceID {
        if let defect = instanceID?.orchestrationDefect { throw InvalidInstanceID(description: defect) }
        let kept = try checked(tags)
        guard runtime.mayAct("context.startOrchestration") else { throw OrchestrationInterrupted() }
        let payload = try runtime.encodeUnlessReplaying(input, as: "the input of orchestration \"\(name)\"")
        return runtime.startOrchestration(
            name, version: version, instanceID: instanceID, input: payload, tags: kept)
    }
}

extension OrchestrationContext {
    private func checked(_ tags: [String: String]) throws -> [ExecutionStarted.Tag] {
        let tags = [ExecutionStarted.Tag](tags)
        if let defect = tags.defect { throw InvalidTags(description: defect) }
        return tags
    }
}

/// What becomes of a sub-orchestration when the call that waits for it is cancelled.
public enum ChildCancellation: Hashable, Sendable {
    /// It is asked to end: its code is cancelled.
    case cancel
    /// It goes on by itself.
    case abandon
}

extension InstanceID {
    /// The ID of a child's attempt, counted from 1.
    fileprivate func ofAttempt(_ number: Int) -> InstanceID {
        number == 1 ? self : InstanceID("\(value):attempt-\(number)")
    }
}
