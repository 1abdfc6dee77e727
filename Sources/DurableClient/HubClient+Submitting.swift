import DurableBackend
package import DurableCore
import DurableWire

extension HubClient {
    /// Starts one instance. Returns when the broker holds the start, with the owner's verdict if it comes in time.
    ///
    /// - Throws: `ClientError`: nothing was started, or (DTQ4005) that is unknown.
    package func start(_ request: StartRequest) async throws -> Submission {
        try await submit(try await sealedMessage(for: request))
    }

    /// Sends an external event to an instance: verdict `accepted`, `duplicate`, `notFound` or `ended`.
    package func raiseEvent(_ name: String, to id: InstanceID, data: Payload? = nil) async throws -> Submission {
        try check(orchestration: id)
        try check(name: name, "an event's name")
        return try await submit(data, "the data of event \"\(name)\" for instance \(id)", to: id) {
            .eventRaised(name: name, input: $0)
        }
    }

    /// Ends an instance from outside: verdict `accepted`, `duplicate`, `notFound` or `ended`.
    ///
    /// - Parameter recurse: Whether the sub-orchestrations it waits for end with it, and theirs.
    package func terminate(_ id: InstanceID, reason: Payload? = nil, recurse: Bool = true) async throws -> Submission {
        try check(orchestration: id)
        return try await submit(reason, "the reason to terminate instance \(id)", to: id) {
            .executionTerminated(reason: $0, recurse: recurse)
        }
    }

    /// Asks an instance to end: its code is cancelled, and does what it does then. Verdicts as of `terminate`.
    package func cancel(_ id: InstanceID, reason: Payload? = nil) async throws -> Submission {
        try check(orchestration: id)
        return try await submit(reason, "the reason to cancel instance \(id)", to: id) {
            .cancellationRequested(reason: $0)
        }
    }

    /// Has an instance keep what arrives and run nothing, until it is resumed: verdict `accepted`, `duplicate`,
    /// `notFound` or `ended`.
    package func suspend(_ id: InstanceID, reason: Payload? = nil) async throws -> Submission {
        try check(orchestration: id)
        return try await submit(reason, "the reason to suspend instance \(id)", to: id) {
            .executionSuspended(reason: $0)
        }
    }

    /// Lets a suspended instance go on with what has arrived: verdicts as of `suspend`.
    package func resume(_ id: InstanceID, reason: Payload? = nil) async throws -> Submission {
        try check(orchestration: id)
        return try await submit(reason, "the reason to resume instance \(id)", to: id) { .executionResumed(reason: $0) }
    }

    /// Has a failed instance go on from where it last asked for something: verdict `accepted`, `duplicate`, `notFound`,
    /// `notFailed` or `notRewindable`.
    package func rewind(_ id: InstanceID, reason: Payload? = nil) async throws -> Submission {
        try check(id)
        return try await submit(reason, "the reason to rewind instance \(id)", to: id) {
            .executionRewound(reason: $0, count: 0)
        }
    }

    /// The message that starts an instance, its input as payload options say.
    ///
    /// - Throws: `ClientError` when the request cannot be sent; nothing was sent.
    package func sealedMessage(for request: StartRequest) async throws -> Message {
        let messageID = makeID()
        let id = request.id ?? InstanceID(makeID())
        try check(orchestration: id)
        var request = request
        request.id = id
        request.input = try await sealed(
            request.input, for: PayloadOwner(id, ExecutionID(messageID)), "the input of instance \(id)")
        return try message(for: request, messageID)
    }

    /// The message that starts an instance, its input as it is.
    ///
    /// - Throws: `ClientError` when the request cannot be sent as it is; nothing was sent.
    package func message(for request: StartRequest) throws -> Message { try message(for: request, makeID()) }

    private func message(for request: StartRequest, _ messageID: String) throws -> Message {
        let id = request.id ?? InstanceID(makeID())
        try check(orchestration: id)
        try check(name: request.name, "an orchestration's name")
        try check(version: request.version)
        try check(request.input, "the input of instance \(id)")
        if let defect = request.tags.defect {
            throw ClientError(.wrongArgument, "\(defect). Nothing was sent.")
        }
        let start = ExecutionStarted(
            name: request.name, version: request.version, input: request.input, instanceID: id,
            executionID: ExecutionID(messageID), scheduledStart: request.startAt, traceParent: request.traceParent,
            tags: request.tags)
        var message = Message(
            id: MessageID(messageID), instanceID: id,
            event: HistoryEvent(timestamp: clock.now(), kind: .executionStarted(start)))
        message.idReuse = request.idReuse
        return message
    }

    /// Sends a payload, as payload options say, in the event that `kind` makes of it.
    ///
    /// - Parameter what: The payload, for error texts.
    func submit(
        _ payload: Payload?, _ what: String, to id: InstanceID, _ kind: (Payload?) -> HistoryEvent.Kind
    ) async throws -> Submission {
        let messageID = MessageID(makeID())
        let payload = try await sealed(payload, for: PayloadOwner(id, sentIn: messageID), what)
        return try await submit(message(to: id, kind(payload), messageID))
    }

    func message(to id: InstanceID, _ kind: HistoryEvent.Kind, _ messageID: MessageID? = nil) -> Message {
        Message(
            id: messageID ?? MessageID(makeID()), instanceID: id,
            event: HistoryEvent(timestamp: clock.now(), kind: kind))
    }

    func submit(_ message: Message) async throws -> Submission {
        let partition = partition(of: message.instanceID)
        let correlationID = message.id.value
        try await replies.open()
        var message = message
        message.reply = ReplyAddress(routingKey: replies.routingKey, correlationID: correlationID)
        await replies.expect(correlationID)
        let reply: Reply?
        do {
            let outgoing = topology.controlMessage([message], to: partition, through: .client, at: clock.now())
            try await publish(
                [outgoing], "cannot send \(message.event.typeName) to instance \(message.instanceID)")
            reply = await replies.reply(to: correlationID, within: options.verdictPatience)
        } catch {
            await replies.forget(correlationID)
            throw error
        }
        await replies.forget(correlationID)
        var submission = Submission(
            instanceID: message.instanceID, partition: partition,
            outcome: .acceptedNoVerdict(
                Silence(hub: hub, partition: partition, waitingMessages: nil, isServed: true)))
        if case .verdict(let verdict)? = reply?.body {
            submission.outcome = .verdict(verdict)
        } else if let silence = try? await silence(of: partition) {
            // Accepted already: that the broker will not say more is no error.
            submission.outcome = .acceptedNoVerdict(silence)
        }
        return submission
    }

    /// What the broker knows of a partition whose owner does not answer.
    func silence(of partition: PartitionID) async throws -> Silence {
        do throws(TransportError) {
            let control = try await transport.inspect(queue: topology.queue(.control, partition))
            return Silence(
                hub: hub, partition: partition, waitingMessages: control?.readyMessages,
                isServed: (control?.consumers ?? 0) > 0)
        } catch {
            throw ClientError.wrapping(error, "cannot inspect partition \(partition) of hub \"\(hub)\"")
        }
    }
}
