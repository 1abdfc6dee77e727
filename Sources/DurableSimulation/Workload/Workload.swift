package import DurableCore

/// What a run asks of a hub, drawn from a seed, and what must have come of it.
package struct Workload: Hashable, Sendable {
    package var instances: [PlannedInstance]
    /// In order of time. Those that name the same instance are carried out in this order, each after the one before
    /// was confirmed; copies may come later.
    package var operations: [PlannedOperation]
    package var partitionCount: Int

    package init(instances: [PlannedInstance], operations: [PlannedOperation], partitionCount: Int) {
        self.instances = instances
        self.operations = operations
        self.partitionCount = partitionCount
    }

    package func instance(_ id: InstanceID) -> PlannedInstance? { instances.first { $0.id == id } }

    /// Whoever must have reached a terminal status before the run is over.
    package var mustEnd: [InstanceID] { instances.filter(\.expectation.mustEnd).map(\.id) }
}

package struct PlannedInstance: Hashable, Sendable {
    package var id: InstanceID
    /// Name of the program it belongs to, which may have several orchestrations.
    package var program: String
    /// Number of those it was planned with, rising over a workload's instances.
    package var group: Int
    /// Name of the orchestration.
    package var name: String
    package var version: String?
    package var input: Payload?
    /// How long after its start message was made the first episode may run at the earliest; nil: at once.
    package var startDelay: Duration?
    /// Who starts it; nil: a client.
    package var parent: InstanceID?
    package var expectation: Expectation
    /// The first start's; also its execution ID.
    package var startID: MessageID

    package init(
        id: InstanceID, program: String, group: Int, name: String, version: String? = nil, input: Payload? = nil,
        startDelay: Duration? = nil, expectation: Expectation
    ) {
        self.id = id
        self.program = program
        self.group = group
        self.name = name
        self.version = version
        self.input = input
        self.startDelay = startDelay
        self.expectation = expectation
        startID = MessageID("\(id).start")
    }
}

/// Something a client does.
package struct PlannedOperation: Hashable, Sendable {
    /// Since the run's start.
    package var at: Duration
    package var kind: Kind

    package init(at: Duration, kind: Kind) {
        self.at = at
        self.kind = kind
    }

    package enum Kind: Hashable, Sendable {
        /// The instance's first start.
        case start(instance: Int, Publication)
        /// One more start of an ID in use: refused.
        case startAgain(instance: Int, Publication)
        case raise(to: InstanceID, name: String, input: Payload?, Publication)
        case terminate(InstanceID, reason: Payload?, Publication)
        case cancel(InstanceID, reason: Payload?, Publication)
        /// An operation of an entity (`EntityChecks.addition`).
        case signal(InstanceID, adding: Int, Publication)
        /// Suspended, and resumed that long after it is known to be suspended.
        case pause(InstanceID, for: Duration, Publication, resumption: Publication)
        case rewind(InstanceID, Publication)
        /// Rewound whenever it fails, until it does not.
        ///
        /// - `limit`: How often at most; more is needed by none whose expectation does not permit that it fails.
        case mend(InstanceID, limit: Int)
        /// Asked for until its outcome is known, and by others under the same ID that long after.
        case update(InstanceID, UpdateRequest, repeats: [Duration])
        case status(InstanceID)
        case history(InstanceID)
        case list
        case counts
        case waitForEnd(InstanceID)
    }

    /// How a message is published.
    package struct Publication: Hashable, Sendable {
        package var messageID: MessageID
        /// The same message is published again this long after its first publishing; at most twice, in order of time.
        package var repeats: [Duration]
        /// The instance needs it: published again, under the same message ID, while its verdict is `notFound` or none.
        package var mustArrive: Bool

        package init(messageID: MessageID, repeats: [Duration] = [], mustArrive: Bool = false) {
            self.messageID = messageID
            self.repeats = repeats
            self.mustArrive = mustArrive
        }

        package var copies: Int { 1 + repeats.count }
    }
}

extension PlannedOperation {
    /// How its message is published; nil for questions.
    package var publication: Publication? {
        switch kind {
        case .start(_, let publication), .startAgain(_, let publication), .raise(_, _, _, let publication),
            .terminate(_, _, let publication), .cancel(_, _, let publication), .signal(_, _, let publication),
            .pause(_, _, let publication, _), .rewind(_, let publication):
            publication
        case .mend, .update, .status, .history, .list, .counts, .waitForEnd: nil
        }
    }

    /// Name of the kind, for counting.
    package var typeName: String {
        switch kind {
        case .start: "start"
        case .startAgain: "startAgain"
        case .raise: "raise"
        case .terminate: "terminate"
        case .cancel: "cancel"
        case .signal: "signal"
        case .pause: "pause"
        case .rewind: "rewind"
        case .mend: "mend"
        case .update: "update"
        case .status: "status"
        case .history: "history"
        case .list: "list"
        case .counts: "counts"
        case .waitForEnd: "waitForEnd"
        }
    }

    /// What the owner may answer to it or to one of its copies; empty for questions.
    package func permittedVerdicts(in workload: Workload) -> [Verdict] {
        switch kind {
        case .start: [.created]
        case .startAgain: [.exists]
        case .raise(let id, _, _, let publication):
            if workload.instance(id)?.expectation.permitted != [.absent] {
                publication.mustArrive
                    ? [.accepted, .duplicate, .ended] : [.accepted, .duplicate, .ended, .notFound]
            } else {
                [.notFound]
            }
        case .terminate(let id, _, _), .cancel(let id, _, _):
            // A child may not be there yet.
            [.accepted, .duplicate, .ended] + (workload.instance(id)?.parent == nil ? [] : [.notFound])
        case .signal: [.accepted, .duplicate]
        case .pause: [.accepted, .duplicate, .ended]
        case .rewind(let id, _):
            Self.permittedVerdictsOnRewinding(workload.instance(id)?.expectation.permitted ?? [])
        case .mend, .update, .status, .history, .list, .counts, .waitForEnd: []
        }
    }
}

extension Workload {
    /// Whom an operation is about; nil for questions about all.
    package func target(of operation: PlannedOperation) -> InstanceID? {
        switch operation.kind {
        case .start(let index, _), .startAgain(let index, _): instances[index].id
        case .raise(let id, _, _, _), .terminate(let id, _, _), .cancel(let id, _, _), .signal(let id, _, _),
            .pause(let id, _, _, _), .rewind(let id, _), .mend(let id, _), .update(let id, _, _), .status(let id),
            .history(let id), .waitForEnd(let id):
            id
        case .list, .counts: nil
        }
    }

    /// The message of an operation, without reply address; nil for questions. Every copy of it is this same value.
    ///
    /// - Parameter now: When the client makes it.
    package func message(of operation: PlannedOperation, at now: Timestamp) -> Message? {
        guard let target = target(of: operation), let publication = operation.publication else { return nil }
        let kind: HistoryEvent.Kind
        switch operation.kind {
        case .start(let index, _), .startAgain(let index, _):
            let instance = instances[index]
            kind = .executionStarted(
                ExecutionStarted(
                    name: instance.name, version: instance.version, input: instance.input, instanceID: instance.id,
                    executionID: ExecutionID(publication.messageID.value),
                    scheduledStart: instance.startDelay.map { now + $0 }))
        case .raise(_, let name, let input, _): kind = .eventRaised(name: name, input: input)
        case .terminate(_, let reason, _): kind = .executionTerminated(reason: reason, recurse: true)
        case .cancel(_, let reason, _): kind = .cancellationRequested(reason: reason)
        case .signal(_, let amount, let publication):
            kind = .entityOperationSignaled(
                EntitySignal(
                    requestID: publication.messageID.value, operation: EntityChecks.addition, input: json(amount)))
        case .pause: kind = .executionSuspended(reason: json("\(publication.messageID)"))
        case .rewind(_, let publication):
            kind = .executionRewound(reason: json(publication.messageID.value), count: 0)
        case .mend, .update, .status, .history, .list, .counts, .waitForEnd: return nil
        }
        return Message(
            id: publication.messageID, instanceID: target, event: HistoryEvent(timestamp: now, kind: kind))
    }

    /// The message that ends a pause; nil for all else.
    package func resumption(of operation: PlannedOperation, at now: Timestamp) -> Message? {
        guard case .pause(let id, _, _, let publication) = operation.kind else { return nil }
        return Message(
            id: publication.messageID, instanceID: id,
            event: HistoryEvent(
                timestamp: now, kind: .executionResumed(reason: json("\(publication.messageID)"))))
    }
}
