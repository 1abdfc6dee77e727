package import DurableCore

/// What became of a start, a raised event or a termination. The broker holds it in any case.
package struct Submission: Hashable, Sendable {
    package var instanceID: InstanceID
    package var partition: PartitionID
    package var outcome: Outcome

    package enum Outcome: Hashable, Sendable {
        case verdict(Verdict)
        case acceptedNoVerdict(Silence)
    }
}

/// An owner that has not answered.
package struct Silence: Hashable, Sendable {
    package var hub: HubName
    package var partition: PartitionID
    /// Messages in the partition's control queue that no worker has taken; nil when the broker would not say.
    package var waitingMessages: Int?
    /// False: no worker consumes the control queue.
    package var isServed: Bool

    /// One line for the operator.
    package var text: String {
        let waiting = waitingMessages.map { $0 == 1 ? "1 message waits" : "\($0) messages wait" }
        if isServed {
            return "partition \(partition) of hub \"\(hub)\": its owner has not answered"
                + (waiting.map { "; \($0) in its control queue" } ?? "") + "."
        }
        return "\(ClientError.Code.noWorker) \(summary) See ops/errors/\(ClientError.Code.noWorker).md"
    }

    /// What `text` says of a partition without worker, without code and page.
    var summary: String {
        let waiting = waitingMessages.map { $0 == 1 ? "; 1 message waits" : "; \($0) messages wait" } ?? ""
        return "partition \(partition) of hub \"\(hub)\": no worker serves it\(waiting). Nothing is lost. "
            + "Start a worker of this hub; dtq workers shows those that are alive."
    }

    /// The same as a reason to give up.
    var error: ClientError {
        if !isServed { return ClientError(.noWorker, summary) }
        return ClientError(
            .noWorker,
            "partition \(partition) of hub \"\(hub)\": its owner does not answer. The question was given up, "
                + "nothing was changed. Look at dtq workers and at the log of the owner.")
    }
}

/// One instance to start.
package struct StartRequest: Hashable, Sendable {
    package var name: String
    /// nil: a UUID.
    package var id: InstanceID?
    package var input: Payload?
    /// First episode not before this time; nil: at once.
    package var startAt: Timestamp?
    package var version: String?
    package var traceParent: String?
    /// In order of key.
    package var tags: [ExecutionStarted.Tag]
    package var idReuse: IDReuse

    package init(
        name: String, id: InstanceID? = nil, input: Payload? = nil, startAt: Timestamp? = nil,
        version: String? = nil, traceParent: String? = nil, tags: [ExecutionStarted.Tag] = [],
        idReuse: IDReuse = .refuse
    ) {
        self.name = name
        self.id = id
        self.input = input
        self.startAt = startAt
        self.version = version
        self.traceParent = traceParent
        self.tags = tags
        self.idReuse = idReuse
    }
}
