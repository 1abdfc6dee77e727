public import DurableCore

extension OrchestrationContext {
    // MARK: Entities

    /// Has an entity perform an operation and waits for its result.
    ///
    /// - Throws: `EntityOperationFailure` if it threw: the entity's state is as it was then; `CriticalSectionError` if this
    ///   is called in a critical section that has not locked the entity; `CancellationError` if this task is cancelled
    ///   (while waiting: the operation is performed, its result ignored); `PayloadError` if the result is no `Output`.
    public func call<State, Input, Output>(
        _ operation: EntityOperation<State, Input, Output>, on key: String, _ input: Input
    ) async throws -> Output {
        let (id, name) = (operation.entity[key], operation.name)
        try await runtime.admit("context.call")
        try checkEntity(id)
        let payload = try runtime.encodeUnlessReplaying(input, as: "the input of operation \"\(name)\" of \(id)")
        let result = try await runtime.callEntity(id, name, input: payload)
        return try PayloadCoding.decode(Output.self, from: result, as: "the result of operation \"\(name)\" of \(id)")
    }

    /// Has an entity perform an operation that takes no input, and waits for its result.
    public func call<State, Output>(
        _ operation: EntityOperation<State, NoValue, Output>, on key: String
    ) async throws -> Output {
        try await call(operation, on: key, NoValue())
    }

    /// Has an entity perform an operation that returns nothing, and waits for it.
    public func call<State, Input>(
        _ operation: EntityOperation<State, Input, NoValue>, on key: String, _ input: Input
    ) async throws {
        let _: NoValue = try await call(operation, on: key, input)
    }

    /// Has an entity perform an operation that neither takes nor returns anything, and waits for it.
    public func call<State>(_ operation: EntityOperation<State, NoValue, NoValue>, on key: String) async throws {
        let _: NoValue = try await call(operation, on: key, NoValue())
    }

    /// Sends an operation to an entity. It is on its way once this episode is saved; nobody waits for it, and what it
    /// throws nobody hears. With an ID that cannot be used, or of an entity that this critical section has locked, this
    /// instance fails.
    public func signal<State, Input, Output>(
        _ operation: EntityOperation<State, Input, Output>, on key: String, _ input: Input
    ) {
        let (id, name) = (operation.entity[key], operation.name)
        guard runtime.mayAct("context.signal") else { return }
        if let defect = id.defect { return runtime.fail(InvalidInstanceID(description: defect)) }
        if let section = CriticalSection.current, section.entities.contains(id.instanceID) {
            return runtime.fail(
                CriticalSectionError(
                    "\(id) cannot be signalled in a critical section that has locked it: it would wait for "
                        + "the section's end. Call it"))
        }
        do {
            let payload = try runtime.encodeUnlessReplaying(input, as: "the input of operation \"\(name)\" of \(id)")
            runtime.signalEntity(id, name, input: payload)
        } catch {
            // Noted in the runtime: the instance fails.
        }
    }

    /// Sends an operation that takes no input to an entity.
    public func signal<State, Output>(_ operation: EntityOperation<State, NoValue, Output>, on key: String) {
        signal(operation, on: key, NoValue())
    }

    private func checkEntity(_ id: EntityID) throws {
        if let defect = id.defect { throw InvalidInstanceID(description: defect) }
        guard let section = CriticalSection.current, !section.entities.contains(id.instanceID) else { return }
        let locked = section.entities.map(\.value).joined(separator: ", ")
        throw CriticalSectionError(
            "\(id) cannot be called in a critical section that has not locked it (it has \(locked)): it might "
                + "wait for an entity that waits for this section. Lock it too, or call it before or after")
    }

    // MARK: Critical sections

    /// Runs `body` while no other orchestration, and no signal, gets at these entities.
    ///
    /// ```swift
    /// try await context.lock([account[from], account[to]]) {
    ///     guard try await context.call(balance, on: from) >= amount else { throw Insufficient() }
    ///     try await context.call(withdraw, on: from, amount)
    ///     try await context.call(deposit, on: to, amount)
    /// }
    /// ```
    ///
    /// Entities are locked one after the other in one order for all orchestrations, so that two sections never wait for
    /// each other. What others send to a locked entity waits for its end. The section ends with `body`, also when it
    /// throws, and with the orchestration, however that ends. What was done in it is not undone.
    ///
    /// - Parameters:
    ///   - entities: 1 or more, in any order.
    ///   - body: May call only these entities. Must neither begin another section nor call a sub-orchestration, which
    ///     might wait for these entities.
    /// - Throws: What `body` throws; `CriticalSectionError` where that is not kept to; `CancellationError`.
    public func lock<Output>(
        _ entities: [EntityID], _ body: () async throws -> Output
    ) async throws -> Output {
        try await runtime.admit("context.lock")
        if CriticalSection.current != nil {
            throw CriticalSectionError(
                "a critical section cannot begin in another one: two orchestrations could wait for each other. "
                    + "Lock all entities at once")
        }
        if entities.isEmpty {
            throw CriticalSectionError(
                "a critical section locks one entity at least")
        }
        for defect in entities.lazy.compactMap(\.defect) { throw InvalidInstanceID(description: defect) }
        let section = try await runtime.enterSection(entities)
        defer { runtime.leaveSection(section) }
        return try await CriticalSection.$current.withValue(section) { try await body() }
    }

    /// The entities that the critical section this is called in has locked; empty outside of one.
    public var lockedEntities: [EntityID] { CriticalSection.current?.entities.compactMap(\.entity) ?? [] }
}

/// An operation of an entity threw. Thrown by `call`; the entity's state is as it was before.
public struct EntityOperationFailure: Error, Hashable, Sendable, CustomStringConvertible {
    /// Whose operation it was.
    public let entity: EntityID
    /// The operation's name.
    public let operation: String
    /// The request's event ID.
    public let taskID: EventID
    /// What the operation threw. `errorType` is `UnknownOperation` where the worker has no such operation.
    public let details: FailureDetails

    /// For tests: what a worker would throw.
    public init(entity: EntityID, operation: String, taskID: EventID, details: FailureDetails) {
        self.entity = entity
        self.operation = operation
        self.taskID = taskID
        self.details = details
    }

    public var description: String { "operation \"\(operation)\" of \(entity) failed: \(details)" }
}

/// Code does what it may not do in a critical section, or begins one that makes no sense.
public struct CriticalSectionError: NonRetryableError, Hashable, Sendable, CustomStringConvertible {
    public let description: String

    init(_ text: String) { description = "DTQ2024 \(text). See ops/errors/DTQ2024.md" }
}
