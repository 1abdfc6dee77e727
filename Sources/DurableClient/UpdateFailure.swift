public import DurableCore

/// Why an update has no result.
public struct UpdateFailure: Error, Hashable, Sendable, CustomStringConvertible {
    /// How far the update came. The list may grow with new versions.
    public struct Reason: Hashable, Sendable {
        private enum Value { case rejected, failed, notBegun, notFinished, resultNotKept }
        private let value: Value
        /// Its validator refused it, or too many others waited: nothing was changed, nothing is in the history.
        public static let rejected = Reason(value: .rejected)
        /// Its handler threw.
        public static let failed = Reason(value: .failed)
        /// The instance ended before it began: nothing was changed.
        public static let notBegun = Reason(value: .notBegun)
        /// The instance ended, or continued as new, before the handler did: part of it may have been done.
        public static let notFinished = Reason(value: .notFinished)
        /// It ended so long ago that its result is not kept any more.
        public static let resultNotKept = Reason(value: .resultNotKept)
    }

    /// How far it came, and so whether anything was changed.
    public let reason: Reason
    /// The instance that was asked.
    public let instanceID: InstanceID
    /// Of its handler.
    public let updateName: String
    /// The one the caller chose, or the one that was made.
    public let updateID: UpdateID
    /// What the validator or the handler threw; nil for other reasons.
    public let details: FailureDetails?

    /// - Parameter outcome: Any but `completed`.
    package init?(_ outcome: UpdateOutcome, of request: UpdateRequest, _ instanceID: InstanceID) {
        self.instanceID = instanceID
        updateName = request.name
        updateID = request.id
        switch outcome {
        case .completed: return nil
        case .failed(let failure): (reason, details) = (.failed, failure)
        case .rejected(let failure): (reason, details) = (.rejected, failure)
        case .notBegun: (reason, details) = (.notBegun, nil)
        case .notFinished: (reason, details) = (.notFinished, nil)
        case .forgotten: (reason, details) = (.resultNotKept, nil)
        }
    }

    public var description: String {
        let subject = "update \"\(updateName)\" (ID \"\(updateID)\") of instance \"\(instanceID)\""
        return switch reason {
        case .rejected: "\(subject) was rejected: \(details?.description ?? "")"
        case .failed: "\(subject) failed: \(details?.description ?? "")"
        case .notBegun:
            "DTQ2017 \(subject): the instance ended before it began. Nothing was changed. See ops/errors/DTQ2017.md"
        case .notFinished:
            "DTQ2017 \(subject): the execution ended before its handler did, so that part of it may have been done. "
                + "Have the orchestration await context.waitForHandlers() before it ends. See ops/errors/DTQ2017.md"
        default:
            "DTQ2017 \(subject) ended long ago, and its result is not kept any more. See ops/errors/DTQ2017.md"
        }
    }
}
