import DurableCore
public import DurableTask

extension TestOrchestrationEnvironment {
    // MARK: - Entities

    /// What an entity keeps.
    ///
    /// - Returns: nil when there is no such entity, or it has no state.
    /// - Throws: `PayloadError` if the state is no `State`.
    public func state<State>(of entity: Entity<State>, _ key: String) throws -> State? {
        let id = entity[key]
        guard let state = hub.withLock({ $0.instances[id.instanceID]?.state.entity?.state }) else { return nil }
        return try PayloadCoding.decode(State.self, from: state, as: "the state of \(id)")
    }

    /// The orchestration whose critical section has an entity; nil: none.
    public func holder<State>(of entity: Entity<State>, _ key: String) -> InstanceID? {
        hub.withLock { $0.instances[entity[key].instanceID]?.state.entity?.lock?.parent }
    }

    /// Sends an operation to an entity, as a client does. It is performed when the environment runs.
    ///
    /// - Throws: `PayloadError`; `InvalidInstanceID`; `OrchestrationTestError`.
    public func signal<State, Input, Output>(
        _ operation: EntityOperation<State, Input, Output>, on key: String, _ input: Input
    ) throws {
        let id = operation.entity[key]
        if let defect = id.defect { throw InvalidInstanceID(description: defect) }
        let what = "the input of operation \"\(operation.name)\" of \(id)"
        let payload = try passage.pass(try PayloadCoding.encode(input, as: what), of: id.instanceID, what)
        _ = hub.withLock { hub in
            hub.send(
                .entityOperationSignaled(EntitySignal(requestID: "", operation: operation.name, input: payload)),
                to: id.instanceID)
        }
    }

    /// Sends an operation that takes no input to an entity.
    public func signal<State, Output>(_ operation: EntityOperation<State, NoValue, Output>, on key: String) throws {
        try signal(operation, on: key, NoValue())
    }

    /// Lets an entity handle what has come, as a worker does.
    func runEntity(_ instance: InstanceUnderTest) throws {
        let (registry, time) = hub.withLock { ($0.registry, max($0.now, instance.state.lastUpdatedAt)) }
        guard let id = instance.id.entity else { return }
        var turn = EntityTurn(instance.state, at: time)
        while let operation = turn.next() {
            guard let entity = registry.entity(named: id.name) else {
                throw OrchestrationTestError(
                    .notRegistered, instance.id,
                    "operation \"\(operation.name)\" is sent to \(id), and no operation of entity \"\(id.name)\" is "
                        + "registered: give them to the environment")
            }
            let outcome = entity.perform(operation, on: id, state: turn.entity.state, at: time)
            turn.finish(operation, try passage.pass(outcome, of: operation, id))
        }
        if !turn.handled.isEmpty { hub.withLock { $0.finish(instance, turn) } }
    }
}
