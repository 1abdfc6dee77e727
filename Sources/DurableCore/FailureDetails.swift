/// Why an activity or an orchestration failed, as data that crosses processes.
public struct FailureDetails: Error, Hashable, Sendable, CustomStringConvertible {
    /// Name of the error's type, such as `PaymentDeclined`.
    public var errorType: String
    /// What a reader needs to know; no payloads, no credentials.
    public var message: String
    /// Where it was thrown, as text; nil for failures of Swift code, which has none.
    public var stackTrace: String?
    /// True when trying again cannot help.
    public var isNonRetryable: Bool
    /// What caused this failure, innermost last; at most 16 deep on the wire.
    public var cause: [FailureDetails]

    /// To be thrown by code that wants to say every detail itself; the type of other errors is taken from their name.
    public init(
        errorType: String, message: String, stackTrace: String? = nil, isNonRetryable: Bool = false,
        cause: [FailureDetails] = []
    ) {
        self.errorType = errorType
        self.message = message
        self.stackTrace = stackTrace
        self.isNonRetryable = isNonRetryable
        self.cause = cause
    }

    public var description: String { "\(errorType): \(message)" }
}
