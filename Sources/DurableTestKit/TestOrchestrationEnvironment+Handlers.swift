public import DurableCore
public import DurableTask

extension TestOrchestrationEnvironment {
    // MARK: - Queries

    /// Asks an instance, as it is now; one that has ended too.
    ///
    /// - Throws: What the handler threw, as `FailureDetails`; `OrchestrationTestError`: `.instanceNotFound`,
    ///   `.noHandler`, `.handlerMisuse` if the handler did more than to look; `PayloadError`.
    public func query<Input, Output>(
        _ query: Query<Input, Output>, of id: InstanceID, _ input: Input
    ) throws -> Output {
        let name = query.name
        let payload = try PayloadCoding.encode(input, as: "the input of query \"\(name)\"")
        guard let instance = hub.withLock({ $0.instances[id] }) else { throw notFound(id) }
        try beginAsking()
        defer { hub.withLock { $0.isRunning = false } }
        let answer: HandlerAnswer
        let (execution, isOver) = hub.withLock { _ in (instance.current, instance.state.status.isTerminal) }
        if isOver {
            // Its suspended code is gone.
            guard let session = hub.withLock({ $0.registry }).makeSession(of: execution) else {
                throw OrchestrationTestError(
                    .notRegistered, id, "orchestration \"\(execution.name)\" of instance \"\(id)\" is not registered")
            }
            defer { session.evict() }
            do throws(EpisodeFailure) {
                try session.replay(execution.history.withoutImposedEnd)
            } catch {
                throw OrchestrationTestError(error, id, execution.name)
            }
            answer = session.query(name, input: payload)
        } else {
            let session = try session(of: instance)
            answer = session.query(name, input: payload)
            if case .misused = answer {
                session.evict()
                instance.session = nil
            }
        }
        switch answer {
        case .value(let value):
            return try PayloadCoding.decode(Output.self, from: value, as: "the answer of query \"\(name)\"")
        case .failed(let failure): throw failure
        case .noHandler(let known):
            let names = known.map { "\"\($0)\"" }.joined(separator: ", ")
            throw OrchestrationTestError(
                .noHandler, id,
                "instance \"\(id)\" has no handler of query \"\(name)\"; it answers "
                    + (names.isEmpty ? "none so far: has it run?" : names))
        case .misused(let violation):
            throw OrchestrationTestError(
                .handlerMisuse, id,
                "the handler of query \"\(name)\" of instance \"\(id)\" \(violation), though a query may only look")
        }
    }

    /// Asks an instance a query that takes no input.
    public func query<Output>(_ query: Query<NoValue, Output>, of id: InstanceID) throws -> Output {
        try self.query(query, of: id, NoValue())
    }

    private func beginAsking() throws {
        try hub.withLock { hub throws(OrchestrationTestError) in
            if hub.isRunning {
                throw OrchestrationTestError(.alreadyRunning, nil, "the environment is running: ask before or after it")
            }
            hub.isRunning = true
        }
    }

    // MARK: - Updates

    /// Has an instance change its state: sends the update, and runs until it has ended.
    ///
    /// - Parameter updateID: The same ID runs once, and gives the same answer again. nil: a new one.
    /// - Throws: `UpdateTestFailure` if it was rejected or failed, or the instance ended first; `OrchestrationTestError`;
    ///   `PayloadError`.
    @discardableResult
    public func update<Input, Output>(
        _ update: Update<Input, Output>, of id: InstanceID, _ input: Input, updateID: UpdateID? = nil
    ) async throws -> Output {
        try await result(of: update, id, sendUpdate(update, to: id, input, updateID: updateID))
    }

    /// Has an instance change its state by an update that takes no input.
    @discardableResult
    public func update<Output>(
        _ update: Update<NoValue, Output>, of id: InstanceID, updateID: UpdateID? = nil
    ) async throws -> Output {
        try await self.update(update, of: id, NoValue(), updateID: updateID)
    }

    /// Sends an update and returns at once, such as in `schedule(after:)`; `result(of:_:_:)` waits for it.
    ///
    /// - Returns: Its ID.
    /// - Throws: `OrchestrationTestError.Code.instanceNotFound` or `.instanceEnded`; `PayloadError`.
    @discardableResult
    public func sendUpdate<Input, Output>(
        _ update: Update<Input, Output>, to id: InstanceID, _ input: Input, updateID: UpdateID? = nil
    ) throws -> UpdateID {
        let payload = try PayloadCoding.encode(input, as: "the input of update \"\(update.name)\"")
        let updateID = updateID ?? UpdateID(hub.withLock { $0.newMessageID().value })
        try send(.updateRequested(UpdateRequest(id: updateID, name: update.name, input: payload)), to: id)
        return updateID
    }

    /// Runs until an update has ended, and decodes its result.
    ///
    /// - Throws: As `update`; `OrchestrationTestError.Code.stuck` if nothing is due that could bring it to an end.
    public func result<Input, Output>(
        of update: Update<Input, Output>, _ id: InstanceID, _ updateID: UpdateID
    ) async throws -> Output {
        func outcome(_ hub: TestHub) -> UpdateOutcome? {
            guard let instance = hub.instances[id] else { return .notBegun }
            switch instance.state.updates.standing(of: updateID) {
            case .ended(let outcome): return outcome
            case .requested, .open: return nil
            // On its way, unless nothing takes it any more.
            case nil: return instance.state.status.isTerminal ? .notBegun : nil
            }
        }
        try await drive(until: nil) { outcome($0) != nil }
        switch hub.withLock({ outcome($0) }) {
        case .completed(let result):
            return try PayloadCoding.decode(Output.self, from: result, as: "the result of update \"\(update.name)\"")
        case let outcome?: throw UpdateTestFailure(outcome, update.name, updateID)
        case nil:
            let waits = hub.withLock { $0.instances[id]?.waits } ?? ""
            throw OrchestrationTestError(
                .stuck, id,
                "update \"\(update.name)\" of instance \"\(id)\" has not ended, and nothing is due that could bring it to "
                    + "an end: \(waits)")
        }
    }
}

/// Why an update under test has no result.
public struct UpdateTestFailure: Error, Hashable, Sendable, CustomStringConvertible {
    /// How far the update came.
    public enum Reason: Hashable, Sendable {
        /// Its validator threw `details`; it is not in the history.
        case rejected
        /// Its handler threw `details`.
        case failed
        /// The instance ended before it began.
        case notBegun
        /// The execution ended before its handler did.
        case notFinished
    }

    /// How far it came, and so whether anything was changed.
    public let reason: Reason
    /// Of its handler.
    public let updateName: String
    /// The one the test chose, or the one that was made.
    public let updateID: UpdateID
    /// What the validator or the handler threw; nil for other reasons.
    public let details: FailureDetails?

    init(_ outcome: UpdateOutcome, _ name: String, _ id: UpdateID) {
        (updateName, updateID) = (name, id)
        switch outcome {
        case .rejected(let failure): (reason, details) = (.rejected, failure)
        case .failed(let failure): (reason, details) = (.failed, failure)
        case .notFinished: (reason, details) = (.notFinished, nil)
        case .completed, .forgotten, .notBegun: (reason, details) = (.notBegun, nil)
        }
    }

    public var description: String {
        let what =
            switch reason {
            case .rejected: "rejected: \(details?.description ?? "")"
            case .failed: "failed: \(details?.description ?? "")"
            case .notBegun: "the instance ended before it began"
            case .notFinished: "the execution ended before its handler did: await context.waitForHandlers() before"
            }
        return "update \"\(updateName)\" (ID \"\(updateID)\"): \(what)"
    }
}
