public import DurableCore

/// What a schedule is told, as an external event named `ScheduleCommand.eventName` to its instance.
///
/// `TaskHubClient` has a method for each. By hand: `dtq raise schedule:nightly dtq.schedule --input '{"pause":{}}'`.
public enum ScheduleCommand: Codable, Hashable, Sendable {
    /// Lets times pass from now on. Runs under way, triggers and backfills go on.
    case pause(note: String? = nil)
    /// Keeps times again, from now on.
    case resume(note: String? = nil)
    /// Starts a run now, paused or not. While another one goes on, the policy decides (nil: the schedule's).
    case trigger(overlap: ScheduleOverlapPolicy? = nil)
    /// Starts what the specification has between two times, both included, up to now, as far as it was never started:
    /// one after the other, when the schedule has nothing else to start; or (`isConcurrent`) all at once.
    case backfill(from: Timestamp, through: Timestamp, isConcurrent: Bool? = nil)
    /// Puts another schedule in its place, from now on. Whether it is paused stays as it is, and so does the note.
    case update(schedule: Schedule)
    /// Ends the schedule. A run under way goes on.
    case delete

    /// `dtq.schedule`.
    public static let eventName = "dtq.schedule"
}

/// What a schedule shows of itself: its instance's custom status, and its output once it has ended.
public struct ScheduleDescription: Codable, Hashable, Sendable {
    /// As it is now, with its updates and whether it is paused.
    public var schedule: Schedule
    /// The next times, in order, at most five; none while it is paused. An update shows a moment later.
    public var nextTimes: [Timestamp]
    /// The run that the overlap policy waits for.
    public var running: InstanceID?
    /// Runs that wait for that one.
    public var bufferedCount: Int
    /// Backfills that are not through.
    public var openBackfillCount: Int
    /// The last starts, oldest first, at most ten.
    public var recentStarts: [Start]
    /// Since the schedule was made.
    public var counts: Counts
    /// What is wrong at present, such as a time zone that no worker knows.
    public var problem: String?

    /// One run that the schedule started.
    public struct Start: Codable, Hashable, Sendable {
        /// Of the run.
        public var instanceID: InstanceID
        /// The time it is for.
        public var time: Timestamp
        /// When it was started.
        public var startedAt: Timestamp
        /// What became of it, as far as the schedule knows.
        public var outcome: Outcome
    }

    /// What became of a run.
    public enum Outcome: String, Codable, Hashable, Sendable {
        /// Nobody waits for its end.
        case started
        /// The schedule waits for its end.
        case running
        /// It has returned.
        case completed
        /// Or terminated.
        case failed
        /// It was there before, and nothing was started.
        case existed
    }

    /// How many runs and times there were, over all executions of the schedule's instance.
    public struct Counts: Codable, Hashable, Sendable {
        /// Runs that were started. Among those of `allowAll` and of concurrent backfills may be some that were there
        /// before, of which nobody hears.
        public var started = 0
        /// Runs of these that failed, as far as somebody waited.
        public var failed = 0
        /// Times and triggers left out since a run was under way.
        public var skipped = 0
        /// Times that were seen too late. Of very many at once only 10,000 are counted.
        public var missed = 0
    }
}
