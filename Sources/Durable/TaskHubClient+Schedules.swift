public import DurableClient
public import DurableCore
public import DurableSchedules
import DurableTask

extension TaskHubClient {
    // MARK: - Schedules

    /// Makes a schedule. Workers that serve it register `Schedules()`.
    ///
    /// A name is used once: a schedule that has ended or was deleted keeps it, as every instance keeps its ID.
    ///
    /// - Parameter name: 1 to 200 bytes, without control characters; the instance is `schedule:NAME`.
    /// - Returns: `exists` if there is or was a schedule of that name; nothing has changed then.
    /// - Throws: `InvalidSchedule`; `ClientError`. Nothing was sent.
    @discardableResult
    public func createSchedule(_ name: String, _ schedule: Schedule) async throws -> Accepted {
        try Schedules.validate(name: name)
        try schedule.validate()
        return try await start(
            Schedules.orchestration, input: ScheduleInput(schedule), id: Schedules.instanceID(name))
    }

    /// What a schedule does, has done and will do; its last word if it has ended.
    ///
    /// - Returns: nil when there is no such schedule, or no worker has run it yet.
    /// - Throws: `ClientError`; `PayloadError` if a worker of another version wrote it.
    public func describeSchedule(_ name: String) async throws -> ScheduleDescription? {
        guard let status = try await core.status(of: Schedules.instanceID(name))?.customStatus else { return nil }
        let payload = try await core.opened(status, "the description of schedule \"\(name)\"")
        return try PayloadCoding.decode(
            ScheduleDescription.self, from: payload, as: "the description of schedule \"\(name)\"")
    }

    /// Lets a schedule's times pass from now on; they are not made up for later.
    @discardableResult
    public func pauseSchedule(_ name: String, note: String? = nil) async throws -> Accepted {
        try await send(.pause(note: note), to: name)
    }

    /// Has a paused schedule keep its times again.
    @discardableResult
    public func resumeSchedule(_ name: String, note: String? = nil) async throws -> Accepted {
        try await send(.resume(note: note), to: name)
    }

    /// Starts a run now, paused or not.
    ///
    /// - Parameter overlap: What if another run goes on; nil: what the schedule says.
    @discardableResult
    public func triggerSchedule(_ name: String, overlap: ScheduleOverlapPolicy? = nil) async throws -> Accepted {
        try await send(.trigger(overlap: overlap), to: name)
    }

    /// Starts what a schedule has between two times, both included, as far as it lies in the past and was never started.
    ///
    /// - Parameter isConcurrent: All at once; false: one after the other, when the schedule has nothing else to start.
    @discardableResult
    public func backfillSchedule(
        _ name: String, from: Timestamp, through: Timestamp, isConcurrent: Bool = false
    ) async throws -> Accepted {
        // Later than any time there is to fill in, and still a time that can be written.
        let end = min(through, Timestamp(millisecondsSinceEpoch: 253_402_300_799_000))
        return try await send(.backfill(from: from, through: end, isConcurrent: isConcurrent), to: name)
    }

    /// Puts another schedule in the place of that name's, from now on. It stays paused if it is.
    ///
    /// - Throws: `InvalidSchedule`; `ClientError`. Nothing was sent.
    @discardableResult
    public func updateSchedule(_ name: String, to schedule: Schedule) async throws -> Accepted {
        try schedule.validate()
        return try await send(.update(schedule: schedule), to: name)
    }

    /// Ends a schedule. A run that is under way goes on.
    @discardableResult
    public func deleteSchedule(_ name: String) async throws -> Accepted { try await send(.delete, to: name) }

    private func send(_ command: ScheduleCommand, to name: String) async throws -> Accepted {
        try await raiseEvent(ScheduleCommand.eventName, to: Schedules.instanceID(name), command)
    }
}
