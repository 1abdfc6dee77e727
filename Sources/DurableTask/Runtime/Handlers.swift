import DurableCore

/// What answers queries and takes updates, by name.
struct Handlers {
    typealias Answer = @Sendable (Payload?) throws -> Payload?

    /// Look-up, and the names in order.
    var queries: [String: Answer] = [:]
    /// Look-up only.
    var updates: [String: UpdateHandler] = [:]
    /// Those that run, in order of begin.
    fileprivate var running: [(id: UpdateID, cancel: @Sendable () -> Void)] = []

    var runningCount: Int { running.count }
}

struct UpdateHandler: Sendable {
    var validate: @Sendable (Payload?) throws -> Void
    /// Gives what encodes its result, which is done once, live.
    var run: @Sendable (Payload?) async throws -> @Sendable () throws(PayloadError) -> Payload?
}

/// Something that looks at the instance from outside, or asks its code, and must not change it.
struct Reading {
    /// Such as `query "progress"`.
    let subject: String
    /// What it did all the same, first of all.
    var violation: String?
}

extension OrchestratorRuntime {
    /// Runs `body`, which must not act.
    ///
    /// - Returns: What it did that it must not, if anything; that had no effect.
    func looking<Result>(_ subject: String, _ body: () -> Result) -> (Result, violation: String?) {
        let outer = reading
        reading = Reading(subject: subject)
        defer { reading = outer }
        let result = body()
        return (result, reading?.violation)
    }

    /// Whether the code may change its state; notes it where it only looks.
    func mayChange(_ what: String) -> Bool {
        guard isInside("changing \(what)") else { return false }
        if reading == nil { return true }
        noteViolation("changed \(what)")
        return false
    }

    func noteViolation(_ what: String) {
        if reading?.violation == nil { reading?.violation = what }
    }

    // MARK: - Updates

    /// Begins the handler of an update that history holds.
    func beginUpdate(_ request: UpdateRequest, _ event: HistoryEvent) {
        if isComplete { return }
        guard let handler = handlers.updates[request.name] else {
            return diverge(event, codeAsked: "no handler of update \"\(request.name)\"")
        }
        deliveredBytes += request.input?.count ?? 0
        let task = Task.detached(executorPreference: executor) { [self] in
            do {
                let encode = try await HandlerScope.$update.withValue(request.name) {
                    try await handler.run(request.input)
                }
                finishUpdate(request.id) { () throws(PayloadError) in try encode() }
            } catch {
                let failure = FailureDetails(describing: error)
                finishUpdate(request.id, failure: failure)
            }
        }
        handlers.running.append((request.id, { task.cancel() }))
    }

    private func finishUpdate(_ id: UpdateID, _ encode: () throws(PayloadError) -> Payload?) {
        // History holds it on replay.
        if mode.isReplaying { return finishUpdate(id, result: nil, failure: nil) }
        do throws(PayloadError) {
            finishUpdate(id, result: try encode(), failure: nil)
        } catch {
            finishUpdate(id, failure: error.failureDetails)
        }
    }

    private func finishUpdate(_ id: UpdateID, result: Payload? = nil, failure: FailureDetails?) {
        handlers.running.removeAll { $0.id == id }
        guard mayAct("an update") else { return }
        asked.append(.completeUpdate(id: id, result: result, failure: failure))
    }

    /// Ends handlers that await something that is not durable.
    func cancelHandlers() { for handler in handlers.running { handler.cancel() } }
}

/// Where code runs that belongs to a handler.
enum HandlerScope {
    /// Name of the update whose handler runs.
    @TaskLocal static var update: String?
}
