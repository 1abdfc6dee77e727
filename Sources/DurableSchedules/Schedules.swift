public import DurableCore
public import DurableTask

/// What a worker needs to serve schedules: register it beside the orchestrations that they start.
///
/// ```swift
/// await Worker.main(report, Schedules())
/// ```
///
/// A schedule is an instance of `Schedules.orchestration`, so that it survives what every instance survives.
public struct Schedules: Registrable {
    /// To be registered; it has no settings.
    public init() {}

    public func register(in registry: inout Registry) throws(RegistryError) {
        try registry.register(Self.orchestration)
        try registry.register(ScheduleTimes.activity)
    }

    /// Serves one schedule until it is deleted or has no more times. Its output is its last description.
    public static let orchestration = Orchestration("dtq.Schedule") {
        (input: ScheduleInput, context: OrchestrationContext) async throws -> ScheduleDescription in
        var loop = ScheduleLoop(context, input.progress ?? ScheduleState(input.schedule, now: context.now))
        return try await loop.run()
    }

    /// Of the instance that serves the schedule of that name: `schedule:NAME`.
    public static func instanceID(_ name: String) -> InstanceID { InstanceID("schedule:\(name)") }

    /// Of a run: the schedule's with the time it is for, `schedule:nightly/2026-11-27T01:30:00Z`; a trigger's with its
    /// number after it, `schedule:nightly/2026-11-27T09:12:31.201Z/trigger-3`.
    package static func instanceID(of start: ScheduledStart, in schedule: InstanceID) -> InstanceID {
        var time = start.time.description
        if time.hasSuffix(".000Z") { time = time.dropLast(5) + "Z" }
        return InstanceID("\(schedule)/\(time)" + (start.trigger.map { "/trigger-\($0)" } ?? ""))
    }

    /// Longest name, in bytes: with a time after it the ID of a run must still be one.
    static let nameLimit = 200

    /// - Throws: `InvalidSchedule`: empty, too long, or control characters.
    package static func validate(name: String) throws(InvalidSchedule) {
        if name.isEmpty { throw InvalidSchedule("a schedule's name must not be empty") }
        if name.utf8.count > nameLimit {
            throw InvalidSchedule("a schedule's name has at most \(nameLimit) bytes, this one has \(name.utf8.count)")
        }
        if let defect = instanceID(name).defect {
            throw InvalidSchedule("\"\(name)\" cannot name a schedule: \(defect)")
        }
    }
}

/// Input of `Schedules.orchestration`: in JSON `{"schedule": {...}}`.
public struct ScheduleInput: Codable, Hashable, Sendable {
    /// As it was asked for, or as it was when the last execution continued as new.
    public var schedule: Schedule
    /// nil: a new schedule.
    var progress: ScheduleState?

    /// Of a new schedule.
    public init(_ schedule: Schedule) { self.schedule = schedule }

    init(_ progress: ScheduleState) {
        schedule = progress.schedule
        self.progress = progress
    }
}

extension OrchestrationContext {
    /// The time that a schedule started this instance for, or of the trigger; nil: no schedule started it.
    ///
    /// Read from the instance ID, whose clock readings are those of the schedule: a run that was late, or a backfill,
    /// works on the time it is for.
    public var scheduledTime: Timestamp? {
        var parts = instanceID.value.split(separator: "/")
        guard parts.count > 1, parts[0].hasPrefix("schedule:") else { return nil }
        if parts.last?.hasPrefix("trigger-") == true { parts.removeLast() }
        return parts.last.flatMap { Timestamp(iso8601: String($0)) }
    }
}
