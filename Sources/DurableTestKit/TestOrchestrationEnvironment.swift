public import DurableCore
public import DurablePayloads
public import DurableTask
import Logging

/// Runs orchestrations in process, on a virtual clock: what takes a month takes milliseconds.
///
/// ```swift
/// let environment = try TestOrchestrationEnvironment(approval)
/// environment.mock(notify) { _ in }
/// let id = try environment.start(approval, input: expense)
/// environment.schedule(after: .seconds(86_400)) { try $0.raiseEvent("decision", to: id, decision) }
/// #expect(try await environment.output(of: approval, id) == "approved")
/// ```
///
/// The engine's own decisions are at work, without broker, queues and stores. Activities run one after the other and
/// take no virtual time unless a mock says so. When nothing can run at the present time, the clock jumps to what is due
/// next. So the same test always takes the same course. Needs no test framework: what is wrong is thrown, as
/// `OrchestrationTestError` with a text that says what to do; an orchestration that failed throws `FailureDetails`.
///
/// One task at a time runs the environment (`run`, `output`, `runUntilIdle`, `advance`, `assertReplaySafe`); everything
/// else may be called at any time, by a mock too.
public final class TestOrchestrationEnvironment: Sendable {
    let hub: PlatformLock<TestHub>
    private let escaped = PlatformLock<[InstanceID]>([])
    private let episodeLimit: Int
    let passage: PayloadPassage

    /// - Parameters:
    ///   - items: What the orchestrations under test call. An orchestration of theirs is replaced by registering
    ///     another of its name; activities are replaced by `mock`.
    ///   - startTime: What the clock shows first.
    ///   - episodeLimit: How many episodes one call may run before it is taken to go round in circles.
    ///   - payloads: Codecs that all payloads go through and back, as between processes.
    /// - Throws: Two of one kind share a name, or a name cannot be used.
    public init(
        _ items: any Registrable..., startTime: Timestamp = Timestamp(millisecondsSinceEpoch: 1_767_225_600_000),
        episodeLimit: Int = 100_000, payloads: PayloadOptions = PayloadOptions()
    ) throws(RegistryError) {
        var registry = Registry()
        for item in items { try item.register(in: &registry) }
        hub = PlatformLock(TestHub(registry: registry, now: startTime))
        self.episodeLimit = episodeLimit
        passage = PayloadPassage(payloads)
    }

    /// The virtual time; 2026-01-01T00:00:00Z at first unless `init` was told another.
    public var now: Timestamp { hub.withLock { $0.now } }

    // MARK: - Running

    /// Starts an instance, runs until it has ended, and decodes what it returned.
    ///
    /// - Parameter id: nil: the orchestration's name and a number.
    /// - Throws: `FailureDetails` if it failed or was terminated; `OrchestrationTestError`; `PayloadError`.
    @discardableResult
    public func run<Input, Output>(
        _ orchestration: Orchestration<Input, Output>, input: Input, id: InstanceID? = nil
    ) async throws -> Output {
        try await output(of: orchestration, start(orchestration, input: input, id: id))
    }

    /// Starts an instance that takes no input, runs until it has ended, and decodes what it returned.
    @discardableResult
    public func run<Output>(
        _ orchestration: Orchestration<NoValue, Output>, id: InstanceID? = nil
    ) async throws -> Output {
        try await run(orchestration, input: NoValue(), id: id)
    }

    /// Runs until an instance has ended, and decodes what it returned. Others go on as far as they come by then.
    ///
    /// - Throws: `FailureDetails` if it failed or was terminated; `OrchestrationTestError`, such as `.stuck` if nothing
    ///   is due any more that could wake it; `PayloadError`.
    @discardableResult
    public func output<Input, Output>(
        of orchestration: Orchestration<Input, Output>, _ id: InstanceID
    ) async throws -> Output {
        try await runUntilEnd(of: id)
        return try history(of: id).output(as: Output.self)
    }

    /// Runs until nothing is due any more, however far in the future.
    ///
    /// - Throws: `OrchestrationTestError`. Instances may fail, or wait for what does not come: ask for their status.
    public func runUntilIdle() async throws {
        try await drive(until: nil) { _ in false }
    }

    /// Lets virtual time pass: runs what is due until then.
    ///
    /// - Throws: As `runUntilIdle`.
    public func advance(by duration: Duration) async throws {
        let end = now + duration
        try await drive(until: end) { _ in false }
        hub.withLock { $0.setNow(end) }
    }

    func runUntilEnd(of id: InstanceID) async throws {
        func hasEnded(_ hub: TestHub) -> Bool { hub.instances[id]?.state.status.isTerminal ?? true }
        try await drive(until: nil, hasEnded)
        let waits: [String]? = hub.withLock { hub in
            if hasEnded(hub) { return nil }
            // Of entities those that somebody may wait for.
            return hub.order.compactMap { hub.instances[$0] }
                .filter { !$0.state.status.isTerminal && ($0.state.entity.map { $0.lock != nil } ?? true) }
                .map(\.waits)
        }
        guard let waits else { return }
        throw OrchestrationTestError(
            .stuck, id,
            "instance \"\(id)\" has not ended, and nothing is due that could wake it: "
                + "\(waits.joined(separator: "; ")). Raise the event, or schedule it before you run")
    }

    func drive(until limit: Timestamp?, _ isDone: (TestHub) -> Bool) async throws {
        try hub.withLock { hub throws(OrchestrationTestError) in
            if hub.isRunning {
                throw OrchestrationTestError(
                    .alreadyRunning, nil,
                    "the environment is running already: start all instances with start(), then run them together")
            }
            hub.isRunning = true
        }
        defer { hub.withLock { $0.isRunning = false } }
        var episodes = 0
        while true {
            try Task.checkCancellation()
            switch hub.withLock({ isDone($0) ? .idle : $0.nextStep(until: limit) }) {
            case .idle: return try findEscapes()
            case .callback(let body): try body(self)
            case .activity(let task, let number): try await runActivity(task, number: number)
            case .episode(let instance):
                episodes += 1
                try checkLimit(episodes, instance)
                try runEpisode(of: instance)
            }
        }
    }

    private func checkLimit(_ episodes: Int, _ instance: InstanceUnderTest) throws {
        if episodes <= episodeLimit { return }
        throw OrchestrationTestError(
            .episodeLimit, instance.id,
            "\(episodeLimit) episodes were run until \(now), the last of instance \"\(instance.id)\" "
                + "(\(instance.name)), and there is no end. An orchestration that never ends is run with "
                + "advance(by:); episodeLimit raises the limit")
    }

    // MARK: - Episodes

    private func runEpisode(of instance: InstanceUnderTest) throws {
        if hub.withLock({ _ in instance.state.entity != nil }) { return try runEntity(instance) }
        defer { instance.dropSessionIfOver() }
        if hub.withLock({ _ in !instance.state.inbox.isEmpty }) { try runInbox(of: instance) }
        try runUpdates(of: instance)
    }

    private func runInbox(of instance: InstanceUnderTest) throws {
        guard let events = hub.withLock({ $0.beginEpisode(of: instance) }) else {
            return hub.withLock { $0.imposeEnd(on: instance) }
        }
        try runCode(of: instance, over: events)
    }

    /// Lets the updates begin that the code has a handler for, as a worker does.
    private func runUpdates(of instance: InstanceUnderTest) throws {
        var passedOver: Set<UpdateID> = []
        while let request = hub.withLock({ $0.nextUpdate(of: instance, notIn: passedOver) }) {
            var violation: String?
            let admission: UpdateAdmission
            do {
                admission = try session(of: instance).admit(request, violation: &violation)
            } catch let error as OrchestrationTestError {
                throw held(instance, error)
            }
            if violation != nil {
                instance.session?.evict()
                instance.session = nil
            }
            switch admission {
            case .noHandler: passedOver.insert(request.id)
            case .rejected(let reason): hub.withLock { $0.reject(request, of: instance, because: reason) }
            case .admitted:
                try runCode(of: instance, over: hub.withLock { $0.begin(request, of: instance) })
                passedOver = []
            }
        }
    }

    private func runCode(of instance: InstanceUnderTest, over events: [HistoryEvent]) throws {
        defer { hub.withLock { $0.isInEpisode = false } }
        do {
            let session = try session(of: instance)
            let actions = try passage.pass(try session.run(events), of: instance.id)
            hub.withLock { hub in
                hub.isInEpisode = false
                hub.finish(instance, over: events, actions)
            }
        } catch let failure as EpisodeFailure {
            throw held(instance, OrchestrationTestError(failure, instance.id, instance.name))
        } catch let error as OrchestrationTestError {
            throw held(instance, error)
        }
    }

    private func held(_ instance: InstanceUnderTest, _ error: OrchestrationTestError) -> OrchestrationTestError {
        hub.withLock { $0.hold(instance, error) }
        instance.dropSessionIfOver()
        return error
    }

    func session(of instance: InstanceUnderTest) throws -> NativeOrchestration {
        if let session = instance.session { return session }
        let (id, execution) = (instance.id, instance.current)
        var options = NativeOrchestration.Options()
        options.onEscape = { [escaped] in escaped.withLock { $0.append(id) } }
        let session = hub.withLock { $0.registry }.makeSession(of: execution, options: options)
        guard let session else {
            throw OrchestrationTestError(
                .notRegistered, id,
                "instance \"\(id)\" is of orchestration \"\(execution.name)\", which is not registered: give it, or a "
                    + "simpler one of that name, to the environment")
        }
        if !execution.history.isEmpty { try session.replay(execution.history) }
        instance.session = session
        return session
    }

    /// Finds code that came back, on another thread, from an await that is not durable.
    private func findEscapes() throws {
        for id in escaped.withLock({ ids in
            defer { ids = [] }
            return ids
        }) {
            guard let instance = hub.withLock({ $0.instances[id] }), let session = instance.session else { continue }
            do {
                _ = try session.run([HistoryEvent(timestamp: now, kind: .orchestratorStarted)])
                // Nothing wrong after all: that episode is in no history, so the code is rebuilt when needed.
                session.evict()
                instance.session = nil
            } catch {
                throw held(instance, OrchestrationTestError(error, id, instance.name))
            }
        }
    }

    // MARK: - Activities

    private func runActivity(_ task: TaskMessage, number: Int) async throws {
        let (mock, failure, time) = hub.withLock { hub in
            let mock =
                hub.activities.mocks[task.name]
                ?? hub.registry.activity(named: task.name).map { .init(activity: $0, duration: .zero) }
            return (mock, hub.activities.takeFailure(of: task.name), hub.now)
        }
        let result: Result<Payload?, FailureDetails>
        if let failure {
            result = .failure(failure)
        } else if let mock {
            let context = ActivityContext(
                name: task.name, instanceID: task.instanceID, executionID: task.executionID, taskID: task.taskID)
            let output = await mock.activity.run(input: task.input, context: context)
            result = try output.passing {
                try passage.pass($0, of: task.instanceID, "the result of activity \"\(task.name)\"")
            }
        } else {
            throw OrchestrationTestError(
                .notRegistered, task.instanceID,
                "instance \"\(task.instanceID)\" calls activity \"\(task.name)\" (event ID \(task.taskID)), which is "
                    + "neither registered nor mocked: give it to the environment, or mock it")
        }
        let outcome: HistoryEvent.Kind =
            switch result {
            case .success(let value): .taskCompleted(taskID: task.taskID, result: value)
            case .failure(let details): .taskFailed(taskID: task.taskID, failure: details)
            }
        hub.withLock { hub in
            let failure = if case .failure(let details) = result { details } else { FailureDetails?.none }
            hub.activities.note(.init(task: task, time: time, failure: failure))
            let end = time + (mock?.duration ?? .zero)
            let completion = Message(
                id: hub.newMessageID(), instanceID: task.instanceID, executionID: task.executionID,
                dispatch: task.dispatch, event: HistoryEvent(timestamp: end, kind: outcome))
            hub.schedule(.message(completion), at: end, number: number)
        }
    }
}

extension Result<Payload?, FailureDetails> {
    fileprivate func passing(_ pass: (Payload?) throws -> Payload?) rethrows -> Self {
        if case .success(let output) = self { .success(try pass(output)) } else { self }
    }
}

extension Registry {
    /// A new session of an execution, nothing run yet; nil when its orchestration is not registered.
    func makeSession(
        of execution: RecordedExecution, options: NativeOrchestration.Options = .init()
    ) -> NativeOrchestration? {
        makeSession(
            name: execution.name, version: execution.version, author: execution.history.lastAuthor,
            instanceID: execution.instanceID,
            executionID: execution.executionID, patches: execution.history.recordedPatches, options: options)
    }
}
