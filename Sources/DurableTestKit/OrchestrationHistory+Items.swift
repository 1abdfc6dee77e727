public import DurableCore
import DurableTask

extension OrchestrationHistory {
    /// An activity that was asked for.
    public struct ScheduledActivity: Hashable, Sendable {
        /// Of the activity.
        public let name: String
        /// The request's event ID.
        public let taskID: EventID
        /// As it was encoded; nil: none.
        public let input: Payload?
        /// When the episode that called it was recorded.
        public let scheduledAt: Timestamp
        /// When its outcome was recorded; nil: it is open.
        public let endedAt: Timestamp?
        /// Its result or its failure; nil: it is open.
        public let outcome: Result<Payload?, FailureDetails>?

        /// - Throws: `PayloadError` if the input is no `Input`.
        public func input<Input: Decodable>(as type: Input.Type = Input.self) throws -> Input {
            try PayloadCoding.decode(type, from: input, as: "the input of activity \"\(name)\"")
        }

        /// - Throws: The `FailureDetails` it failed with, or that it is open; `PayloadError` if the result is no
        ///   `Output`.
        public func result<Output: Decodable>(as type: Output.Type = Output.self) throws -> Output {
            let payload = try value(of: outcome, "activity \"\(name)\" (event ID \(taskID))")
            return try PayloadCoding.decode(type, from: payload, as: "the result of activity \"\(name)\"")
        }
    }

    /// A timer that was asked for.
    public struct DurableTimer: Hashable, Sendable {
        /// The request's event ID.
        public let timerID: EventID
        /// When the episode that asked for it was recorded.
        public let createdAt: Timestamp
        /// When it is due.
        public let fireAt: Timestamp
        /// nil: it is open, or was dropped.
        public let firedAt: Timestamp?
    }

    /// A sub-orchestration that was asked for.
    public struct SubOrchestration: Hashable, Sendable {
        /// The request's event ID.
        public let taskID: EventID
        let start: ChildStart
        /// Its result or its failure; nil: it is open, or nobody waits for it.
        public let outcome: Result<Payload?, FailureDetails>?

        /// Of the child's orchestration.
        public var name: String { start.name }
        /// Of the child.
        public var instanceID: InstanceID { start.instanceID }
        /// As it was encoded; nil: none.
        public var input: Payload? { start.input }
        /// Whether nobody waits for its end.
        public var isDetached: Bool { start.isDetached }

        /// - Throws: `PayloadError` if the input is no `Input`.
        public func input<Input: Decodable>(as type: Input.Type = Input.self) throws -> Input {
            try PayloadCoding.decode(type, from: input, as: "the input of orchestration \"\(name)\"")
        }

        /// - Throws: The `FailureDetails` it failed with, or that it is open; `PayloadError` if the result is no
        ///   `Output`.
        public func result<Output: Decodable>(as type: Output.Type = Output.self) throws -> Output {
            let payload = try value(of: outcome, "sub-orchestration \"\(name)\" (instance \"\(instanceID)\")")
            return try PayloadCoding.decode(type, from: payload, as: "the result of orchestration \"\(name)\"")
        }
    }

    /// An update whose handler has begun.
    public struct AdmittedUpdate: Hashable, Sendable {
        let request: UpdateRequest
        /// Its result or its failure; nil: its handler has not ended.
        public let outcome: Result<Payload?, FailureDetails>?

        /// Under which it runs once.
        public var id: UpdateID { request.id }
        /// Of its handler.
        public var name: String { request.name }
        /// As it was encoded; nil: none.
        public var input: Payload? { request.input }

        /// - Throws: `PayloadError` if the input is no `Input`.
        public func input<Input: Decodable>(as type: Input.Type = Input.self) throws -> Input {
            try PayloadCoding.decode(type, from: input, as: "the input of update \"\(name)\"")
        }

        /// - Throws: The `FailureDetails` it failed with, or that it has not ended; `PayloadError` if the result is no
        ///   `Output`.
        public func result<Output: Decodable>(as type: Output.Type = Output.self) throws -> Output {
            let payload = try value(of: outcome, "update \"\(name)\" (ID \"\(id)\")")
            return try PayloadCoding.decode(type, from: payload, as: "the result of update \"\(name)\"")
        }
    }

    /// An external event.
    public struct ExternalEvent: Hashable, Sendable {
        /// What it was raised as.
        public let name: String
        /// The instance it is for.
        public let instanceID: InstanceID
        /// As it was encoded; nil: none.
        public let data: Payload?
        /// When it was recorded.
        public let time: Timestamp

        /// - Throws: `PayloadError` if the data is no `Value`.
        public func value<Value: Decodable>(as type: Value.Type = Value.self) throws -> Value {
            try PayloadCoding.decode(type, from: data, as: "the data of event \"\(name)\"")
        }
    }
}

private func value(of outcome: Result<Payload?, FailureDetails>?, _ subject: String) throws -> Payload? {
    guard let outcome else {
        throw FailureDetails(errorType: "NotEnded", message: "\(subject) has not ended")
    }
    return try outcome.get()
}
