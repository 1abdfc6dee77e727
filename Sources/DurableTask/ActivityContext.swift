public import DurableCore
public import Logging

/// What an activity knows about its run. To see whether it should stop it asks `Task.isCancelled`.
public struct ActivityContext: Sendable {
    /// Of the activity.
    public let name: String
    /// The orchestration instance that asked for this work.
    public let instanceID: InstanceID
    /// The execution of that instance that asked.
    public let executionID: ExecutionID
    /// The request's event ID in that execution.
    public let taskID: EventID
    /// From 1. An attempt that a `RetryPolicy` makes is a request of its own, and counts from 1 again.
    public let attempt: Int
    /// From 1; above 1 an earlier delivery of this attempt may have done part of the work.
    public let deliveryCount: Int
    /// Carries the names and numbers of this run. An activity that runs again logs again.
    public let logger: Logger
    private let lastDetails: Payload?
    private let onHeartbeat: @Sendable (Payload) -> Void

    /// `instance/execution/task`: the same for every run of this request, so that the receiver of a side effect can
    /// tell a repetition. Attempts of a `RetryPolicy` have one each: a key for all of them goes with the input.
    public var idempotencyKey: String { "\(instanceID)/\(executionID)/\(taskID)" }

    /// A context for a test that runs an activity by itself. Heartbeats go nowhere.
    public init(
        name: String, instanceID: InstanceID, executionID: ExecutionID, taskID: EventID, attempt: Int = 1,
        deliveryCount: Int = 1, logger: Logger = Logger(label: "dtq.activity")
    ) {
        self.init(
            name: name, instanceID: instanceID, executionID: executionID, taskID: taskID, attempt: attempt,
            deliveryCount: deliveryCount, lastHeartbeat: nil, onHeartbeat: { _ in }, logger: logger)
    }

    /// - Parameters:
    ///   - lastHeartbeat: What an earlier run of this request said last.
    ///   - onHeartbeat: Given what this run says; called by any thread.
    package init(
        name: String, instanceID: InstanceID, executionID: ExecutionID, taskID: EventID, attempt: Int = 1,
        deliveryCount: Int = 1, lastHeartbeat: Payload?, onHeartbeat: @escaping @Sendable (Payload) -> Void,
        logger: Logger = Logger(label: "dtq.activity")
    ) {
        lastDetails = lastHeartbeat
        self.onHeartbeat = onHeartbeat
        self.name = name
        self.instanceID = instanceID
        self.executionID = executionID
        self.taskID = taskID
        self.attempt = attempt
        self.deliveryCount = deliveryCount
        var logger = logger
        logger[metadataKey: "activity"] = "\(name)"
        logger[metadataKey: "instance"] = "\(instanceID)"
        logger[metadataKey: "task"] = "\(taskID)"
        logger[metadataKey: "attempt"] = "\(attempt)"
        self.logger = logger
    }

    // MARK: Heartbeats

    /// Says how far this run has come, so that a later run of the same request can go on from there: one that is given
    /// to another worker because this one died or was drained. Costs nothing when called often: the newest is sent every
    /// two seconds, and kept with the instance.
    ///
    /// Also the place to end where the result is not wanted any more:
    ///
    /// ```swift
    /// let encode = Activity("Encode") { (clip: Clip, context: ActivityContext) in
    ///     for frame in try (context.lastHeartbeat() ?? 0)..<clip.frameCount {
    ///         try clip.encode(frame)
    ///         try context.heartbeat(frame + 1)
    ///     }
    /// }
    /// ```
    ///
    /// - Parameter details: 64 KiB at most when encoded.
    /// - Throws: `CancellationError` if the task is cancelled, since nobody waits for the result any more or the worker
    ///   stops; `PayloadError`.
    public func heartbeat(_ details: some Encodable & Sendable) throws {
        let what = "the heartbeat of activity \"\(name)\""
        guard let payload = try PayloadCoding.encode(details, as: what) else { return try Task.checkCancellation() }
        if payload.count > TaskHeartbeat.detailsLimit {
            throw PayloadError(
                direction: .encoding, subject: what,
                reason: "it has \(payload.count) bytes, the limit is \(TaskHeartbeat.detailsLimit)")
        }
        onHeartbeat(payload)
        try Task.checkCancellation()
    }

    /// What an earlier run of this request said last.
    ///
    /// - Returns: nil when there was none, it said nothing, or its word was lost.
    /// - Throws: `PayloadError` when that is no `Details`.
    public func lastHeartbeat<Details: Decodable>(as type: Details.Type = Details.self) throws -> Details? {
        guard let lastDetails else { return nil }
        return try PayloadCoding.decode(type, from: lastDetails, as: "the last heartbeat of activity \"\(name)\"")
    }
}
