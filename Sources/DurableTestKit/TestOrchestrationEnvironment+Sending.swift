public import DurableCore
public import DurableTask

extension TestOrchestrationEnvironment {
    // MARK: - Starting

    /// Starts an instance. It runs when the environment does.
    ///
    /// - Parameters:
    ///   - id: nil: the orchestration's name and a number.
    ///   - startAt: First episode not before this time.
    /// - Returns: Its ID.
    /// - Throws: `OrchestrationTestError.Code.instanceExists`; `InvalidInstanceID`; `InvalidTags`; `PayloadError`.
    @discardableResult
    public func start<Input, Output>(
        _ orchestration: Orchestration<Input, Output>, input: Input, id: InstanceID? = nil, startAt: Timestamp? = nil,
        tags: [String: String] = [:]
    ) throws -> InstanceID {
        if let defect = id?.defect { throw InvalidInstanceID(description: defect) }
        let tags = [ExecutionStarted.Tag](tags)
        if let defect = tags.defect { throw InvalidTags(description: defect) }
        let name = orchestration.name
        let what = "the input of orchestration \"\(name)\""
        let input = try PayloadCoding.encode(input, as: what)
        return try hub.withLock { hub in
            if hub.registry.orchestration(OrchestrationCode(name: name, version: orchestration.version)) == nil {
                try hub.registry.register(orchestration)
            }
            let id = id ?? InstanceID("\(name)-\(hub.order.count + 1)")
            let payload = try passage.pass(input, of: id, what)
            let messageID = hub.newMessageID()
            let start = ExecutionStarted(
                name: name, version: orchestration.version, input: payload, instanceID: id,
                executionID: ExecutionID(messageID.value), scheduledStart: startAt, tags: tags)
            let message = Message(
                id: messageID, instanceID: id, event: HistoryEvent(timestamp: hub.now, kind: .executionStarted(start)))
            if hub.deliver(message) == .created { return id }
            throw OrchestrationTestError(.instanceExists, id, "an instance \"\(id)\" was started before")
        }
    }

    /// Starts an instance of an orchestration that takes no input.
    @discardableResult
    public func start<Output>(
        _ orchestration: Orchestration<NoValue, Output>, id: InstanceID? = nil, startAt: Timestamp? = nil,
        tags: [String: String] = [:]
    ) throws -> InstanceID {
        try start(orchestration, input: NoValue(), id: id, startAt: startAt, tags: tags)
    }

    // MARK: - Acting on instances

    /// Raises an external event. One that comes before the code waits for it is kept.
    ///
    /// - Throws: `OrchestrationTestError.Code.instanceNotFound` or `.instanceEnded`; `PayloadError`.
    public func raiseEvent(_ name: String, to id: InstanceID, _ value: some Encodable = NoValue()) throws {
        let what = "the data of event \"\(name)\""
        let payload = try passage.pass(try PayloadCoding.encode(value, as: what), of: id, what)
        try send(.eventRaised(name: name, input: payload), to: id)
    }

    /// Asks an instance to end: its function's task is cancelled, and so is what it waits for.
    ///
    /// - Throws: `OrchestrationTestError.Code.instanceNotFound` or `.instanceEnded`.
    public func cancel(_ id: InstanceID, reason: String? = nil) throws {
        try send(.cancellationRequested(reason: try encode(reason)), to: id)
    }

    /// Ends an instance from outside. Its code does not run again, unless it is in a `withCompensation` that includes
    /// termination.
    ///
    /// - Parameter recurse: Whether the sub-orchestrations it waits for end with it, and theirs.
    /// - Throws: `OrchestrationTestError.Code.instanceNotFound` or `.instanceEnded`.
    public func terminate(_ id: InstanceID, reason: String? = nil, recurse: Bool = true) throws {
        try send(.executionTerminated(reason: try encode(reason), recurse: recurse), to: id)
    }

    /// Suspends an instance: it keeps what arrives, and runs nothing until it is resumed.
    ///
    /// - Throws: `OrchestrationTestError.Code.instanceNotFound` or `.instanceEnded`.
    public func suspend(_ id: InstanceID, reason: String? = nil) throws {
        try send(.executionSuspended(reason: try encode(reason)), to: id)
    }

    /// Lets a suspended instance go on. Timers that came due meanwhile fire now.
    ///
    /// - Throws: `OrchestrationTestError.Code.instanceNotFound` or `.instanceEnded`.
    public func resume(_ id: InstanceID, reason: String? = nil) throws {
        try send(.executionResumed(reason: try encode(reason)), to: id)
    }

    /// Has a failed instance go on from where its code last asked for something: activities that have failed since run
    /// again, sub-orchestrations that have failed are rewound too.
    ///
    /// - Throws: `OrchestrationTestError.Code.instanceNotFound` or `.notRewindable`.
    public func rewind(_ id: InstanceID, reason: String? = nil) throws {
        try send(.executionRewound(reason: try encode(reason), count: 0), to: id)
    }

    /// Has something happen at a later virtual time: an event, a termination, another mock.
    ///
    /// - Parameter action: What it throws ends the call that runs the environment.
    public func schedule(
        after delay: Duration, _ action: @escaping @Sendable (TestOrchestrationEnvironment) throws -> Void
    ) {
        hub.withLock { $0.schedule(.callback(action), at: $0.now + delay) }
    }

    private func encode(_ reason: String?) throws -> Payload? {
        try reason.flatMap { try PayloadCoding.encode($0, as: "the reason") }
    }

    func send(_ kind: HistoryEvent.Kind, to id: InstanceID) throws {
        switch hub.withLock({ $0.send(kind, to: id) }) {
        case .notFound: throw notFound(id)
        case .ended:
            throw OrchestrationTestError(
                .instanceEnded, id, "instance \"\(id)\" has ended: it is \(try status(of: id)), and takes nothing more")
        case .notFailed:
            throw OrchestrationTestError(
                .notRewindable, id,
                "instance \"\(id)\" is to be rewound and has not failed: it is \(try status(of: id))")
        case .notRewindable:
            throw OrchestrationTestError(
                .notRewindable, id,
                "instance \"\(id)\" cannot be rewound: its code asked for something in the step in which it failed, or it "
                    + "was told to end before")
        case .created, .exists, .joined, .accepted, .duplicate, .unexpected: break
        }
    }

    func notFound(_ id: InstanceID) -> OrchestrationTestError {
        let known = instances.map { "\"\($0)\"" }.joined(separator: ", ")
        return OrchestrationTestError(
            .instanceNotFound, id,
            "there is no instance \"\(id)\"; there \(known.isEmpty ? "is none at all" : "are \(known)")")
    }
}
