/// Immutable fact in an instance's history. Kinds and their meaning are those of the Durable Task protocol.
public struct HistoryEvent: Hashable, Sendable {
    /// The action's ID for events that record an action (`taskScheduled`, `timerCreated` ...); `.none` otherwise.
    public var eventID: EventID
    /// When the owner recorded it.
    public var timestamp: Timestamp
    /// What happened.
    public var kind: Kind
    /// Of `orchestratorStarted` alone: the code that wrote the episode, where it is another than wrote the one before.
    public var author: EpisodeAuthor?
    /// Fields of a newer version that this one does not know, kept byte for byte; empty almost always.
    package var unknownFields: [UInt8] = []
    /// What history holds where `kind` has been given an opened payload for code; nil otherwise, and never written.
    package var sealedPayload: Payload?

    /// Of what was recorded elsewhere, such as a fixture.
    public init(eventID: EventID = .none, timestamp: Timestamp, kind: Kind) {
        self.eventID = eventID
        self.timestamp = timestamp
        self.kind = kind
    }

    /// What an event says. Later versions may add kinds.
    public enum Kind: Hashable, Sendable {
        /// Start of an episode; its time stamp is the episode's `now`.
        case orchestratorStarted
        /// The instance was created, or its next execution began: first of every history but for `orchestratorStarted`.
        case executionStarted(ExecutionStarted)
        /// The execution has ended. `result` where it completed, `failure` where it failed.
        case executionCompleted(status: OrchestrationStatus, result: Payload?, failure: FailureDetails?)
        /// It was ended from outside. `recurse`: together with the children it waits for.
        case executionTerminated(reason: Payload?, recurse: Bool)
        /// Asks the code to end: its task is cancelled, what it does then counts.
        case cancellationRequested(reason: Payload?)
        /// It runs nothing from now on and keeps what arrives.
        case executionSuspended(reason: Payload?)
        /// It goes on.
        case executionResumed(reason: Payload?)
        /// The instance had failed and was taken back to here. `count`: how often that has happened to it.
        case executionRewound(reason: Payload?, count: UInt32)
        /// The code called an activity; the event ID is the task's.
        case taskScheduled(name: String, input: Payload?)
        /// The activity returned. `taskID`: event ID of its `taskScheduled`.
        case taskCompleted(taskID: EventID, result: Payload?)
        /// The activity threw. `taskID`: event ID of its `taskScheduled`.
        case taskFailed(taskID: EventID, failure: FailureDetails)
        /// The code set a timer; the event ID is the timer's.
        case timerCreated(fireAt: Timestamp)
        /// The time has come. `timerID`: event ID of its `timerCreated`.
        case timerFired(timerID: EventID, fireAt: Timestamp)
        /// The code raised an external event to another instance.
        case eventSent(instanceID: InstanceID, name: String, input: Payload?)
        /// An external event came.
        case eventRaised(name: String, input: Payload?)
        /// The code called a sub-orchestration, or started an orchestration that nobody waits for.
        case subOrchestrationCreated(ChildStart)
        /// The child returned. `taskID`: event ID of its `subOrchestrationCreated`.
        case subOrchestrationCompleted(taskID: EventID, result: Payload?)
        /// The child failed, was ended, or was not started. `taskID`: event ID of its `subOrchestrationCreated`.
        case subOrchestrationFailed(taskID: EventID, failure: FailureDetails)
        /// The code ended this execution; the next one begins with that input.
        case continueAsNew(input: Payload?)
        /// The code reached a change of its own for the first time in this execution, and took the new way.
        /// `isDeprecated`: by code that has no other way any more, so that later code need not ask either.
        case patchRecorded(id: String, isDeprecated: Bool)
        /// An update. Sent to an instance it asks to be let in; in a history it was, and its handler has begun.
        case updateRequested(UpdateRequest)
        /// The handler of an update has ended: with a result, or with what it threw.
        case updateCompleted(id: UpdateID, result: Payload?, failure: FailureDetails?)
        /// An operation of an entity that nobody waits for.
        case entityOperationSignaled(EntitySignal)
        /// An operation of an entity that the instance waits for.
        case entityOperationCalled(EntityCall)
        /// The entity has performed it. `requestID`: that of its `entityOperationCalled`.
        case entityOperationCompleted(requestID: String, output: Payload?)
        /// The operation threw. `requestID`: that of its `entityOperationCalled`.
        case entityOperationFailed(requestID: String, failure: FailureDetails)
        /// A critical section wants its entities.
        case entityLockRequested(EntityLockRequest)
        /// It has them all.
        case entityLockGranted(section: String)
        /// It ends at an entity, or is given up with all of them.
        case entityUnlockSent(EntityUnlock)
    }

    /// Name of the kind as it stands in `type` properties, logs and `dtq history`, such as `TaskScheduled`.
    public var typeName: String {
        switch kind {
        case .orchestratorStarted: "OrchestratorStarted"
        case .executionStarted: "ExecutionStarted"
        case .executionCompleted: "ExecutionCompleted"
        case .executionTerminated: "ExecutionTerminated"
        case .cancellationRequested: "CancellationRequested"
        case .executionSuspended: "ExecutionSuspended"
        case .executionResumed: "ExecutionResumed"
        case .executionRewound: "ExecutionRewound"
        case .taskScheduled: "TaskScheduled"
        case .taskCompleted: "TaskCompleted"
        case .taskFailed: "TaskFailed"
        case .timerCreated: "TimerCreated"
        case .timerFired: "TimerFired"
        case .eventSent: "EventSent"
        case .eventRaised: "EventRaised"
        case .subOrchestrationCreated: "SubOrchestrationInstanceCreated"
        case .subOrchestrationCompleted: "SubOrchestrationInstanceCompleted"
        case .subOrchestrationFailed: "SubOrchestrationInstanceFailed"
        case .continueAsNew: "ContinueAsNew"
        case .patchRecorded: "PatchRecorded"
        case .updateRequested: "UpdateRequested"
        case .updateCompleted: "UpdateCompleted"
        case .entityOperationSignaled: "EntityOperationSignaled"
        case .entityOperationCalled: "EntityOperationCalled"
        case .entityOperationCompleted: "EntityOperationCompleted"
        case .entityOperationFailed: "EntityOperationFailed"
        case .entityLockRequested: "EntityLockRequested"
        case .entityLockGranted: "EntityLockGranted"
        case .entityUnlockSent: "EntityUnlockSent"
        }
    }
}

/// A sub-orchestration as its parent asks for it.
public struct ChildStart: Hashable, Sendable {
    /// Of the child.
    public var instanceID: InstanceID
    /// Of its orchestration.
    public var name: String
    /// What its code reads as `context.version`; nil: none.
    public var version: String?
    /// nil: none.
    public var input: Payload?
    /// Nobody waits for its end.
    public var isDetached: Bool
    /// In order of key.
    public var tags: [ExecutionStarted.Tag]

    /// A child whose end is waited for, unless `isDetached`.
    public init(
        instanceID: InstanceID, name: String, version: String? = nil, input: Payload? = nil, isDetached: Bool = false,
        tags: [ExecutionStarted.Tag] = []
    ) {
        self.instanceID = instanceID
        self.name = name
        self.version = version
        self.input = input
        self.isDetached = isDetached
        self.tags = tags
    }
}

/// What a new execution was started with.
public struct ExecutionStarted: Hashable, Sendable {
    /// Of the orchestration.
    public var name: String
    /// What its code reads as `context.version`; nil: none.
    public var version: String?
    /// nil: none.
    public var input: Payload?
    /// The same in every execution of the instance.
    public var instanceID: InstanceID
    /// Of this execution alone.
    public var executionID: ExecutionID
    /// Not before this time; nil: at once.
    public var scheduledStart: Timestamp?
    /// Who waits for its end; nil: nobody.
    public var parent: ParentInstance?
    /// W3C trace context of whoever asked for it.
    public var traceParent: String?
    /// In order of key, so that encoding is the same everywhere.
    public var tags: [Tag]

    /// Of what was recorded elsewhere, such as a fixture.
    public init(
        name: String, version: String? = nil, input: Payload? = nil, instanceID: InstanceID, executionID: ExecutionID,
        scheduledStart: Timestamp? = nil, parent: ParentInstance? = nil, traceParent: String? = nil, tags: [Tag] = []
    ) {
        self.name = name
        self.version = version
        self.input = input
        self.instanceID = instanceID
        self.executionID = executionID
        self.scheduledStart = scheduledStart
        self.parent = parent
        self.traceParent = traceParent
        self.tags = tags
    }

    /// What its starter wanted to be found by; every execution of the instance has it.
    public struct Tag: Hashable, Sendable {
        /// Once among the tags of an instance.
        public var key: String
        /// Any text, empty too.
        public var value: String
        /// A tag; sort several by their keys.
        public init(key: String, value: String) {
            self.key = key
            self.value = value
        }
    }

    /// The execution that called a sub-orchestration, and the call that its end is the answer of.
    public struct ParentInstance: Hashable, Sendable {
        /// Event ID of the call in the parent's history.
        public var taskID: EventID
        /// Of the parent's orchestration.
        public var name: String
        /// Of the parent.
        public var instanceID: InstanceID
        /// The parent's execution: a later one does not hear of the end.
        public var executionID: ExecutionID
        /// Who waits.
        public init(taskID: EventID, name: String, instanceID: InstanceID, executionID: ExecutionID) {
            self.taskID = taskID
            self.name = name
            self.instanceID = instanceID
            self.executionID = executionID
        }
    }
}

extension HistoryEvent {
    /// Bytes of user data it carries; nil when it carries none.
    package var payloadBytes: Int? {
        switch kind {
        case .executionStarted(let start): start.input?.count
        case .executionCompleted(_, let result, _): result?.count
        case .executionTerminated(let reason, _), .cancellationRequested(let reason), .executionSuspended(let reason),
            .executionResumed(let reason), .executionRewound(let reason, _):
            reason?.count
        case .taskScheduled(_, let input), .eventSent(_, _, let input), .eventRaised(_, let input),
            .continueAsNew(let input):
            input?.count
        case .subOrchestrationCreated(let child): child.input?.count
        case .taskCompleted(_, let result), .subOrchestrationCompleted(_, let result): result?.count
        case .updateRequested(let request): request.input?.count
        case .updateCompleted(_, let result, _): result?.count
        case .entityOperationSignaled(let signal): signal.input?.count
        case .entityOperationCalled(let call): call.input?.count
        case .entityOperationCompleted(_, let output): output?.count
        case .entityOperationFailed, .entityLockRequested, .entityLockGranted, .entityUnlockSent: nil
        case .orchestratorStarted, .taskFailed, .timerCreated, .timerFired, .subOrchestrationFailed, .patchRecorded: nil
        }
    }

    /// Memory it takes, roughly.
    package var estimatedBytes: Int { 112 + (payloadBytes ?? 0) }
}

extension Sequence<HistoryEvent> {
    /// What the execution was started with; nil: it has had no episode.
    package var executionStarted: ExecutionStarted? {
        for case .executionStarted(let start) in lazy.map(\.kind) { return start }
        return nil
    }

    /// The code that wrote the last episode; nil: not said.
    package var lastAuthor: EpisodeAuthor? { reduce(nil) { $1.author ?? $0 } }

    /// IDs of the patches that are recorded here: what replay of an execution's whole history must know beforehand.
    package var recordedPatches: Set<String> {
        var patches: Set<String> = []  // look-up only
        for case .patchRecorded(let id, _) in lazy.map(\.kind) { patches.insert(id) }
        return patches
    }
}

extension HistoryEvent {
    /// Whether it ended an instance whose code did not ask for that: it was ended from outside, or its worker refused
    /// what the code asked for. What code asks for has an event ID.
    package var isImposedEnd: Bool {
        switch kind {
        case .executionCompleted(.terminated, _, _), .executionCompleted(.canceled, _, _),
            .executionCompleted(.failed, _, _):
            eventID == .none
        default: false
        }
    }
}

extension [HistoryEvent] {
    /// What the code had a part in: without the last episode where its end is imposed.
    package var withoutImposedEnd: [HistoryEvent] {
        guard contains(where: \.isImposedEnd), let last = lastIndex(where: { $0.kind == .orchestratorStarted })
        else { return self }
        return Array(self[..<last])
    }
}
