package import DurableCore

/// One run to start.
package struct ScheduledStart: Codable, Hashable, Sendable {
    package var time: Timestamp
    /// Counts the triggers of a schedule; nil: a time of the specification.
    package var trigger: Int?

    package init(time: Timestamp, trigger: Int? = nil) {
        self.time = time
        self.trigger = trigger
    }
}

/// All that a schedule keeps from one execution to the next. Decides; starts nothing itself.
struct ScheduleState: Codable, Hashable, Sendable {
    var schedule: Schedule
    /// All times up to here are decided.
    var cursor: Timestamp
    /// Times up to here came while a run was going.
    var overlappedThrough: Timestamp?
    /// Since then runs have followed one another without a pause: times after it are not late, they wait.
    private(set) var busySince: Timestamp?
    /// To be run one after the other, the next one first.
    var pending: [ScheduledStart] = []
    var backfills: [Backfill] = []
    var triggerCount = 0
    var isDeleted = false
    var recentStarts: [ScheduleDescription.Start] = []
    var counts = ScheduleDescription.Counts()
    /// Of the specification or the action.
    var problem: String?
    /// Of the last command.
    var commandProblem: String?

    struct Backfill: Codable, Hashable, Sendable {
        var from: Timestamp
        var through: Timestamp
        var isConcurrent: Bool
    }

    init(_ schedule: Schedule, now: Timestamp) {
        self.schedule = schedule
        cursor = now
    }

    // MARK: - Times

    /// How many due times to ask for; 0: none may be decided at present.
    var pageLimit: Int {
        if schedule.isPaused { return 0 }
        // The cursor is the buffer.
        if schedule.overlap == .bufferAll { return pending.isEmpty ? 1 : 0 }
        return 100
    }

    /// How late a time may be seen.
    var window: Duration { schedule.catchUpWindow }

    func request(limit: Int, now: Timestamp) -> ScheduleTimesRequest {
        let tooLate = now - window
        return ScheduleTimesRequest(
            specification: schedule.specification, after: cursor, through: now,
            earliest: busySince.map { min($0, tooLate) } ?? tooLate, limit: limit)
    }

    /// Decides about due times, all there are after the cursor up to the last.
    ///
    /// - Returns: What to start at once, and not to wait for.
    mutating func take(_ times: [Timestamp]) -> [ScheduledStart] {
        if let last = times.last { cursor = last }
        let starts = times.map { ScheduledStart(time: $0) }
        if schedule.overlap == .allowAll { return starts }
        for start in starts {
            let isOverlapped = overlappedThrough.map { start.time <= $0 } ?? false
            add(start, isRunning: isOverlapped)
        }
        return []
    }

    private mutating func add(_ start: ScheduledStart, isRunning: Bool, _ overlap: ScheduleOverlapPolicy? = nil) {
        // The first of those that wait is as good as running.
        let others = pending.count + (isRunning ? 1 : 0)
        let room =
            switch overlap ?? schedule.overlap {
            case .skip: 1
            case .bufferOne: 2
            case .bufferAll, .allowAll: Int.max
            }
        if others < room { pending.append(start) } else { counts.skipped += 1 }
    }

    // MARK: - Runs

    mutating func began(_ start: ScheduledStart, _ id: InstanceID, now: Timestamp, isFollowed: Bool) {
        if isFollowed && busySince == nil { busySince = cursor }
        counts.started += 1
        recentStarts.append(
            .init(instanceID: id, time: start.time, startedAt: now, outcome: isFollowed ? .running : .started))
        if recentStarts.count > 10 { recentStarts.removeFirst() }
    }

    /// - Parameter outcome: `started`: nobody waits for it any longer.
    mutating func ended(
        _ id: InstanceID, _ outcome: ScheduleDescription.Outcome, now: Timestamp, isBackfill: Bool = false
    ) {
        // What was there before did not run, and a backfill gives way to the schedule's own times.
        if outcome != .existed, !isBackfill { overlappedThrough = now }
        if outcome == .existed { counts.started -= 1 }
        if outcome == .failed { counts.failed += 1 }
        if let index = recentStarts.lastIndex(where: { $0.instanceID == id }) { recentStarts[index].outcome = outcome }
    }

    /// Nothing runs, and nothing waits.
    mutating func becameIdle() { busySince = nil }

    // MARK: - Commands

    /// - Parameter isRunning: Whether a run that somebody waits for goes on.
    /// - Returns: What to start at once, and not to wait for.
    mutating func apply(_ command: ScheduleCommand, now: Timestamp, isRunning: Bool) -> ScheduledStart? {
        commandProblem = nil
        switch command {
        case .pause(let note):
            schedule.isPaused = true
            schedule.note = note ?? schedule.note
        case .resume(let note):
            if schedule.isPaused { cursor = now }
            schedule.isPaused = false
            schedule.note = note
        case .trigger(let overlap):
            triggerCount += 1
            let start = ScheduledStart(time: now, trigger: triggerCount)
            if overlap ?? schedule.overlap == .allowAll { return start }
            add(start, isRunning: isRunning, overlap)
        case .backfill(let from, let through, let isConcurrent):
            let end = min(through, now)
            if from <= end { backfills.append(.init(from: from, through: end, isConcurrent: isConcurrent ?? false)) }
        case .update(let replacement):
            var new = replacement
            new.isPaused = schedule.isPaused
            new.note = schedule.note
            schedule = new
            cursor = now
        case .delete:
            isDeleted = true
        }
        return nil
    }
}
