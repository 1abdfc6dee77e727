/// What travels to a control queue about one instance. The event's kinds are those of the Durable Task protocol.
package struct Message: Hashable, Sendable {
    /// The same on every redelivery and resend.
    package var id: MessageID
    package var instanceID: InstanceID
    /// Execution a completion belongs to, or the one that a parent started and terminates; nil in clients' messages,
    /// which mean whichever execution is current.
    package var executionID: ExecutionID?
    /// Which dispatch of a task a completion answers, from 1. Of a sub-orchestration's start and its answer: how often its
    /// parent had been rewound. 0 for everything else.
    package var dispatch: UInt32
    /// Set on messages that partitions send each other.
    package var origin: Origin?
    /// Where the sender wants the owner's verdict; nil: nowhere.
    package var reply: ReplyAddress?
    package var event: HistoryEvent
    /// What a client's start does where there is an instance of its ID.
    package var idReuse = IDReuse.refuse
    /// A parent that was rewound starts the child once more: if that has failed, or was ended, it is rewound too.
    package var rewinds = false

    package init(
        id: MessageID, instanceID: InstanceID, executionID: ExecutionID? = nil, dispatch: UInt32 = 0,
        origin: Origin? = nil, reply: ReplyAddress? = nil, event: HistoryEvent
    ) {
        self.id = id
        self.instanceID = instanceID
        self.executionID = executionID
        self.dispatch = dispatch
        self.origin = origin
        self.reply = reply
        self.event = event
    }

    /// Whether clients may send it; anything else counts only when a worker published it.
    package var isClientMessage: Bool {
        switch event.kind {
        case .executionStarted, .eventRaised, .executionTerminated, .cancellationRequested, .executionSuspended,
            .executionResumed, .executionRewound, .updateRequested, .entityOperationSignaled:
            true
        default: false
        }
    }
}

/// Position of a message among those one partition sent to another.
package struct Origin: Hashable, Sendable {
    package var partition: PartitionID
    /// Changes when the sender's log was rebuilt or restored: sequences start anew.
    package var incarnation: UInt64
    /// From 1, without gaps, per (partition, incarnation, destination).
    package var sequence: UInt64
    package init(partition: PartitionID, incarnation: UInt64, sequence: UInt64) {
        self.partition = partition
        self.incarnation = incarnation
        self.sequence = sequence
    }
}

/// A client's private reply queue (routing key on the `reply` exchange) and the question the answer belongs to.
package struct ReplyAddress: Hashable, Sendable {
    package var routingKey: String
    package var correlationID: String
    package init(routingKey: String, correlationID: String) {
        self.routingKey = routingKey
        self.correlationID = correlationID
    }
}

/// Says that a partition has applied, durably, everything that the receiver of this sent it up to a sequence.
package struct AppliedThrough: Hashable, Sendable {
    /// Who has applied it.
    package var destination: PartitionID
    /// Of the sender's sequences.
    package var incarnation: UInt64
    package var sequence: UInt64
    package init(destination: PartitionID, incarnation: UInt64, sequence: UInt64) {
        self.destination = destination
        self.incarnation = incarnation
        self.sequence = sequence
    }
}

/// The body of one delivery on a control queue: messages, with or without word of what was applied; that word alone; an
/// owner's marker; the answer to an episode that its owner shipped; or nothing, which is an alarm.
package struct MessageBatch: Hashable, Sendable {
    package var messages: [Message]
    /// Sent by an owner to its own queue after its claim: what stood before it was queued before this epoch.
    package var marker: Epoch?
    /// What the sender has applied of the receiver's messages; only between partitions.
    package var applied: AppliedThrough?
    /// Of a shipped episode; only from workers.
    package var answer: EpisodeAnswer?
    package init(
        messages: [Message] = [], marker: Epoch? = nil, applied: AppliedThrough? = nil, answer: EpisodeAnswer? = nil
    ) {
        self.messages = messages
        self.marker = marker
        self.applied = applied
        self.answer = answer
    }
}

/// Which dispatch of which activity.
package struct TaskKey: Hashable, Sendable {
    package var instanceID: InstanceID
    package var executionID: ExecutionID
    package var taskID: EventID
    package var dispatch: UInt32

    package init(instanceID: InstanceID, executionID: ExecutionID, taskID: EventID, dispatch: UInt32) {
        self.instanceID = instanceID
        self.executionID = executionID
        self.taskID = taskID
        self.dispatch = dispatch
    }
}

/// Tells workers of activities whose results nobody waits for any more.
package struct TaskCancellation: Hashable, Sendable {
    package var tasks: [TaskKey]
    package init(tasks: [TaskKey]) { self.tasks = tasks }
}

/// The body of one delivery on a work queue: one activity to run.
package struct TaskMessage: Hashable, Sendable {
    package var instanceID: InstanceID
    package var executionID: ExecutionID
    package var taskID: EventID
    /// Which dispatch this is; a completion must carry it back.
    package var dispatch: UInt32
    package var name: String
    package var input: Payload?
    package var traceParent: String?
    /// Sent again by a later owner because its first dispatch was not known to be confirmed.
    package var isRedispatch: Bool

    package init(
        instanceID: InstanceID, executionID: ExecutionID, taskID: EventID, dispatch: UInt32, name: String,
        input: Payload?, traceParent: String? = nil, isRedispatch: Bool = false
    ) {
        self.instanceID = instanceID
        self.executionID = executionID
        self.taskID = taskID
        self.dispatch = dispatch
        self.name = name
        self.input = input
        self.traceParent = traceParent
        self.isRedispatch = isRedispatch
    }

    package var key: TaskKey {
        TaskKey(instanceID: instanceID, executionID: executionID, taskID: taskID, dispatch: dispatch)
    }

    /// Stable over redeliveries, redispatches and workers: what an activity gives a payment provider.
    package var idempotencyKey: String { "\(instanceID)/\(executionID)/\(taskID)" }
}
