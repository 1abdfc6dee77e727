public import DurableTask

extension TestOrchestrationEnvironment {
    // MARK: - Mocks

    /// Runs `body` instead of an activity from now on, registered or not. Another mock of the same name takes its place.
    ///
    /// - Parameters:
    ///   - duration: Virtual time from begin to result. The body runs at the begin.
    ///   - body: Gives the result, or throws; it may raise events and look at the environment.
    public func mock<Input, Output>(
        _ activity: Activity<Input, Output>, taking duration: Duration = .zero,
        _ body: @escaping @Sendable (Input, ActivityContext) async throws -> Output
    ) {
        mock(Activity(activity.name, run: body), duration)
    }

    /// Runs `body` instead of an activity from now on.
    public func mock<Input, Output>(
        _ activity: Activity<Input, Output>, taking duration: Duration = .zero,
        _ body: @escaping @Sendable (Input) async throws -> Output
    ) {
        mock(Activity(activity.name) { input, _ in try await body(input) }, duration)
    }

    /// Runs `body` instead of an activity that returns nothing, from now on.
    public func mock<Input>(
        _ activity: Activity<Input, NoValue>, taking duration: Duration = .zero,
        _ body: @escaping @Sendable (Input) async throws -> Void
    ) {
        mock(Activity(activity.name) { input, _ in try await body(input) }, duration)
    }

    /// Runs `body` instead of an activity that takes no input, from now on.
    public func mock<Output>(
        _ activity: Activity<NoValue, Output>, taking duration: Duration = .zero,
        _ body: @escaping @Sendable () async throws -> Output
    ) {
        mock(Activity<NoValue, Output>(activity.name) { _, _ in try await body() }, duration)
    }

    /// Runs `body` instead of an activity that neither takes nor returns anything, from now on.
    public func mock(
        _ activity: Activity<NoValue, NoValue>, taking duration: Duration = .zero,
        _ body: @escaping @Sendable () async throws -> Void
    ) {
        mock(
            Activity<NoValue, NoValue>(activity.name) { _, _ in
                try await body()
                return NoValue()
            }, duration)
    }

    /// Runs `body` instead of the activity of that name from now on; the body says which input it expects.
    public func mock<Input: Codable & Sendable, Output: Codable & Sendable>(
        _ name: String, taking duration: Duration = .zero,
        _ body: @escaping @Sendable (Input) async throws -> Output
    ) {
        mock(Activity<Input, Output>(name) { input, _ in try await body(input) }, duration)
    }

    private func mock<Input, Output>(_ activity: Activity<Input, Output>, _ duration: Duration) {
        let mock = ActivityTable.Mock(activity: AnyActivity(activity), duration: duration)
        hub.withLock { $0.activities.mocks[activity.name] = mock }
    }

    // MARK: - Failures

    /// Has calls of an activity fail without being run: the next `count`, or all from now on. What comes after them is
    /// run as before, mocked or not.
    ///
    /// - Parameters:
    ///   - error: What the orchestration sees as the activity's failure.
    ///   - count: At least 1; nil: all. 0 takes the failures away again.
    public func fail<Input, Output>(
        _ activity: Activity<Input, Output>, with error: any Error = InjectedFailure(), next count: Int? = nil
    ) {
        fail(activity.name, with: error, next: count)
    }

    /// Has calls of the activity of that name fail without being run.
    public func fail(_ name: String, with error: any Error = InjectedFailure(), next count: Int? = nil) {
        let failures = ActivityTable.InjectedFailures(remaining: count, details: FailureDetails(describing: error))
        hub.withLock { $0.activities.failures[name] = count == 0 ? nil : failures }
    }
}

/// What an activity fails with that is made to fail, unless the test says otherwise. Trying again may help.
public struct InjectedFailure: Error, Hashable, Sendable, CustomStringConvertible {
    /// One like any other.
    public init() {}
    public var description: String { "the test makes this activity fail" }
}
