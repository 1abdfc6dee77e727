/// An operation that an entity is to perform, and nobody waits for.
public struct EntitySignal: Hashable, Sendable {
    /// Unique among what is sent to the entity.
    public var requestID: String
    /// The operation's name.
    public var operation: String
    /// nil: none.
    public var input: Payload?
    /// The entity; in histories.
    public var target: InstanceID?

    /// Of what was recorded elsewhere, such as a fixture.
    public init(requestID: String, operation: String, input: Payload?, target: InstanceID? = nil) {
        self.requestID = requestID
        self.operation = operation
        self.input = input
        self.target = target
    }
}

/// An operation that an entity is to perform for an orchestration that waits for its result.
public struct EntityCall: Hashable, Sendable {
    /// Unique among what is sent to the entity; in its answer, too.
    public var requestID: String
    /// The operation's name.
    public var operation: String
    /// nil: none.
    public var input: Payload?
    /// The entity; in histories.
    public var target: InstanceID?
    /// Who waits; in messages.
    public var parent: InstanceID?
    /// In messages.
    public var parentExecution: ExecutionID?
    /// The critical section it belongs to; nil: none.
    public var section: String?

    /// Of what was recorded elsewhere, such as a fixture.
    public init(
        requestID: String, operation: String, input: Payload?, target: InstanceID? = nil, parent: InstanceID? = nil,
        parentExecution: ExecutionID? = nil, section: String? = nil
    ) {
        self.requestID = requestID
        self.operation = operation
        self.input = input
        self.target = target
        self.parent = parent
        self.parentExecution = parentExecution
        self.section = section
    }
}

/// A critical section that wants entities for itself. It goes from one to the next, each of which sends it on once it is
/// the section's; the last one tells the orchestration.
public struct EntityLockRequest: Hashable, Sendable {
    /// Names the section: unique in the hub.
    public var section: String
    /// In ascending order, without repeats: 1 or more.
    public var lockSet: [InstanceID]
    /// Index of the entity it is sent to.
    public var position: Int
    /// Whose section it is; in messages.
    public var parent: InstanceID?
    /// In messages.
    public var parentExecution: ExecutionID?

    /// Of what was recorded elsewhere, such as a fixture.
    public init(
        section: String, lockSet: [InstanceID], position: Int = 0, parent: InstanceID? = nil,
        parentExecution: ExecutionID? = nil
    ) {
        self.section = section
        self.lockSet = lockSet
        self.position = position
        self.parent = parent
        self.parentExecution = parentExecution
    }
}

/// The end of a critical section at one entity.
public struct EntityUnlock: Hashable, Sendable {
    /// Names the section: unique in the hub.
    public var section: String
    /// In histories.
    public var target: InstanceID?
    /// The section may still be on its way to those behind `position`: this follows it. Empty: the section had them all.
    public var lockSet: [InstanceID]
    /// Index of the entity in `lockSet` that it is sent to.
    public var position: Int

    /// Of what was recorded elsewhere, such as a fixture.
    public init(section: String, target: InstanceID? = nil, lockSet: [InstanceID] = [], position: Int = 0) {
        self.section = section
        self.target = target
        self.lockSet = lockSet
        self.position = position
    }
}
