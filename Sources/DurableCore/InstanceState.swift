/// One instance as a value: everything the engine needs to know without its history.
///
/// Live work and recovery both go through `evolve(with:)`. The user code's own state is not here: replay of the
/// history rebuilds it.
package struct InstanceState: Hashable, Sendable {
    package var id: InstanceID
    package var executionID: ExecutionID
    /// Message that created it: a repeat of it is a duplicate, another start is refused.
    package var startID: MessageID
    package var name: String
    package var version: String?
    package var status: OrchestrationStatus
    package var createdAt: Timestamp
    package var lastUpdatedAt: Timestamp
    /// First episode not before this time; nil once it ran, or when it may run at once.
    package var startAt: Timestamp?
    package var customStatus: Payload?
    /// Result of a completed instance, reason of a terminated one.
    package var output: Payload?
    package var failure: FailureDetails?
    package var parent: ExecutionStarted.ParentInstance?
    package var traceParent: String?
    package var tags: [ExecutionStarted.Tag]
    /// Activities scheduled and not completed. Look-up only.
    package var openTasks: [EventID: OpenTask]
    /// Timers created and neither fired nor canceled. Look-up only.
    package var openTimers: [EventID: Timestamp]
    /// Sub-orchestrations called and not ended, those that nobody waits for any more too. Look-up only.
    package var openChildren: [EventID: InstanceID]
    /// IDs of the patches its execution has recorded, which replay asks for before it comes to them. Look-up only.
    package var patches: Set<String>
    /// The code that wrote the last episode of its execution; nil: none has run, or it is not known.
    package var author: EpisodeAuthor?
    /// Number of events in the history.
    package var historyCount: Int
    /// Accepted events no episode has handled yet, in order of arrival.
    package var inbox: [HistoryEvent]
    /// Most recent messages of clients, oldest first, at most `appliedMessagesLimit`.
    package var appliedMessages: [MessageID]
    package var hold: Hold?
    package var updates = UpdateLedger()
    /// What an entity keeps; nil: the instance is an orchestration's.
    package var entity: EntityState?
    /// Operations of entities that were called and have not ended. Look-up only.
    package var openEntityCalls: [EventID: InstanceID] = [:]
    /// Entities of the critical sections that were asked for and have not ended. Look-up only.
    package var openSections: [EventID: [InstanceID]] = [:]
    /// A termination is told to the code, which has something to undo then.
    package var compensatesTermination: Bool
    /// The code was told of a termination: whatever it does, the instance ends as terminated.
    package var isTerminating: Bool

    /// Of an instance that failed, or was ended; nil: it has not, or under a version that did not keep it.
    package var atEnd: AtEnd?
    /// Event IDs of what its code has given up, which leaves no event.
    package var givenUp = GivenUp()
    /// Times its execution was rewound: the dispatch under which it starts sub-orchestrations. What they answer to an
    /// earlier one counts no longer.
    package var rewindCount: UInt32 = 0
    /// Dispatch under which its parent has last started it, which its answer carries back.
    package var startDispatch: UInt32 = 0

    /// What must be known of its last moments to rewind it.
    package struct AtEnd: Hashable, Sendable {
        /// Event IDs of what it still waited for.
        package var open: [EventID]
        package var compensatesTermination: Bool
        package init(open: [EventID], compensatesTermination: Bool) {
            self.open = open
            self.compensatesTermination = compensatesTermination
        }
    }

    package struct GivenUp: Hashable, Sendable {
        /// Behind the last episode that recorded something.
        package var lately: [EventID] = []
        /// Sub-orchestrations given up before: they may answer yet.
        package var children: [EventID] = []
        package init() {}
    }

    package static let appliedMessagesLimit = 128

    package struct OpenTask: Hashable, Sendable {
        package var dispatch: UInt32
        package var outboxID: OutboxID
        /// How far its run has come, by its newest heartbeat.
        package var details: Payload?
        package init(dispatch: UInt32, outboxID: OutboxID, details: Payload? = nil) {
            self.dispatch = dispatch
            self.outboxID = outboxID
            self.details = details
        }
    }

    /// A new instance, before its first change is folded in.
    package init(start: ExecutionStarted, startID: MessageID, at time: Timestamp) {
        id = start.instanceID
        executionID = start.executionID
        self.startID = startID
        name = start.name
        version = start.version
        status = .pending
        createdAt = time
        lastUpdatedAt = time
        startAt = start.scheduledStart
        parent = start.parent
        traceParent = start.traceParent
        tags = start.tags
        openTasks = [:]
        openTimers = [:]
        openChildren = [:]
        patches = []
        historyCount = 0
        inbox = []
        appliedMessages = []
        compensatesTermination = false
        isTerminating = false
    }

    /// Of what activities have said of themselves.
    package var heartbeatBytes: Int { openTasks.values.reduce(0) { $0 + ($1.details?.count ?? 0) } }

    /// The activity, if it is open under just that dispatch.
    package func openTask(_ key: TaskKey) -> OpenTask? {
        guard key.executionID == executionID, let task = openTasks[key.taskID], task.dispatch == key.dispatch else {
            return nil
        }
        return task
    }

    /// The time of what happens to it at `now`: owners' clocks differ and may be set back, an instance's time never
    /// runs backwards.
    package func time(at now: Timestamp) -> Timestamp { max(now, lastUpdatedAt) }

    /// Whether an episode may run now, if there is something in the inbox.
    package func mayRun(at now: Timestamp) -> Bool {
        guard hold == nil else { return false }
        switch status {
        case .running: return true
        case .pending: return startAt.map { $0 <= now } ?? true
        case .suspended, .completed, .failed, .canceled, .terminated, .continuedAsNew: return false
        }
    }

    /// Whether it may have ended without its code's having a part in that; the end of its history says.
    package var mayHaveImposedEnd: Bool {
        switch status {
        case .terminated, .canceled, .failed: true
        default: false
        }
    }

    /// Whether updates wait that the code may be asked about.
    package var mayAdmitUpdates: Bool { status == .running && hold == nil && !updates.requested.isEmpty }

    /// Length of a history, in events, past which an operator is warned.
    package static let longHistory = 10_000

    /// Whether its history, when it grew by so many events, has passed `limit`, or twice that, or twice that again ...
    package func historyHasPassed(_ limit: Int, grownBy count: Int) -> Bool {
        precondition(limit > 0, "a limit that can be doubled")
        var passed = limit
        while passed * 2 < historyCount { passed *= 2 }
        return passed < historyCount && historyCount - count <= passed
    }

    /// When the owner must look at it without a message: a start time or the earliest timer; nil: never.
    package var nextDue: Timestamp? {
        if hold != nil || status.isTerminal { return nil }
        if status == .pending { return startAt }
        if status == .suspended { return nil }
        var earliest: Timestamp?
        for (_, fireAt) in openTimers where earliest.map({ fireAt < $0 }) ?? true { earliest = fireAt }
        return earliest
    }
}
