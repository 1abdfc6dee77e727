public import DurableCore

/// An activity failed. Thrown by `callActivity`; an orchestration that does not catch it fails with it as the cause.
public struct ActivityFailure: Error, Hashable, Sendable, CustomStringConvertible {
    public let activityName: String
    /// The request's event ID.
    public let taskID: EventID
    /// What the activity threw.
    public let details: FailureDetails

    public init(activityName: String, taskID: EventID, details: FailureDetails) {
        self.activityName = activityName
        self.taskID = taskID
        self.details = details
    }

    public var description: String { "activity \"\(activityName)\" (task \(taskID)) failed: \(details)" }
}

/// No event of that name came in time. The wait is over; an event that comes later is kept for the next one.
public struct ExternalEventTimeout: Error, Hashable, Sendable, CustomStringConvertible {
    public let eventName: String
    public let timeout: Duration

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
            var cause = failure.details
            cause.cause = []
            self.init(
                errorType: "ActivityFailure", message: failure.description,
                isNonRetryable: failure.details.isNonRetryable,
                cause: Array(([cause] + failure.details.cause).prefix(16)))
        case let error as PayloadError:
            self = error.failureDetails
        default:
            self.init(
                errorType: String(describing: type(of: error)), message: String(describing: error),
                isNonRetryable: error is any NonRetryableError)
        }
    }
}
