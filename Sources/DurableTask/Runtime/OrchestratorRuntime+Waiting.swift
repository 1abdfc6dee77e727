import DurableCore

/// What the code waits for: durable operations and external events, how the waits end, and what does not end with them.
extension OrchestratorRuntime {
    /// How many durable waits are open.
    var waitingCount: Int { operations.waitingCount + events.waitingCount + conditions.waitingCount }

    /// Ends every wait; what the code does from now on is ignored.
    func interruptAll() {
        mode.isEvicted = true
        evictedWaits = waitingCount
        feed.unload()
        for continuation in operations.settleAll() { continuation.resume(returning: .interrupted) }
        for waiter in events.removeAllWaiters() { waiter.continuation.resume(returning: .interrupted) }
        for continuation in conditions.removeAll() { continuation.resume(returning: .interrupted) }
        for task in shieldedTasks { task.cancel() }
        cancelHandlers()
    }

    /// Runs `body` where the cancellation of the surrounding task does not reach it, and waits for its end.
    ///
    /// As an unstructured task, the only kind that cancellation is not handed down to, but one that prefers this
    /// instance's executor: its jobs stand in the same queue as all others, so that their order follows from the
    /// history alone. Inside, cancellation works as anywhere.
    func shielded<Value: Sendable>(_ body: @escaping @Sendable () async -> Value) async -> Value {
        lastShieldedTask += 1
        let number = lastShieldedTask
        let task = Task(executorPreference: executor) { await body() }
        shieldedTasks.append((number, { task.cancel() }))
        defer { shieldedTasks.removeAll { $0.number == number } }
        return await task.value
    }

    func callActivity(_ name: String, input: Payload?) async throws -> Payload? {
        let id = operations.add(.task(nil))
        asked.append(.scheduleTask(id: id, name: name, input: input))
        switch try await wait(for: id) {
        case .completed(let result): return result
        case .failed(let details): throw ActivityFailure(activityName: name, taskID: id, details: details)
        case .cancelled: throw CancellationError()
        case .timerFired, .interrupted: throw OrchestrationInterrupted()
        }
    }

    func callSubOrchestration(
        _ name: String, version: String?, instanceID: InstanceID?, input: Payload?, tags: [ExecutionStarted.Tag],
        whenCancelled: ChildCancellation
    ) async throws -> Payload? {
        let id = operations.add(.child(nil))
        if whenCancelled == .abandon { abandonedWhenCancelled.insert(id) }
        defer { if whenCancelled == .abandon { abandonedWhenCancelled.remove(id) } }
        let start = ChildStart(
            instanceID: childID(instanceID, id), name: name, version: version, input: input, tags: tags)
        asked.append(.createSubOrchestration(id: id, start))
        switch try await wait(for: id) {
        case .completed(let result): return result
        case .failed(let details):
            throw SubOrchestrationFailure(
                orchestrationName: name, instanceID: start.instanceID, taskID: id, details: details)
        case .cancelled: throw CancellationError()
        case .timerFired, .interrupted: throw OrchestrationInterrupted()
        }
    }

    func sleep(until fireAt: Timestamp) async throws {
        let id = operations.add(.timer(nil))
        asked.append(.createTimer(id: id, fireAt: fireAt))
        switch try await wait(for: id) {
        case .timerFired: return
        case .cancelled: throw CancellationError()
        case .completed, .failed, .interrupted: throw OrchestrationInterrupted()
        }
    }

    func wait(for id: EventID) async throws -> WaitOutcome {
        // Inside an actor suspending would let others in, so that the recorded outcome must not be taken at once.
        let actor: (any Actor)? = #isolation
        if usesFastPath, mode.isReplaying, actor == nil, let outcome = recordedOutcome(of: id) { return outcome }
        try checkTask()
        return await withTaskCancellationHandler {
            await withUnsafeContinuation { operations.wait(for: id, $0) }
        } onCancel: {
            cancelWait(for: id)
        }
    }

    /// - Parameter timeout: ends the wait with `timerFired`.
    func waitForEvent(_ name: String, timeout: Duration?) async throws -> Payload? {
        if let payload = events.takeEarly(name) {
            deliveredBytes += payload?.count ?? 0
            return payload
        }
        try checkTask()
        var timer: EventID?
        if let timeout {
            let fireAt = now + timeout
            let id = operations.add(.eventTimeout(name: name))
            asked.append(.createTimer(id: id, fireAt: fireAt))
            timer = id
        }
        let ticket = events.newTicket()
        let outcome = await withTaskCancellationHandler {
            await withUnsafeContinuation { continuation in
                events.wait(
                    for: name,
                    ExternalEvents.Waiter(ticket: ticket, continuation: continuation, timeout: timer))
            }
        } onCancel: {
            cancelEventWait(name, ticket: ticket)
        }
        switch outcome {
        case .completed(let payload): return payload
        case .timerFired: throw ExternalEventTimeout(eventName: name, timeout: timeout ?? .zero)
        case .cancelled: throw CancellationError()
        case .failed, .interrupted: throw OrchestrationInterrupted()
        }
    }

    /// A task that does not prefer this executor, such as `Task.immediate`, would be resumed elsewhere.
    func checkTask() throws {
        let prefersExecutor = withUnsafeCurrentTask {
            $0?.unownedTaskExecutor == executor.asUnownedTaskExecutor()
        }
        if prefersExecutor { return }
        fault = .contextMisuse(
            "an unstructured task (Task {}, Task.immediate) awaited a durable operation; "
                + "use async let or a task group")
        throw OrchestrationInterrupted()
    }

    private func cancelWait(for id: EventID) {
        guard isInside("Task.cancel"), !mode.isEvicted, let operation = operations[id] else { return }
        guard let continuation = operations.settle(id) else { return }
        switch operation {
        case .timer: dropTimer(id)
        case .task: askUnlessReplaying(.cancelTask(id: id))
        case .child: if !abandonedWhenCancelled.contains(id) { askUnlessReplaying(.cancelChild(id: id)) }
        // An operation is performed all the same; who waits for a section gives it up.
        case .settled, .eventTimeout, .entity, .section: break
        }
        continuation.resume(returning: .cancelled)
    }

    private func cancelEventWait(_ name: String, ticket: Int) {
        guard isInside("Task.cancel"), !mode.isEvicted,
            let waiter = events.removeWaiter(for: name, where: { $0.ticket == ticket })
        else { return }
        if let timer = waiter.timeout {
            _ = operations.settle(timer)
            dropTimer(timer)
        }
        waiter.continuation.resume(returning: .cancelled)
    }

    /// The timer's result is not wanted any more.
    func dropTimer(_ id: EventID) { askUnlessReplaying(.cancelTimer(id: id)) }
}
