package import DurableCore

/// Runs user code for the engine, which knows orchestrations only by this contract:
/// history and new events in, actions out.
package protocol EpisodeExecutor: Sendable {
    /// Whether code is registered under exactly that name and version; nil stands for code registered without one.
    func has(_ code: OrchestrationCode) -> Bool

    /// Makes a fresh, empty session for an instance.
    ///
    /// - Parameters:
    ///   - code: The registration that is to run it.
    ///   - version: Of the instance.
    ///   - patches: Those that the instance's history has recorded.
    ///   - onEscape: Called by any thread when code comes back from an await that is not durable while no episode may be
    ///     due; the next episode, of `orchestratorStarted` alone if there is nothing else, throws.
    /// - Returns: nil when this worker has no such code.
    func makeSession(
        _ code: OrchestrationCode, version: String?, instanceID: InstanceID, executionID: ExecutionID,
        patches: Set<String>, onEscape: @escaping @Sendable () -> Void
    ) -> (any OrchestrationSession)?

    /// Performs one operation of an entity, at once.
    ///
    /// - Parameter state: Of the entity; nil: it has none.
    /// - Returns: nil when this worker has no code of that entity.
    func perform(
        _ operation: EntityTurn.Operation, on id: EntityID, state: Payload?, at now: Timestamp
    ) -> EntityOutcome?

    /// Whether this worker has code of entities of that name.
    func hasEntity(named name: String) -> Bool
}

/// One instance's code, suspended in memory between episodes. Used from the partition's thread only.
package protocol OrchestrationSession: AnyObject {
    /// Feeds a page of recorded history; any number of pages in order, before the first `run`.
    func replay(_ page: [HistoryEvent]) throws(EpisodeFailure)

    /// Runs one episode over new events, the first of which is `orchestratorStarted`.
    ///
    /// - Returns: What the code asked for, in order.
    func run(_ newEvents: [HistoryEvent]) throws(EpisodeFailure) -> [OrchestratorAction]

    /// Has the code answer a query from the state it is in. After `misused` only `evict` may follow.
    func query(_ name: String, input: Payload?) -> HandlerAnswer

    /// Whether the code has a handler of that update by now.
    func takesUpdate(named name: String) -> Bool

    /// Has the code say whether an update may begin: after that `run` over `updateRequested` may follow.
    ///
    /// - Parameter violation: Set to what its validator did that it must not: only `evict` may follow then.
    func admit(_ request: UpdateRequest, violation: inout String?) -> UpdateAdmission

    /// Frees everything; what the dying code still does is ignored. Idempotent. After a thrown failure only this is
    /// called.
    func evict()

    /// Version its code is registered with; nil: without one.
    var registeredVersion: String? { get }

    /// What it costs to keep it, for the sticky cache.
    var estimatedBytes: Int { get }
}
