import DurableCore
import DurableTask

/// The code of a schedule's instance.
struct ScheduleLoop {
    let context: OrchestrationContext
    var state: ScheduleState
    /// The next times; empty: none, or not known.
    private var upcoming: [Timestamp] = []
    /// When to try again what failed.
    private var retryAt: Timestamp?
    private var running: InstanceID?
    /// Whether what runs is a backfill's: times that come meanwhile are not held up by it.
    private var isBackfilling = false

    init(_ context: OrchestrationContext, _ state: ScheduleState) {
        self.context = context
        self.state = state
    }

    /// So many events, which is some dozen runs, and the history begins anew.
    private static let historyLimit = 250
    private static let retryInterval = Duration.seconds(60)

    /// - Returns: When the schedule was deleted, or has nothing to start any more.
    mutating func run() async throws -> ScheduleDescription {
        try state.schedule.validateShape()
        if let defect = id(of: ScheduledStart(time: context.now, trigger: .max)).defect {
            throw InvalidSchedule("the schedule's runs cannot have IDs that begin with its own: \(defect)")
        }
        while !state.isDeleted {
            if context.historyEventCount > Self.historyLimit { try context.continueAsNew(ScheduleInput(state)) }
            guard try await takeDueTimes() else { continue }
            if try await runPending() { continue }
            if try await advanceBackfill() { continue }
            if upcoming.isEmpty, retryAt == nil, !state.schedule.isPaused { break }
            try await wait()
        }
        upcoming = []
        show()
        return description
    }

    // MARK: - Times

    /// - Returns: false: there are more.
    private mutating func takeDueTimes() async throws -> Bool {
        (upcoming, retryAt) = ([], nil)
        let limit = state.pageLimit
        if limit == 0 { return true }
        let now = context.now
        guard let found = try await times(state.request(limit: limit, now: now)) else {
            retryAt = context.now + Self.retryInterval
            return true
        }
        state.counts.missed += found.missedCount
        start(state.take(found.times))
        upcoming = found.following
        guard let next = found.following.first, next <= now else {
            state.cursor = max(state.cursor, now)
            return true
        }
        return state.schedule.overlap == .bufferAll
    }

    /// - Returns: nil when the specification cannot be used where the activity ran, which is noted.
    private mutating func times(_ request: ScheduleTimesRequest) async throws -> ScheduleTimes? {
        do {
            let times = try await context.callActivity(ScheduleTimes.activity, request)
            state.problem = nil
            return times
        } catch let failure as ActivityFailure {
            state.problem = failure.details.message
            return nil
        }
    }

    // MARK: - Runs

    private func id(of start: ScheduledStart) -> InstanceID {
        Schedules.instanceID(of: start, in: context.instanceID)
    }

    /// Starts what nobody waits for.
    private mutating func start(_ starts: [ScheduledStart]) {
        for start in starts {
            let id = id(of: start)
            let action = state.schedule.action
            do {
                if let input = action.payload {
                    try context.startOrchestration(action.orchestration, input, version: action.version, instanceID: id)
                } else {
                    try context.startOrchestration(action.orchestration, version: action.version, instanceID: id)
                }
                state.began(start, id, now: context.now, isFollowed: false)
            } catch {
                state.problem = "\(error)"
            }
        }
    }

    private mutating func runPending() async throws -> Bool {
        if state.pending.isEmpty { return false }
        try await run(state.pending.removeFirst())
        return true
    }

    private enum Signal: Sendable {
        case ended(ScheduleDescription.Outcome)
        case command(ScheduleCommand)
        case unreadableCommand(String)
    }

    /// Starts a run and waits for its end, taking commands meanwhile.
    private mutating func run(_ start: ScheduledStart, isBackfill: Bool = false) async throws {
        let (id, action, context) = (id(of: start), state.schedule.action, context)
        state.began(start, id, now: context.now, isFollowed: true)
        (running, isBackfilling) = (id, isBackfill)
        show()
        try await withThrowingTaskGroup(of: Signal.self) { group in
            group.addTask { .ended(try await Self.outcome(of: id, action, context)) }
            group.addTask { try await Self.nextCommand(context, timeout: nil) }
            while let signal = try await group.next() {
                take(signal)
                // What may overlap is not waited for.
                if running == nil || state.isDeleted || state.schedule.overlap == .allowAll { break }
                show()
                group.addTask { try await Self.nextCommand(context, timeout: nil) }
            }
            group.cancelAll()
            // What was taken must not be lost.
            while let result = await group.nextResult() {
                if case .success(let signal) = result { take(signal) }
            }
        }
        ended(.started)
    }

    private mutating func ended(_ outcome: ScheduleDescription.Outcome) {
        guard let running else { return }
        state.ended(running, outcome, now: context.now, isBackfill: isBackfilling)
        self.running = nil
    }

    private mutating func take(_ signal: Signal) {
        switch signal {
        case .ended(let outcome): ended(outcome)
        case .command(let command):
            do {
                if case .update(let schedule) = command { try schedule.validateShape() }
            } catch {
                state.commandProblem = "an update was left out: \(error)"
                return
            }
            let start = state.apply(command, now: context.now, isRunning: running != nil)
            self.start(start.map { [$0] } ?? [])
        case .unreadableCommand(let text):
            state.commandProblem = text
        }
    }

    /// Runs a schedule started, until it has ended; should the schedule end first, it goes on.
    private static func outcome(
        of id: InstanceID, _ action: ScheduleAction, _ context: OrchestrationContext
    ) async throws -> ScheduleDescription.Outcome {
        do {
            if let input = action.payload {
                _ = try await context.callSubOrchestration(
                    action.orchestration, input, version: action.version, instanceID: id, whenCancelled: .abandon,
                    as: NoValue.self)
            } else {
                _ = try await context.callSubOrchestration(
                    action.orchestration, version: action.version, instanceID: id, whenCancelled: .abandon,
                    as: NoValue.self)
            }
            return .completed
        } catch let failure as SubOrchestrationFailure {
            return failure.details.errorType == "InstanceExists" ? .existed : .failed
        }
    }

    private static func nextCommand(_ context: OrchestrationContext, timeout: Duration?) async throws -> Signal {
        do {
            let name = ScheduleCommand.eventName
            guard let timeout else { return .command(try await context.waitForExternalEvent(name)) }
            return .command(try await context.waitForExternalEvent(name, timeout: timeout))
        } catch let error as PayloadError {
            return .unreadableCommand("a command was left out: \(error)")
        }
    }

    // MARK: - Backfills

    /// - Returns: Whether there was something to do.
    private mutating func advanceBackfill() async throws -> Bool {
        guard let backfill = state.backfills.first else { return false }
        let request = ScheduleTimesRequest(
            specification: state.schedule.specification, after: backfill.from - .milliseconds(1),
            through: backfill.through, limit: backfill.isConcurrent ? 100 : 1)
        guard let found = try await times(request) else {
            retryAt = context.now + Self.retryInterval
            return false
        }
        if let next = found.following.first, next <= backfill.through {
            state.backfills[0].from = next
        } else {
            state.backfills.removeFirst()
        }
        let starts = found.times.map { ScheduledStart(time: $0) }
        if backfill.isConcurrent {
            start(starts)
        } else if let first = starts.first {
            try await run(first, isBackfill: true)
        }
        return true
    }

    // MARK: - Waiting

    /// Waits for a command or the next time.
    private mutating func wait() async throws {
        // Times that could not be computed yet still count from before.
        if retryAt == nil { state.becameIdle() }
        show()
        let wakeAt = [upcoming.first, retryAt].compactMap { $0 }.min()
        do {
            take(try await Self.nextCommand(context, timeout: wakeAt.map { $0.since(context.now) }))
        } catch is ExternalEventTimeout {
            let now = context.now
            guard let time = upcoming.first, time <= now, now.since(time) <= state.window else {
                return
            }
            // The first run of a time need not wait for the times after it.
            upcoming.removeFirst()
            start(state.take([time]))
            _ = try await runPending()
        }
    }

    // MARK: - Showing

    private func show() { context.setCustomStatus(description) }

    private var description: ScheduleDescription {
        ScheduleDescription(
            schedule: state.schedule, nextTimes: upcoming, running: running, bufferedCount: state.pending.count,
            openBackfillCount: state.backfills.count, recentStarts: state.recentStarts, counts: state.counts,
            problem: state.problem ?? state.commandProblem)
    }
}
