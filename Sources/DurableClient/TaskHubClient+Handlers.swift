public import DurableCore
public import DurableTask

extension TaskHubClient {
    // MARK: - Queries

    /// Asks an instance, which changes nothing by its answer. One that has ended can be asked too.
    ///
    /// - Throws: `FailureDetails`: what the handler threw. `ClientError`: DTQ2015 when the instance has no such handler
    ///   or has not begun, DTQ2016 when the handler did more than to look, the code of its hold when it is held, DTQ5002
    ///   when there is no such instance.
    public func query<Input, Output>(
        _ query: Query<Input, Output>, of id: InstanceID, _ input: Input
    ) async throws -> Output {
        try await self.query(query.name, of: id, input, as: Output.self)
    }

    /// Asks an instance a query that takes no input.
    public func query<Output>(_ query: Query<NoValue, Output>, of id: InstanceID) async throws -> Output {
        try await self.query(query.name, of: id, NoValue(), as: Output.self)
    }

    /// Asks an instance by the query's name.
    public func query<Input: Encodable, Output: Decodable>(
        _ name: String, of id: InstanceID, _ input: Input, as type: Output.Type = Output.self
    ) async throws -> Output {
        let payload = try encode(input, "the input of query \"\(name)\"")
        return try decode(
            try await core.query(name, of: id, input: payload), "the answer of query \"\(name)\" of instance \(id)")
    }

    // MARK: - Updates

    /// Has an instance change its state, and waits for the result, however long that takes.
    ///
    /// - Parameter updateID: The same ID is run once: ask again under it after an error of the way (or from another
    ///   process), and the answer is that of the first time. An instance remembers its last 128. nil: a UUID.
    /// - Throws: `UpdateFailure` when it was rejected, failed, or the instance ended first; `ClientError`;
    ///   `CancellationError`, which leaves the update to itself.
    @discardableResult
    public func update<Input, Output>(
        _ update: Update<Input, Output>, of id: InstanceID, _ input: Input, updateID: UpdateID? = nil
    ) async throws -> Output {
        try await self.update(update.name, of: id, input, updateID: updateID, as: Output.self)
    }

    /// Has an instance change its state by an update that takes no input.
    @discardableResult
    public func update<Output>(
        _ update: Update<NoValue, Output>, of id: InstanceID, updateID: UpdateID? = nil
    ) async throws -> Output {
        try await self.update(update.name, of: id, NoValue(), updateID: updateID, as: Output.self)
    }

    /// Has an instance change its state by the update's name.
    @discardableResult
    public func update<Input: Encodable, Output: Decodable>(
        _ name: String, of id: InstanceID, _ input: Input, updateID: UpdateID? = nil, as type: Output.Type = Output.self
    ) async throws -> Output {
        let payload = try encode(input, "the input of update \"\(name)\"")
        let request = UpdateRequest(id: updateID ?? UpdateID(core.makeID()), name: name, input: payload)
        guard case .ended(let outcome) = try await core.update(request, of: id) else { throw CancellationError() }
        if let failure = UpdateFailure(outcome, of: request, id) { throw failure }
        guard case .completed(let result) = outcome else { throw CancellationError() }
        return try decode(result, "the result of update \"\(name)\" of instance \(id)")
    }
}
