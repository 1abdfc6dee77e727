public import DurableCore
public import DurableTask

extension TestOrchestrationEnvironment {
    /// All instances there have been, in order of start; sub-orchestrations among them.
    public var instances: [InstanceID] { hub.withLock { $0.order.filter { !$0.isReserved } } }

    /// - Throws: `OrchestrationTestError.Code.instanceNotFound`.
    public func status(of id: InstanceID) throws -> OrchestrationStatus { try ask(id) { $0.state.status } }

    /// What the code has set last; nil: nothing.
    ///
    /// - Throws: `OrchestrationTestError.Code.instanceNotFound`; `PayloadError` if it is no `Value`.
    public func customStatus<Value: Decodable>(of id: InstanceID, as type: Value.Type = Value.self) throws -> Value? {
        guard let payload = try ask(id, { $0.state.customStatus }) else { return nil }
        return try PayloadCoding.decode(type, from: payload, as: "the custom status of instance \"\(id)\"")
    }

    /// Everything recorded so far of an instance's present execution, or its last.
    ///
    /// - Throws: `OrchestrationTestError.Code.instanceNotFound`.
    public func history(of id: InstanceID) throws -> OrchestrationHistory {
        try ask(id) { OrchestrationHistory(instanceID: id, events: $0.current.history) }
    }

    private func ask<Answer>(_ id: InstanceID, _ question: (InstanceUnderTest) -> Answer) throws -> Answer {
        guard let answer = hub.withLock({ $0.instances[id].map(question) }) else { throw notFound(id) }
        return answer
    }

    // MARK: - Calls of activities

    /// The calls of an activity so far, mocked or not, in the order in which they began.
    ///
    /// - Throws: `PayloadError` if an input is no `Input`.
    public func calls<Input, Output>(of activity: Activity<Input, Output>) throws -> [ActivityCall<Input>] {
        try calls(of: activity.name, as: Input.self)
    }

    /// The calls of the activity of that name so far.
    ///
    /// - Throws: `PayloadError` if an input is no `Input`.
    public func calls<Input: Decodable & Sendable>(
        of name: String, as type: Input.Type = Input.self
    ) throws -> [ActivityCall<Input>] {
        try hub.withLock { $0.activities.calls }.filter { $0.task.name == name }.map { call in
            ActivityCall(
                input: try PayloadCoding.decode(
                    Input.self, from: call.task.input, as: "the input of activity \"\(name)\""),
                instanceID: call.task.instanceID, taskID: call.task.taskID, time: call.time, failure: call.failure)
        }
    }
}

/// One run of an activity, as the test sees it.
public struct ActivityCall<Input: Sendable>: Sendable {
    /// What the activity was given.
    public let input: Input
    /// The instance that called.
    public let instanceID: InstanceID
    /// The request's event ID.
    public let taskID: EventID
    /// When it began.
    public let time: Timestamp
    /// What it failed with, injected failures too; nil: it returned.
    public let failure: FailureDetails?
}
