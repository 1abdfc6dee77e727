package import DurableCore
package import Logging

/// One live instance of an orchestration written in Swift, suspended between its episodes.
///
/// The user's function runs as a task whose jobs are collected and run inline on the thread that calls `replay`, `run`
/// or `evict`. History is fed one event at a time and the jobs run after each, live and on replay alike, so that the
/// order in which code resumes depends on the history alone. Any thread may call, one at a time.
package final class NativeOrchestration {
    package struct Options: Sendable {
        /// Where the context's logger writes.
        package var logger: Logger
        /// Hands recorded results to the code without suspending it where that cannot change the order. Off only to
        /// test that it cannot.
        package var usesFastPath = true
        /// What `run` is given was recorded before, with all that the code asked for: no patch is new. For checks of a
        /// history that go through its episodes one by one.
        package var repeatsHistory = false
        /// Called by any thread when code comes back from an await that is not durable while no episode may be due:
        /// the next `run`, of `orchestratorStarted` alone if nothing else is there, throws `nonDurableAwait`.
        package var onEscape: (@Sendable () -> Void)?

        package init(logger: Logger = Logger(label: "dtq.orchestration")) { self.logger = logger }
    }

    private let orchestration: AnyOrchestration
    let runtime: OrchestratorRuntime
    private var root: Task<Void, Never>?
    private var hasStarted = false
    private var hasRun = false

    /// - Parameter patches: Those that the history to be replayed has recorded.
    package init(
        orchestration: AnyOrchestration, version: String? = nil, instanceID: InstanceID, executionID: ExecutionID,
        patches: Set<String>, options: Options = Options()
    ) {
        self.orchestration = orchestration
        runtime = OrchestratorRuntime(
            orchestration, version: version, instanceID: instanceID, executionID: executionID, patches: patches,
            options: options)
    }

    deinit { evict() }

    /// Version its code is registered with; nil: without one.
    package var registeredVersion: String? { orchestration.version }

    /// True once the code returned or threw; the last action of that episode says how.
    package var isComplete: Bool { runtime.isComplete }

    /// Names of the external events that the code waits for, in order of name.
    package var awaitedEvents: [String] { runtime.events.awaitedNames }

    /// What the instance costs in memory, roughly: a suspended task, its open operations, and the payloads it was
    /// handed or that wait for it. Rises over an execution, since the code may keep what it was handed.
    package var estimatedBytes: Int {
        // Measured: 4.7 KB for a sequence, 240 B for each child of a group that waits for an activity.
        return 4500 + runtime.waitingCount * 300 + runtime.events.bufferedBytes + runtime.deliveredBytes
    }

    /// Feeds a page of recorded history, any number of events. Before the first `run` only.
    ///
    /// - Throws: What makes the instance unusable; only `evict` may follow.
    package func replay(_ page: [HistoryEvent]) throws(EpisodeFailure) {
        precondition(!hasRun, "history comes before new events")
        runtime.mode.isReplaying = true
        defer { runtime.mode.isReplaying = false }
        try feed(page)
    }

    /// Runs one episode.
    ///
    /// - Parameter newEvents: `orchestratorStarted`, then what arrived, in order. The events that record an episode's
    ///   actions are never fed to the instance that asked for them.
    /// - Returns: What the code asked for, in order of request. The last is `completeOrchestration` if it ended.
    /// - Throws: What makes the instance unusable; only `evict` may follow.
    package func run(_ newEvents: [HistoryEvent]) throws(EpisodeFailure) -> [OrchestratorAction] {
        hasRun = true
        try feed(newEvents)
        if let failure = runtime.unencodable, !runtime.isComplete {
            runtime.isComplete = true
            let id = runtime.operations.add(.settled)
            runtime.asked.removeAll()
            runtime.asked.append(.completeOrchestration(id: id, status: .failed, result: nil, failure: failure))
        }
        let actions = runtime.takeAsked()
        runtime.feed.skip(recorded: actions.count(where: \.leavesHistoryEvent))
        return actions
    }

    /// Ends the suspended code and frees what it holds; what it does on its way out is ignored. May be called again.
    ///
    /// Code that still awaits something that is not durable ends by itself, on another thread, once that returns.
    package func evict() {
        if runtime.mode.isEvicted { return }
        let executor = runtime.executor
        executor.enter()
        runtime.interruptAll()
        root?.cancel()
        root = nil
        runtime.ending.cancelCode = nil
        executor.run()
        executor.leave()
        executor.abandon()
    }

    // MARK: Feeding

    private func feed(_ events: [HistoryEvent]) throws(EpisodeFailure) {
        precondition(!runtime.mode.isEvicted, "an evicted instance runs no episode")
        if let fault = runtime.fault { throw fault }
        runtime.executor.enter()
        defer { runtime.executor.leave() }
        runtime.feed.load(events)
        defer { runtime.feed.unload() }
        while let event = runtime.feed.upcoming {
            runtime.feed.advance()
            runtime.apply(event)
            if case .executionStarted(let started) = event.kind { start(started) }
            runtime.executor.run()
            while runtime.resumeCondition() { runtime.executor.run() }
            if let fault = runtime.fault ?? misuse() ?? escape() {
                runtime.fault = fault
                throw fault
            }
        }
    }

    private func start(_ started: ExecutionStarted) {
        if hasStarted { return }
        hasStarted = true
        let input = started.input
        for tag in started.tags { runtime.tags[tag.key] = tag.value }
        runtime.deliveredBytes += input?.count ?? 0
        // Detached: no task-locals, no priority of whoever runs the episode. The task must not keep `self`.
        let task = Task.detached(executorPreference: runtime.executor) { [runtime, orchestration] in
            runtime.finish(await orchestration.run(input, OrchestrationContext(runtime: runtime)))
        }
        root = task
        runtime.ending.cancelCode = { task.cancel() }
    }

    private func misuse() -> EpisodeFailure? {
        guard let call = runtime.misusedCall else { return nil }
        return .contextMisuse(
            "\(call) was called from outside the orchestration (Task {}, Task.detached, a callback, another thread); "
                + "use async let or a task group instead, or move that work into an activity")
    }

    /// The queue is empty: each task of the orchestration is done or suspended. One that waits for nothing durable
    /// waits for something that history will not bring back.
    private func escape() -> EpisodeFailure? {
        guard hasStarted, !runtime.isComplete, runtime.unencodable == nil else { return nil }
        let remedy =
            "Move such work into an activity; use context.sleep instead of Task.sleep, and async let or a task group "
            + "instead of Task {}"
        if runtime.executor.hasForeignJobs {
            return .nonDurableAwait(
                "the orchestration was resumed by another thread: it awaited something that is not durable "
                    + "(Task {}, Task.sleep, a shared actor, MainActor, a callback). \(remedy)")
        }
        if runtime.waitingCount == 0 {
            return .nonDurableAwait(
                "the orchestration is suspended, but on no activity, timer, event or sub-orchestration: it awaits "
                    + "something that is not durable (Task {}, Task.sleep, a shared actor, MainActor, a callback). "
                    + remedy)
        }
        return nil
    }
}

extension OrchestratorAction {
    fileprivate var leavesHistoryEvent: Bool {
        switch self {
        case .scheduleTask, .createTimer, .sendEvent, .createSubOrchestration, .continueAsNew, .completeOrchestration,
            .recordPatch, .completeUpdate, .callEntity, .signalEntity, .lockEntities, .unlockEntity, .abandonSection:
            true
        case .cancelTimer, .cancelTask, .cancelChild, .setCustomStatus, .setCompensatesTermination, .passOn: false
        }
    }
}
