public import DurableCore

/// An activity failed. Thrown by `callActivity`; an orchestration that does not catch it fails with it as the cause.
public struct ActivityFailure: Error, Hashable, Sendable, CustomStringConvertible {
    /// As it was called.
    public let activityName: String
    /// The request's event ID.
    public let taskID: EventID
    /// What the activity threw.
    public let details: FailureDetails

    /// For tests: what a worker would throw.
    public init(activityName: String, taskID: EventID, details: FailureDetails) {
        self.activityName = activityName
        self.taskID = taskID
        self.details = details
    }

    public var description: String { "activity \"\(activityName)\" (task \(taskID)) failed: \(details)" }
}

/// A sub-orchestration failed, was terminated, or could not be started since an instance of its ID is there. Thrown by
/// `callSubOrchestration`; an orchestration that does not catch it fails with it as the cause.
public struct SubOrchestrationFailure: Error, Hashable, Sendable, CustomStringConvertible {
    /// As it was called.
    public let orchestrationName: String
    /// Of the child.
    public let instanceID: InstanceID
    /// The request's event ID.
    public let taskID: EventID
    /// What the child failed with. `errorType` is `Terminated`, `InstanceExists` or `StartRefused` where it has no
    /// failure of its own.
    public let details: FailureDetails

    /// For tests: what a worker would throw.
    public init(orchestrationName: String, instanceID: InstanceID, taskID: EventID, details: FailureDetails) {
        self.orchestrationName = orchestrationName
        self.instanceID = instanceID
        self.taskID = taskID
        self.details = details
    }

    public var description: String {
        "sub-orchestration \"\(orchestrationName)\" (instance \"\(instanceID)\") failed: \(details)"
    }
}

/// An instance ID that cannot be used: empty, longer than 255 bytes, or with control characters.
public struct InvalidInstanceID: Error, Hashable, Sendable, CustomStringConvertible {
    public let description: String
    package init(description: String) { self.description = description }
}

/// An instance cannot have these tags: too many, too long, or with a character that is not possible.
public struct InvalidTags: Error, Hashable, Sendable, CustomStringConvertible {
    public let description: String
    package init(description: String) { self.description = description }
}

/// No event of that name came in time. The wait is over; an event that comes later is kept for the next one.
public struct ExternalEventTimeout: Error, Hashable, Sendable, CustomStringConvertible {
    /// The event that was waited for.
    public let eventName: String
    /// How long.
    public let timeout: Duration

    /// For tests: what a worker would throw.
    public init(eventName: String, timeout: Duration) {
        self.eventName = eventName
        self.timeout = timeout
    }

    public var description: String { "no external event \"\(eventName)\" came within \(timeout)" }
}

/// Conform an error to this when trying again cannot help, such as a declined payment.
/// To choose every detail yourself, throw `FailureDetails`.
public protocol NonRetryableError: Error {}

extension FailureDetails {
    /// What crosses processes of a thrown error: the name of its type and its description.
    public init(describing error: any Error) {
        switch error {
        case let details as FailureDetails:
            self = details
        case let failure as ActivityFailure:
            self.init(errorType: "ActivityFailure", message: failure.description, causedBy: failure.details)
        case let failure as SubOrchestrationFailure:
            self.init(errorType: "SubOrchestrationFailure", message: failure.description, causedBy: failure.details)
        case let failure as CompensationFailure:
            self.init(
                errorType: "CompensationFailure", message: failure.description,
                causedBy: FailureDetails(describing: failure.original))
            isNonRetryable = true
        case let error as PayloadError:
            self = error.failureDetails
        default:
            self.init(
                errorType: String(describing: type(of: error)), message: String(describing: error),
                isNonRetryable: error is any NonRetryableError)
        }
    }

    private init(errorType: String, message: String, causedBy details: FailureDetails) {
        var cause = details
        cause.cause = []
        self.init(
            errorType: errorType, message: message, isNonRetryable: details.isNonRetryable,
            cause: Array(([cause] + details.cause).prefix(16)))
    }
}
