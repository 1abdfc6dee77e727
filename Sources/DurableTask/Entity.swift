public import DurableCore

/// A kind of durable object: state of its own under each key, which operations change one at a time.
///
/// ```swift
/// let counter = Entity("Counter", initial: 0)
/// let add = counter.operation("add") { (count: inout Int, amount: Int) -> Int in
///     count += amount
///     return count
/// }
/// ```
///
/// A worker registers the operations. An entity comes to be with the first operation that is sent to its key, and goes
/// when an operation removes its state (`EntityContext.removeState`, or `deletion`). Orchestrations call and signal it,
/// clients signal it and read its state, entities signal each other.
public struct Entity<State: Codable & Sendable>: Sendable {
    /// Unique among the entities of a hub, and part of their IDs: 1 to 100 bytes without `@`. Do not rename what has run.
    public let name: String
    let initial: @Sendable () -> State

    /// - Parameter initial: State before the first operation.
    public init(_ name: String, initial: @autoclosure @escaping @Sendable () -> State) {
        self.name = name
        self.initial = initial
    }

    /// The entity of that key.
    public subscript(key: String) -> EntityID { EntityID(name: name, key: key) }

    // MARK: Operations

    /// Defines an operation.
    ///
    /// - Parameters:
    ///   - name: Unique among the operations of the entity. Do not rename what has been sent.
    ///   - body: Runs at once, in memory: it must not block, and has no side effect but the state and what it sends. It
    ///     may run again when a worker ends before its effect is saved; the effect counts once. What it throws leaves the
    ///     state as it was, sends nothing, and is a failure for whoever called it.
    public func operation<Input, Output>(
        _ name: String, _ body: @escaping @Sendable (inout State, Input, EntityContext) throws -> Output
    ) -> EntityOperation<State, Input, Output> {
        EntityOperation(entity: self, name: name, body: body)
    }

    /// Defines an operation that needs no context.
    public func operation<Input, Output>(
        _ name: String, _ body: @escaping @Sendable (inout State, Input) throws -> Output
    ) -> EntityOperation<State, Input, Output> {
        operation(name) { state, input, _ in try body(&state, input) }
    }

    /// Defines an operation that returns nothing.
    public func operation<Input>(
        _ name: String, _ body: @escaping @Sendable (inout State, Input) throws -> Void
    ) -> EntityOperation<State, Input, NoValue> {
        operation(name) { state, input, _ in
            try body(&state, input)
            return NoValue()
        }
    }

    /// Defines an operation that takes no input.
    public func operation<Output>(
        _ name: String, _ body: @escaping @Sendable (inout State) throws -> Output
    ) -> EntityOperation<State, NoValue, Output> {
        operation(name) { (state, _: NoValue, _) in try body(&state) }
    }

    /// Defines an operation that neither takes nor returns anything.
    public func operation(
        _ name: String, _ body: @escaping @Sendable (inout State) throws -> Void
    ) -> EntityOperation<State, NoValue, NoValue> {
        operation(name) { (state, _: NoValue, _) in
            try body(&state)
            return NoValue()
        }
    }

    /// The operation `delete`, which every entity has: removes its state.
    public var deletion: EntityOperation<State, NoValue, NoValue> {
        operation(deletionName) { (_, _: NoValue, context) in
            context.removeState()
            return NoValue()
        }
    }
}

let deletionName = "delete"

/// What an entity can be asked to do, with the types of its input and its result.
public struct EntityOperation<State: Codable & Sendable, Input: Codable & Sendable, Output: Codable & Sendable>:
    Sendable
{
    /// Whose operation it is.
    public let entity: Entity<State>
    /// Unique among the operations of the entity.
    public let name: String
    let body: @Sendable (inout State, Input, EntityContext) throws -> Output

    /// Performs the operation on a state, as a test of it would.
    ///
    /// - Returns: The result, and what it sent and did to the state's existence in `context`.
    public func callAsFunction(_ state: inout State, _ input: Input, _ context: EntityContext) throws -> Output {
        try body(&state, input, context)
    }
}

/// What an operation of an entity may do beside changing its state. Use it while the operation runs.
public final class EntityContext {
    /// The entity whose operation runs.
    public let id: EntityID
    /// The time of the turn: what the owner of the entity's partition takes for the present.
    public let now: Timestamp
    /// Names the request this operation performs: the same if it runs again.
    public let requestID: String
    package private(set) var sent: [EntityOutcome.Sent] = []
    package private(set) var isStateRemoved = false
    private(set) var failure: (any Error)?

    /// For tests that perform an operation themselves: workers give operations theirs.
    public init(id: EntityID, now: Timestamp, requestID: String = "") {
        self.id = id
        self.now = now
        self.requestID = requestID
    }

    /// Removes the state after this operation, whatever it does to it: the next one begins with the initial state. An
    /// entity without state that nothing waits for goes away.
    public func removeState() { isStateRemoved = true }

    /// Sends an operation to an entity. It is on its way once this one is saved; nobody waits for it. This one fails if the
    /// ID or the input cannot be used.
    public func signal<State, Input, Output>(
        _ operation: EntityOperation<State, Input, Output>, on key: String, _ input: Input
    ) {
        send(operation.entity[key], operation.name, input)
    }

    /// Sends an operation that takes no input to an entity.
    public func signal<State, Output>(_ operation: EntityOperation<State, NoValue, Output>, on key: String) {
        send(operation.entity[key], operation.name, NoValue())
    }

    private func send(_ target: EntityID, _ operation: String, _ input: some Encodable) {
        do {
            if let defect = target.defect { throw InvalidInstanceID(description: defect) }
            let payload = try PayloadCoding.encode(input, as: "the input of operation \"\(operation)\" of \(target)")
            sent.append(.signal(target, operation: operation, input: payload))
        } catch {
            failure = failure ?? error
        }
    }

    /// Starts an orchestration that nobody waits for; nothing happens if there is an instance of that ID. This operation
    /// fails if the ID or the input cannot be used.
    ///
    /// - Parameter instanceID: nil: made of the request's ID.
    /// - Returns: Its instance ID.
    @discardableResult
    public func startOrchestration<Input, Output>(
        _ orchestration: Orchestration<Input, Output>, _ input: Input, instanceID: InstanceID? = nil
    ) -> InstanceID {
        let child = instanceID ?? InstanceID("\(ExecutionID(requestID).stem):\(sent.count)")
        do {
            if let defect = child.orchestrationDefect { throw InvalidInstanceID(description: defect) }
            let payload = try PayloadCoding.encode(
                input, as: "the input of orchestration \"\(orchestration.name)\"")
            sent.append(
                .start(ChildStart(instanceID: child, name: orchestration.name, input: payload, isDetached: true)))
        } catch {
            failure = failure ?? error
        }
        return child
    }

    /// Starts an orchestration that takes no input and that nobody waits for.
    @discardableResult
    public func startOrchestration<Output>(
        _ orchestration: Orchestration<NoValue, Output>, instanceID: InstanceID? = nil
    ) -> InstanceID {
        startOrchestration(orchestration, NoValue(), instanceID: instanceID)
    }
}

extension EntityOperation: Registrable {
    public func register(in registry: inout Registry) throws(RegistryError) {
        try registry.add(AnyEntityOperation(self))
    }
}
