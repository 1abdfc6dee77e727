import DurableCore
public import DurableTask

extension TestOrchestrationEnvironment {
    // MARK: - Replay safety

    /// Runs an instance to its end, then checks that it and all others that took part survive a crash at every await.
    /// See `assertReplaySafe()`.
    ///
    /// - Returns: Its history. An orchestration may fail and be safe: ask the history for its output.
    /// - Throws: `OrchestrationTestError`: `.replayDiverged` with the first divergence, or whatever the run throws.
    @discardableResult
    public func assertReplaySafe<Input, Output>(
        _ orchestration: Orchestration<Input, Output>, input: Input, id: InstanceID? = nil
    ) async throws -> OrchestrationHistory {
        let id = try start(orchestration, input: input, id: id)
        try await runUntilEnd(of: id)
        try assertReplaySafe()
        return try history(of: id)
    }

    /// Runs an instance that takes no input to its end, and checks it. See `assertReplaySafe()`.
    @discardableResult
    public func assertReplaySafe<Output>(
        _ orchestration: Orchestration<NoValue, Output>, id: InstanceID? = nil
    ) async throws -> OrchestrationHistory {
        try await assertReplaySafe(orchestration, input: NoValue(), id: id)
    }

    /// Checks that the code of every instance that has run so far takes the same way again, as after a crash.
    ///
    /// Each instance is run again over what it was given: from its start, and, for each episode, in a session rebuilt
    /// from the history before that episode, as a worker does after a crash or when it has made room. Every session must
    /// ask for the same, in the same order, with the same inputs, and come to the same end. Its history must also be
    /// replayable when it comes in two parts, cut after any event. Activities do not run again. Of a history of more than
    /// 256 events some episodes and cuts are taken, spread evenly, the first and the last among them.
    ///
    /// Finds what differs between two runs in one process: clocks (to the millisecond), random numbers, counters and
    /// other shared state, and, with high probability, an order taken from a `Dictionary` or `Set`.
    ///
    /// - Throws: `OrchestrationTestError`, most often `.replayDiverged`: the first divergence of the first instance that
    ///   has one, with the position in its history, what history holds and what the code asked for.
    public func assertReplaySafe() throws {
        let (registry, executions) = hub.withLock { hub in
            (
                hub.registry,
                hub.order.compactMap { hub.instances[$0] }.filter { $0.state.entity == nil }.flatMap(\.executions)
            )
        }
        ReplayCheck.passMillisecond()
        for execution in executions { try ReplayCheck(execution, registry).run() }
    }
}

/// Checks that the present code fits a history, such as a fixture: replays it whole, and in two parts, cut after each of
/// its events. Inputs are not compared, as they are not by a worker.
///
/// ```swift
/// let history = try OrchestrationHistory(contentsOf: fixtures.appending(path: "order-1881.json"))
/// try assertReplays(history, shipOrder)
/// ```
///
/// - Parameter code: The orchestration the history is of, among others perhaps.
/// - Throws: `OrchestrationTestError`: `.replayDiverged` (with the position in the history, what it holds and what the
///   code asked for), `.nonDurableAwait` or `.contextMisuse` if the code does not fit; `.fixtureUnusable` if the history
///   has no start; `.notRegistered` if it is of none of `code`.
public func assertReplays(_ history: OrchestrationHistory, _ code: any Registrable...) throws {
    var registry = Registry()
    for item in code { try item.register(in: &registry) }
    guard let start = history.start else {
        throw OrchestrationTestError(
            .fixtureUnusable, history.instanceID,
            "the history of instance \"\(history.instanceID)\" has no ExecutionStarted: export it whole")
    }
    let author = history.events.lastAuthor
    guard registry.orchestration(named: start.name, version: start.version, author: author) != nil else {
        let names = registry.orchestrationNames.map { "\"\($0)\"" }.joined(separator: ", ")
        throw OrchestrationTestError(
            .notRegistered, history.instanceID,
            "the history of instance \"\(history.instanceID)\" is of orchestration \"\(start.name)\", and the code given "
                + "is \(names.isEmpty ? "none" : names)")
    }
    try ReplayCheck(history, start, registry).replayInParts()
}
