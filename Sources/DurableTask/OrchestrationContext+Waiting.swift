public import DurableCore

extension OrchestrationContext {
    // MARK: Timers

    /// Waits on a durable timer, which survives restarts and may be days away. Race it as any task in a task group:
    /// cancelling it drops the timer.
    ///
    /// - Parameter duration: From `now`; zero or less is over with the next episode.
    /// - Throws: `CancellationError`.
    public func sleep(for duration: Duration) async throws {
        try await runtime.admit("context.sleep")
        try await runtime.sleep(until: runtime.now + duration)
    }

    /// Waits on a durable timer until `deadline`; one in the past is over with the next episode.
    ///
    /// - Throws: `CancellationError`.
    public func sleep(until deadline: Timestamp) async throws {
        try await runtime.admit("context.sleep")
        try await runtime.sleep(until: deadline)
    }

    // MARK: External events

    /// Waits for an event raised to this instance by name. One that came early is kept and taken at once; several of
    /// one name are taken in order of arrival, by those who wait in order of request.
    ///
    /// - Throws: `CancellationError`; `PayloadError` if the event's data is no `Value` (the event is gone then).
    public func waitForExternalEvent<Value: Decodable & Sendable>(
        _ name: String, as type: Value.Type = Value.self
    ) async throws -> Value {
        try await runtime.admit("context.waitForExternalEvent")
        let payload = try await runtime.waitForEvent(name, timeout: nil)
        return try PayloadCoding.decode(type, from: payload, as: "the data of event \"\(name)\"")
    }

    /// Waits for an event that carries no data.
    public func waitForExternalEvent(_ name: String) async throws {
        _ = try await waitForExternalEvent(name, as: NoValue.self)
    }

    /// Waits for an event raised to this instance by name, but not longer than `timeout`.
    ///
    /// - Throws: `ExternalEventTimeout` if none came in time, and what waiting without timeout throws.
    public func waitForExternalEvent<Value: Decodable & Sendable>(
        _ name: String, as type: Value.Type = Value.self, timeout: Duration
    ) async throws -> Value {
        try await runtime.admit("context.waitForExternalEvent")
        let payload = try await runtime.waitForEvent(name, timeout: timeout)
        return try PayloadCoding.decode(type, from: payload, as: "the data of event \"\(name)\"")
    }

    /// Waits for an event that carries no data, but not longer than `timeout`.
    public func waitForExternalEvent(_ name: String, timeout: Duration) async throws {
        _ = try await waitForExternalEvent(name, as: NoValue.self, timeout: timeout)
    }

    /// Raises an event to another instance. It is on its way once this episode is saved; nobody waits for it to arrive.
    /// With an ID that cannot be used (empty, longer than 255 bytes, control characters) this instance fails.
    public func raiseEvent(to instance: InstanceID, _ name: String, _ value: some Encodable = NoValue()) {
        guard runtime.mayAct("context.raiseEvent") else { return }
        if let defect = instance.defect { return runtime.fail(InvalidInstanceID(description: defect)) }
        do {
            let payload = try runtime.encodeUnlessReplaying(value, as: "the data of event \"\(name)\"")
            runtime.raiseEvent(to: instance, name: name, input: payload)
        } catch {
            // Noted in the runtime: the instance fails.
        }
    }
}
