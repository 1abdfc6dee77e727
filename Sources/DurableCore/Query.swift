/// A question to the owner of a partition, answered from durable state, not behind its backlog.
package enum Question: Hashable, Sendable {
    case status(InstanceID)
    /// - `after`: index of the last event already known, -1 for all.
    case history(InstanceID, after: Int, limit: Int)
    /// Instances of the asked partition, oldest first.
    case list(ListFilter, after: ListCursor?, limit: Int)
    /// Answered when the instance reaches a terminal status; asked again by the client on silence.
    case wait(InstanceID)
    /// Number of instances by status in the asked partition.
    case counts
    /// Asks the owner to send again everything that the partition's log holds as pending.
    case redrive
    /// Asks the owner to let a held instance try again, whatever it is held for.
    case release(InstanceID)
    /// Asks the owner whether a shipped episode that somebody was given before may run once more, with code of that
    /// build; it counts.
    case attempt(EpisodeID, build: String)
    /// A worker says which activities run on it, and asks whether they are still wanted.
    case heartbeat([TaskHeartbeat])
    /// Asks the code of an instance, which answers from its state and changes nothing.
    case handler(InstanceID, name: String, input: Payload?)
    /// Answered when the update has ended; asked again by the client on silence.
    case update(InstanceID, UpdateID)
    /// Number of instances that fit, by status, in the asked partition.
    case count(ListFilter)
    /// Asks the owner to remove those of the instances that have ended, for good. At most `purgeLimit`.
    case purge([InstanceID])

    package static let purgeLimit = 256
}

/// Word of an activity that runs.
package struct TaskHeartbeat: Hashable, Sendable {
    package var task: TaskKey
    /// How far it has come, for a later run of it; nil: nothing new.
    package var details: Payload?
    package init(task: TaskKey, details: Payload?) {
        self.task = task
        self.details = details
    }

    /// Bytes of details at most: they stand in the log, the tables and memory.
    package static let detailsLimit = 64 << 10
}

/// What an owner sent again because it was asked to.
package struct Redriven: Hashable, Sendable {
    /// Open activities, under the dispatch they had.
    package var tasks: Int
    /// Messages to instances that are not known to be applied.
    package var messages: Int
    /// Instances with a timer or start time, whose alarm was set anew.
    package var timers: Int
    package init(tasks: Int, messages: Int, timers: Int) {
        self.tasks = tasks
        self.messages = messages
        self.timers = timers
    }
}

package struct ListFilter: Hashable, Sendable {
    /// Empty: any.
    package var statuses: [OrchestrationStatus]
    package var name: String?
    package var idPrefix: String?
    /// Created at or after.
    package var createdFrom: Timestamp?
    /// Created before.
    package var createdTo: Timestamp?
    /// Those that have all of these.
    package var tags: [TagFilter]
    /// Those that this instance called.
    package var parent: InstanceID?

    package init(
        statuses: [OrchestrationStatus] = [], name: String? = nil, idPrefix: String? = nil,
        createdFrom: Timestamp? = nil, createdTo: Timestamp? = nil, tags: [TagFilter] = [], parent: InstanceID? = nil
    ) {
        self.statuses = statuses
        self.name = name
        self.idPrefix = idPrefix
        self.createdFrom = createdFrom
        self.createdTo = createdTo
        self.tags = tags
        self.parent = parent
    }

    /// What makes it one that is refused; nil: nothing. More tags than an instance has would fit none.
    package var defect: String? {
        let limit = [ExecutionStarted.Tag].countLimit
        return tags.count > limit ? "instances are found by at most \(limit) tags, these are \(tags.count)" : nil
    }
}

/// Where a page of a list ended: lists are ordered by (creation time, ID).
package struct ListCursor: Hashable, Comparable, Sendable {
    package var createdAt: Timestamp
    package var id: InstanceID
    package init(createdAt: Timestamp, id: InstanceID) {
        self.createdAt = createdAt
        self.id = id
    }
    package static func < (left: Self, right: Self) -> Bool { (left.createdAt, left.id) < (right.createdAt, right.id) }
}

package enum QueryAnswer: Hashable, Sendable {
    case status(InstanceSnapshot)
    /// - `of`: the execution whose history it is; nil: an owner of an older build does not say.
    case history([HistoryEvent], of: ExecutionID?, isComplete: Bool)
    case list([InstanceSnapshot], isComplete: Bool)
    case counts([StatusCount])
    case redriven(Redriven)
    /// The instance is held no more; nil: it was not.
    case released(Hold?)
    /// Whether the shipped episode may run.
    case mayRun(Bool)
    /// What is known of each of those activities that is still wanted.
    case tasks([OpenTaskDetails])
    /// What the instance's code answered.
    case value(Payload?)
    /// What the handler of the query threw.
    case handlerFailed(FailureDetails)
    case update(UpdateOutcome)
    /// The instance is there, and has no such update, or not any more.
    case unknownUpdate(OrchestrationStatus)
    case purged(Purged)
    /// No such instance.
    case notFound
    /// The owner could not answer; the text says why.
    case failed(String)

    package struct OpenTaskDetails: Hashable, Sendable {
        package var task: TaskKey
        /// Of the newest heartbeat; nil: there was none.
        package var details: Payload?
        package init(task: TaskKey, details: Payload?) {
            self.task = task
            self.details = details
        }
    }

    package struct StatusCount: Hashable, Sendable {
        package var status: OrchestrationStatus
        package var count: Int
        package init(status: OrchestrationStatus, count: Int) {
            self.status = status
            self.count = count
        }
    }
}

/// What an owner sends to a client's reply queue.
package struct Reply: Hashable, Sendable {
    package var correlationID: String
    package var partition: PartitionID
    /// Epoch of the owner that answered.
    package var epoch: Epoch
    package var body: Body

    package init(correlationID: String, partition: PartitionID, epoch: Epoch, body: Body) {
        self.correlationID = correlationID
        self.partition = partition
        self.epoch = epoch
        self.body = body
    }

    package enum Body: Hashable, Sendable {
        case verdict(Verdict)
        case answer(QueryAnswer)
    }
}

/// One instance as clients see it.
public struct InstanceSnapshot: Hashable, Sendable {
    /// Chosen by its starter, or a UUID.
    public var id: InstanceID
    /// Of the present execution, or of the last.
    public var executionID: ExecutionID
    /// Of its orchestration.
    public var name: String
    /// The code it keeps to; nil: none, or an owner of an earlier version does not say.
    public var version: String?
    /// At the last checkpoint.
    public var status: OrchestrationStatus
    /// When its start was accepted; the same in all its executions.
    public var createdAt: Timestamp
    /// Of the last checkpoint that changed it.
    public var lastUpdatedAt: Timestamp
    /// Set while it waits for a later start.
    public var startAt: Timestamp?
    /// Lists leave inputs and outputs out.
    public var input: Payload?
    /// What it returned; nil: it has not completed, returns nothing, or this is a list.
    public var output: Payload?
    /// Why it failed or what it was canceled with; nil: neither.
    public var failure: FailureDetails?
    /// What its code set last with `setCustomStatus`; nil: nothing.
    public var customStatus: Payload?
    /// In order of key.
    public var tags: [ExecutionStarted.Tag]
    /// Events of the present execution, or of the last.
    public var historyCount: Int
    /// Activities scheduled and not completed.
    public var openTaskCount: Int
    /// Timers that have not fired.
    public var openTimerCount: Int
    /// Sub-orchestrations called that have not ended.
    public var openChildCount: Int
    /// Accepted messages no episode has handled yet.
    public var inboxCount: Int
    /// Updates that wait to begin, and those whose handler has not ended.
    public var openUpdateCount: Int
    /// Operations of entities called that have not ended.
    public var openEntityCallCount: Int
    /// What an entity keeps; nil: the instance is an orchestration's.
    package var entity: EntityState?
    /// Error code and text when the instance is held; nil otherwise.
    public var holdCode: String?
    /// nil: it is not held.
    public var holdText: String?
    /// The instance that called it; nil: none.
    public var parent: InstanceID?

    package init(_ state: InstanceState, input: Payload?) {
        id = state.id
        executionID = state.executionID
        name = state.name
        version = state.version
        status = state.status
        createdAt = state.createdAt
        lastUpdatedAt = state.lastUpdatedAt
        startAt = state.startAt
        self.input = input
        output = state.output
        failure = state.failure
        customStatus = state.customStatus
        tags = state.tags
        historyCount = state.historyCount
        openTaskCount = state.openTasks.count
        openTimerCount = state.openTimers.count
        openChildCount = state.openChildren.count
        inboxCount = state.inbox.count
        openUpdateCount = state.updates.openCount
        openEntityCallCount = state.openEntityCalls.count
        entity = state.entity
        holdCode = state.hold?.code
        holdText = state.hold?.text
        parent = state.parent?.instanceID
    }

    /// For decoders, which fill the fields in one by one.
    package init(id: InstanceID, executionID: ExecutionID, name: String, status: OrchestrationStatus) {
        self.id = id
        self.executionID = executionID
        self.name = name
        self.status = status
        createdAt = Timestamp(millisecondsSinceEpoch: 0)
        lastUpdatedAt = createdAt
        tags = []
        historyCount = 0
        openTaskCount = 0
        openTimerCount = 0
        openChildCount = 0
        inboxCount = 0
        openUpdateCount = 0
        openEntityCallCount = 0
    }
}
