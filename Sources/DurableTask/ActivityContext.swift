public import DurableCore
public import Logging

/// What an activity knows about its run. To see whether it should stop it asks `Task.isCancelled`.
public struct ActivityContext: Sendable {
    public let name: String
    /// The orchestration instance that asked for this work.
    public let instanceID: InstanceID
    public let executionID: ExecutionID
    /// The request's event ID in that execution.
    public let taskID: EventID
    /// From 1. An attempt that a `RetryPolicy` makes is a request of its own, and counts from 1 again.
    public let attempt: Int
    /// From 1; above 1 an earlier delivery of this attempt may have done part of the work.
    public let deliveryCount: Int
    public let logger: Logger

    /// `instance/execution/task`: the same for every run of this request, so that the receiver of a side effect can
    /// tell a repetition. Attempts of a `RetryPolicy` have one each: a key for all of them goes with the input.
    public var idempotencyKey: String { "\(instanceID)/\(executionID)/\(taskID)" }

    public init(
        name: String, instanceID: InstanceID, executionID: ExecutionID, taskID: EventID, attempt: Int = 1,
        deliveryCount: Int = 1, logger: Logger = Logger(label: "dtq.activity")
    ) {
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
}
