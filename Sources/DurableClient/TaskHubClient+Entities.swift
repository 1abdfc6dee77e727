public import DurableCore
public import DurableTask

extension TaskHubClient {
    // MARK: - Entities

    /// Sends an operation to an entity, which comes to be by it where it is not there. Nobody waits for it, and what it
    /// throws nobody hears.
    ///
    /// - Parameter requestID: The same ID is applied once, as long as the entity remembers it (its last 128). nil: a UUID.
    @discardableResult
    public func signal<State, Input, Output>(
        _ operation: EntityOperation<State, Input, Output>, on key: String, _ input: Input, requestID: String? = nil
    ) async throws -> Accepted {
        let id = operation.entity[key]
        let payload = try encode(input, "the input of operation \"\(operation.name)\" of \(id)")
        return Accepted(try await core.signal(operation.name, id, input: payload, requestID: requestID))
    }

    /// Sends an operation that takes no input to an entity.
    @discardableResult
    public func signal<State, Output>(
        _ operation: EntityOperation<State, NoValue, Output>, on key: String, requestID: String? = nil
    ) async throws -> Accepted {
        try await signal(operation, on: key, NoValue(), requestID: requestID)
    }

    /// Reads what an entity keeps, as it is saved: operations that wait have had no effect yet.
    ///
    /// - Returns: nil when there is no such entity, or it has no state.
    public func state<State>(of entity: Entity<State>, _ key: String) async throws -> State? {
        let what = "the state of \(entity[key])"
        guard let kept = try await core.state(of: entity[key])?.entity?.state,
            let state = try await core.opened(kept, what)
        else { return nil }
        return try decode(state, what)
    }
}
