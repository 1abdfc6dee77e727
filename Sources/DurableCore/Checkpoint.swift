/// What one batch of an owner's work changed, saved together or not at all.
package struct Checkpoint: Hashable, Sendable {
    package var time: Timestamp
    /// At most one an instance, in order of first arrival.
    package var changes: [InstanceChange]
    /// Messages to send once this is durable, in order; IDs follow each other without gaps.
    package var outbox: [OutboxEntry]
    /// Outbox entries that need no confirmation any more, because the answer to them arrived.
    package var outboxRemoved: [OutboxID]
    /// Sequences of other partitions applied by this batch.
    package var applied: [Origin]

    package init(
        time: Timestamp, changes: [InstanceChange] = [], outbox: [OutboxEntry] = [], outboxRemoved: [OutboxID] = [],
        applied: [Origin] = []
    ) {
        self.time = time
        self.changes = changes
        self.outbox = outbox
        self.outboxRemoved = outboxRemoved
        self.applied = applied
    }

    package var isEmpty: Bool { changes.isEmpty && outbox.isEmpty && outboxRemoved.isEmpty && applied.isEmpty }
}

/// What happened to one instance in one batch.
package struct InstanceChange: Hashable, Sendable {
    package var instanceID: InstanceID
    package var time: Timestamp
    /// Events the episode appended to the history; empty when no episode ran. They include what was buffered.
    package var history: [HistoryEvent]
    /// Events taken while no episode could run (held, suspended, not due yet): appended to the inbox. After an episode
    /// that continues as new: what the next execution begins with; after one that ran elsewhere: what arrived meanwhile.
    package var buffered: [HistoryEvent]
    /// Messages of clients this batch applied, so that a repeat is known.
    package var appliedMessages: [MessageID]
    package var scheduledTasks: [ScheduledTask]
    package var canceledTimers: [EventID]
    /// Activities whose results nobody waits for any more.
    package var canceledTasks: [EventID]
    /// How far activities have come.
    package var heartbeats: [Heartbeat]
    package var customStatus: Update<Payload?>
    package var hold: Update<Hold?>
    /// Updates that arrived, to wait until the code lets them begin.
    package var requestedUpdates: [UpdateRequest] = []
    /// Updates that were refused, with the reason; they wait no longer.
    package var rejectedUpdates: [UpdateLedger.Ended] = []
    /// Of an entity: what it keeps from now on; nil: as before.
    package var entity: EntityState?
    /// Messages in the inbox that an entity has handled, by key (`HistoryEvent.entityKey`).
    package var handled: [String] = []
    package var compensatesTermination: Update<Bool>
    /// It begins an instance in place of another one of its ID, which is gone from here on as if it was purged.
    package var replaces: Bool
    /// Of one that takes the place of itself; nil: when its start arrived.
    package var createdAt: Timestamp?
    /// nil: it did not fail, and was not ended.
    package var atEnd: InstanceState.AtEnd?
    /// nil: as it was.
    package var givenUp: InstanceState.GivenUp?
    /// nil: as it was.
    package var startDispatch: UInt32?

    package init(
        instanceID: InstanceID, time: Timestamp, history: [HistoryEvent] = [], buffered: [HistoryEvent] = [],
        appliedMessages: [MessageID] = [], scheduledTasks: [ScheduledTask] = [], canceledTimers: [EventID] = [],
        canceledTasks: [EventID] = [], heartbeats: [Heartbeat] = [], customStatus: Update<Payload?> = .unchanged,
        hold: Update<Hold?> = .unchanged, compensatesTermination: Update<Bool> = .unchanged, replaces: Bool = false
    ) {
        self.instanceID = instanceID
        self.time = time
        self.history = history
        self.buffered = buffered
        self.appliedMessages = appliedMessages
        self.scheduledTasks = scheduledTasks
        self.canceledTimers = canceledTimers
        self.canceledTasks = canceledTasks
        self.heartbeats = heartbeats
        self.customStatus = customStatus
        self.hold = hold
        self.compensatesTermination = compensatesTermination
        self.replaces = replaces
    }

    /// Whether the instance's history begins anew after it: the next execution is in `buffered`.
    package var continuesAsNew: Bool {
        if case .executionCompleted(.continuedAsNew, _, _) = history.last?.kind { true } else { false }
    }

    package enum Update<Value: Hashable & Sendable>: Hashable, Sendable {
        case unchanged
        case set(Value)
    }

    package struct Heartbeat: Hashable, Sendable {
        package var taskID: EventID
        package var details: Payload
        package init(taskID: EventID, details: Payload) {
            self.taskID = taskID
            self.details = details
        }
    }

    /// Pairs a `taskScheduled` event with the outbox entry that dispatches it.
    package struct ScheduledTask: Hashable, Sendable {
        package var taskID: EventID
        package var dispatch: UInt32
        package var outboxID: OutboxID
        package init(taskID: EventID, dispatch: UInt32, outboxID: OutboxID) {
            self.taskID = taskID
            self.dispatch = dispatch
            self.outboxID = outboxID
        }
    }
}

/// Why an instance is not run although it could: its history is kept, its messages are buffered.
package struct Hold: Hashable, Sendable {
    /// Error code such as `DTQ2003`.
    package var code: String
    package var text: String
    /// Present: code of this build ended workers, only that of another build may try again.
    package var build: String?
    package init(code: String, text: String, build: String? = nil) {
        self.code = code
        self.text = text
        self.build = build
    }
}

/// Number of an outbox entry within its partition, from 1, never used twice.
package struct OutboxID: Hashable, Comparable, Sendable, CustomStringConvertible {
    package var value: UInt64
    package init(_ value: UInt64) { self.value = value }
    package static func < (left: Self, right: Self) -> Bool { left.value < right.value }
    package var description: String { String(value) }
}

/// A saved message the broker has not confirmed.
package struct OutboxEntry: Hashable, Sendable {
    package var id: OutboxID
    /// Epoch in which it was made; entries of older ones wait for the owner's marker.
    package var epoch: Epoch
    package var body: Body

    package init(id: OutboxID, epoch: Epoch, body: Body) {
        self.id = id
        self.epoch = epoch
        self.body = body
    }

    package enum Body: Hashable, Sendable {
        case task(TaskMessage)
        /// To the control queue of the partition that owns the message's instance.
        case message(Message)
    }

    /// Where its message is among those to another partition; nil: a task, or a message of the partition to itself.
    package func place(partitionCount: Int) -> SentPlace? {
        guard case .message(let message) = body, let origin = message.origin else { return nil }
        let destination = message.instanceID.partition(of: partitionCount)
        return destination == origin.partition
            ? nil : SentPlace(destination: destination, sequence: origin.sequence)
    }
}

/// Place of a message among all that one partition sent to others.
package struct SentPlace: Hashable, Comparable, Sendable {
    package var destination: PartitionID
    package var sequence: UInt64
    package init(destination: PartitionID, sequence: UInt64) {
        self.destination = destination
        self.sequence = sequence
    }
    package static func < (left: Self, right: Self) -> Bool {
        (left.destination, left.sequence) < (right.destination, right.sequence)
    }
}

/// A message to another partition that the broker has confirmed. It is kept until the destination has applied it: a queue
/// may be lost with what it holds.
package struct SentMessage: Hashable, Sendable {
    package var place: SentPlace
    package var entry: OutboxEntry
    package init(place: SentPlace, entry: OutboxEntry) {
        self.place = place
        self.entry = entry
    }
}

/// One record of a partition's log.
package enum PartitionRecord: Hashable, Sendable {
    case begin(Begin)
    case checkpoint(Checkpoint)
    /// The broker holds these; a later owner need not send them, unless it is asked to.
    case outboxConfirmed([OutboxID])
    /// Other partitions have applied what they were sent; nobody need send it ever again.
    case delivered([AppliedThrough])
    /// What a restored partition held as pending has been sent again.
    case redriven
    /// Last record of an epoch that ended in order.
    case released(nextDue: Timestamp?)
    /// An instance's code is about to run, in an epoch that does not know what ended the one before.
    case attempt(Attempt)
    /// Instances that had ended are removed for good.
    case purged(Purged)

    package struct Attempt: Hashable, Sendable {
        package var epoch: Epoch
        package var instanceID: InstanceID
        /// The delivery that makes it run; nil: a timer or a start time.
        package var messageID: MessageID?
        /// Of the code.
        package var build: String
        package init(epoch: Epoch, instanceID: InstanceID, messageID: MessageID?, build: String) {
            self.epoch = epoch
            self.instanceID = instanceID
            self.messageID = messageID
            self.build = build
        }
    }

    /// First record of an epoch.
    package struct Begin: Hashable, Sendable {
        package var epoch: Epoch
        package var worker: WorkerID
        package var time: Timestamp
        package init(epoch: Epoch, worker: WorkerID, time: Timestamp) {
            self.epoch = epoch
            self.worker = worker
            self.time = time
        }
    }
}
