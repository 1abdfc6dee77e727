public import DurableCore
public import DurableTask

/// Starts orchestrations and asks about them, from any program. Any number of tasks may use one client.
///
/// ```swift
/// let client = try await TaskHubClient.connect(broker: "amqp://localhost", hub: "orders")
/// let started = try await client.start(helloCities, input: ["Oslo", "Lima"], id: InstanceID("greeting-1"))
/// let greetings = try await client.output(of: helloCities, started.id)
/// ```
///
/// Inputs are encoded as the workers decode them: JSON, and what the hub's `PayloadOptions` make of it. What fails throws a `ClientError` with a code and what to do.
public final class TaskHubClient: Sendable {
    package let core: HubClient
    private let onClose: @Sendable () async -> Void

    /// - Parameter onClose: Ends what was made for this client alone, such as its transport.
    package init(_ core: HubClient, onClose: @escaping @Sendable () async -> Void = {}) {
        self.core = core
        self.onClose = onClose
    }

    /// What the owner said to a start, a raised event or a termination. The broker holds the message in any case.
    public struct Accepted: Hashable, Sendable {
        /// The instance that was started or written to; where the caller chose no ID, the one that was made.
        public let id: InstanceID
        /// What its owner did with the message, as far as it is known.
        public let answer: Answer
    }

    /// What an owner did with a message.
    public enum Answer: Hashable, Sendable {
        /// The instance was created by this call.
        case created
        /// An instance of that ID was there already; nothing was started.
        case exists
        /// An instance of that ID runs, and the start was content with it; nothing was started.
        case joined
        /// The event or termination was taken.
        case accepted
        /// No such instance; the message was dropped.
        case notFound
        /// The instance had ended before; the message was dropped.
        case ended
        /// It was to be rewound and has not failed; nothing was changed.
        case notFailed
        /// It has failed and cannot be rewound: its code asked for something in the step in which it failed, or it was told
        /// to end before. Nothing was changed.
        case notRewindable
        /// No verdict came within two seconds; the message waits in its queue. The text says what is known.
        case waiting(String)
    }

    // MARK: - Starting

    /// Starts an instance by name.
    ///
    /// - Parameters:
    ///   - id: Unique in the hub; nil makes a UUID. Choose it to make repeats harmless: a second start is refused, unless
    ///     `idReuse` says otherwise.
    ///   - startAt: First episode not before this time.
    ///   - version: The instance runs on code of that version, to its end; nil: on what its worker gives those without
    ///     one.
    ///   - tags: What instances are listed, counted and purged by; at most 16, keys of up to 64 bytes, values of up to
    ///     256.
    ///   - idReuse: What to do where there is an instance of that ID, running or ended.
    @discardableResult
    public func start<Input: Encodable>(
        _ name: String, input: Input, id: InstanceID? = nil, startAt: Timestamp? = nil, version: String? = nil,
        tags: [String: String] = [:], idReuse: IDReuse = .refuse
    ) async throws -> Accepted {
        let payload = try encode(input, "the input of orchestration \"\(name)\"")
        let request = StartRequest(
            name: name, id: id, input: payload, startAt: startAt, version: version, tags: [ExecutionStarted.Tag](tags),
            idReuse: idReuse)
        return Accepted(try await core.start(request))
    }

    /// Starts an instance of an orchestration that takes no input, by name.
    @discardableResult
    public func start(
        _ name: String, id: InstanceID? = nil, startAt: Timestamp? = nil, version: String? = nil,
        tags: [String: String] = [:], idReuse: IDReuse = .refuse
    ) async throws -> Accepted {
        try await start(
            name, input: NoValue(), id: id, startAt: startAt, version: version, tags: tags, idReuse: idReuse)
    }

    /// Starts an instance with the input its code expects.
    ///
    /// - Parameter version: nil: that of the orchestration given.
    @discardableResult
    public func start<Input, Output>(
        _ orchestration: Orchestration<Input, Output>, input: Input, id: InstanceID? = nil,
        startAt: Timestamp? = nil, version: String? = nil, tags: [String: String] = [:], idReuse: IDReuse = .refuse
    ) async throws -> Accepted {
        try await start(
            orchestration.name, input: input, id: id, startAt: startAt, version: version ?? orchestration.version,
            tags: tags, idReuse: idReuse)
    }

    /// Starts an instance of an orchestration that takes no input.
    @discardableResult
    public func start<Output>(
        _ orchestration: Orchestration<NoValue, Output>, id: InstanceID? = nil, startAt: Timestamp? = nil,
        version: String? = nil, tags: [String: String] = [:], idReuse: IDReuse = .refuse
    ) async throws -> Accepted {
        try await start(
            orchestration.name, input: NoValue(), id: id, startAt: startAt,
            version: version ?? orchestration.version, tags: tags, idReuse: idReuse)
    }

    // MARK: - Sending

    /// Sends an external event to an instance. Events that come early are kept.
    @discardableResult
    public func raiseEvent<Value: Encodable>(
        _ name: String, to id: InstanceID, _ value: Value
    ) async throws -> Accepted {
        let payload = try encode(value, "the data of event \"\(name)\"")
        return Accepted(try await core.raiseEvent(name, to: id, data: payload))
    }

    /// Sends an external event without data.
    @discardableResult
    public func raiseEvent(_ name: String, to id: InstanceID) async throws -> Accepted {
        Accepted(try await core.raiseEvent(name, to: id))
    }

    /// Ends an instance from outside. Its code does not run again, unless it is in a `withCompensation` that includes
    /// termination; activities that run are cancelled.
    ///
    /// - Parameter recurse: Whether the sub-orchestrations it waits for end with it, and theirs.
    @discardableResult
    public func terminate(_ id: InstanceID, reason: String? = nil, recurse: Bool = true) async throws -> Accepted {
        let payload = try reason.flatMap { try encode($0, "the reason to terminate") }
        return Accepted(try await core.terminate(id, reason: payload, recurse: recurse))
    }

    /// Asks an instance to end: its function's task is cancelled, and so is what it waits for. What it does then counts;
    /// if it throws `CancellationError` it ends as canceled. One whose start time has not come ends at once.
    @discardableResult
    public func cancel(_ id: InstanceID, reason: String? = nil) async throws -> Accepted {
        let payload = try reason.flatMap { try encode($0, "the reason to cancel") }
        return Accepted(try await core.cancel(id, reason: payload))
    }

    /// Has an instance run nothing until it is resumed. What arrives meanwhile is kept, timers that come due wait;
    /// activities that run already go on. It may be terminated.
    @discardableResult
    public func suspend(_ id: InstanceID, reason: String? = nil) async throws -> Accepted {
        let payload = try reason.flatMap { try encode($0, "the reason to suspend") }
        return Accepted(try await core.suspend(id, reason: payload))
    }

    /// Lets a suspended instance go on.
    @discardableResult
    public func resume(_ id: InstanceID, reason: String? = nil) async throws -> Accepted {
        let payload = try reason.flatMap { try encode($0, "the reason to resume") }
        return Accepted(try await core.resume(id, reason: payload))
    }

    /// Has a failed instance go on from where its code last asked for something: activities that have failed since run
    /// again, sub-orchestrations that have failed are rewound too, what has succeeded is kept. It replays as ever, so that
    /// its code may be other code that fits. If it was a sub-orchestration, its parent is told nothing more unless it is
    /// rewound itself.
    @discardableResult
    public func rewind(_ id: InstanceID, reason: String? = nil) async throws -> Accepted {
        let payload = try reason.flatMap { try encode($0, "the reason to rewind") }
        return Accepted(try await core.rewind(id, reason: payload))
    }

    // MARK: - Asking

    /// Payloads that this client cannot open are as they are kept (`Payload.isInEnvelope`).
    ///
    /// - Returns: nil when there is no such instance.
    public func status(of id: InstanceID) async throws -> InstanceSnapshot? {
        guard let snapshot = try await core.status(of: id) else { return nil }
        return await core.opened(snapshot)
    }

    /// All events of an instance, oldest first, payloads as of `status(of:)`; nil when there is no such instance.
    public func history(of id: InstanceID) async throws -> [HistoryEvent]? {
        guard let events = try await core.history(of: id) else { return nil }
        return await core.opened(events)
    }

    /// Waits until an instance has ended.
    ///
    /// - Parameter timeout: nil waits for ever.
    /// - Returns: nil when it had not ended in time.
    /// - Throws: `ClientError.Code.instanceNotFound` when the hub never had such an instance. One that this client
    ///   started without a verdict may still be in its queue: wait a little and ask again.
    public func waitForEnd(of id: InstanceID, timeout: Duration? = nil) async throws -> InstanceSnapshot? {
        switch try await core.wait(for: id, timeout: timeout) {
        case .ended(let snapshot): await core.opened(snapshot)
        case .timedOut: nil
        }
    }

    /// Waits for an instance's end and decodes what it returned.
    ///
    /// - Throws: `FailureDetails` when the instance failed, was canceled or terminated.
    public func output<Output: Decodable>(of id: InstanceID, as type: Output.Type = Output.self) async throws -> Output
    {
        guard case .ended(let end) = try await core.wait(for: id) else { throw CancellationError() }
        guard end.status == .completed else {
            throw end.failure
                ?? FailureDetails(
                    errorType: "Orchestration\(end.status == .terminated ? "Terminated" : "Canceled")",
                    message: "instance \(id) is \(end.status)", isNonRetryable: true)
        }
        let output = try await core.opened(end.output, "the output of instance \(id)")
        return try decode(output, "the output of instance \(id)")
    }

    /// Waits for the end of an instance of `orchestration` and decodes what it returned.
    ///
    /// - Throws: `FailureDetails` when the instance failed, was canceled or terminated.
    public func output<Input, Output>(
        of orchestration: Orchestration<Input, Output>, _ id: InstanceID
    ) async throws -> Output {
        try await output(of: id, as: Output.self)
    }

    /// Ends the client. Idempotent.
    public func close() async {
        await core.close()
        await onClose()
    }

    func decode<Value: Decodable>(_ payload: Payload?, _ what: String) throws -> Value {
        do {
            return try PayloadCoding.decode(Value.self, from: payload, as: what)
        } catch {
            throw ClientError(
                .payloadUnreadable, "\(error). Ask for the type that the orchestration returns.", cause: error)
        }
    }

    func encode(_ value: some Encodable, _ what: String) throws -> Payload? {
        do {
            return try PayloadCoding.encode(value, as: what)
        } catch {
            throw ClientError(.payloadUnreadable, "\(error). Nothing was sent.", cause: error)
        }
    }
}

extension TaskHubClient.Accepted {
    init(_ submission: Submission) {
        id = submission.instanceID
        answer =
            switch submission.outcome {
            case .verdict(.created): .created
            case .verdict(.exists): .exists
            case .verdict(.joined): .joined
            case .verdict(.notFailed): .notFailed
            case .verdict(.notRewindable): .notRewindable
            // A repeat was taken when it first came.
            case .verdict(.accepted), .verdict(.duplicate): .accepted
            case .verdict(.notFound): .notFound
            case .verdict(.ended), .verdict(.unexpected): .ended
            case .acceptedNoVerdict(let silence): .waiting(silence.text)
            }
    }
}
