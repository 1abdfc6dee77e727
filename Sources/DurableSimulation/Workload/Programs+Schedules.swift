import DurableCore
import DurableSchedules
import DurableTask

extension Programs {
    /// What starts others at given times.
    package static let schedules: [Program] = [pulse]

    /// A schedule of few times, whose runs may take longer than is between two of them.
    private static let pulse = Program("Pulse") { setting in
        [
            Schedules.orchestration, SimulatedActivities.scheduleTimes.activity(setting),
            Orchestration("Beat") { (milliseconds: Int, context: OrchestrationContext) -> String in
                let time = context.scheduledTime.map { "\($0)" } ?? "no time"
                return try await context.echo(time, milliseconds: milliseconds)
            },
        ]
    } plan: { draft in
        let interval = [1, 2, 5][draft.int(0...2)]
        let first = SimulatedClock.start + .seconds(10 * draft.int(0...2))
        let specification = ScheduleSpecification(
            intervals: [ScheduleInterval(every: .seconds(interval))], startAt: first,
            endAt: first + .seconds(interval * draft.int(0...6)))
        let milliseconds = draft.work()
        let action: ScheduleAction
        do {
            action = try ScheduleAction("Beat", input: milliseconds)
        } catch {
            preconditionFailure("a number can be encoded: \(error)")
        }
        let schedule = Schedule(specification, action, overlap: draft.chance(0.5) ? .allowAll : .bufferAll)
        let id = draft.newID("schedule:pulse")
        let (index, start) = draft.add(
            "Pulse", orchestration: Schedules.orchestration.name, id: id, input: json(ScheduleInput(schedule)),
            isIndependent: false, outcomes: [.completedSomehow])
        for time in specification.times(after: SimulatedClock.start - .seconds(1)) {
            // Absent if the schedule begins when it is over.
            draft.addRun(
                "Pulse", orchestration: "Beat", id: run(at: time, of: id), of: draft.instances[index],
                isDetached: schedule.overlap == .allowAll, input: json(milliseconds),
                outcomes: [.completed(json("\(time)")), .absent])
        }
        if draft.chance(0.3) {
            let time = start + draft.duration(.zero ... .seconds(20))
            draft.tell(.pause(), to: id, at: time)
            draft.tell(.resume(), to: id, at: time + draft.duration(.zero ... .seconds(10)))
        }
    }

    /// - Parameter schedule: Of its instance.
    fileprivate static func run(at time: Timestamp, of schedule: InstanceID) -> InstanceID {
        Schedules.instanceID(of: ScheduledStart(time: time), in: schedule)
    }
}

extension SimulatedActivities {
    static let scheduleTimes = SimulatedActivity(ScheduleTimes.activity.name, taking: { _ in .zero }) {
        (request: ScheduleTimesRequest, _, _) in
        try ScheduleTimes.find(request)
    }
}

extension WorkloadDraft {
    fileprivate mutating func tell(_ command: ScheduleCommand, to schedule: InstanceID, at time: Duration) {
        let publication = publication(newMessageID(schedule, "command"))
        perform(.raise(to: schedule, name: ScheduleCommand.eventName, input: json(command), publication), at: time)
    }
}

extension ScheduleSpecification {
    fileprivate func times(after time: Timestamp) -> [Timestamp] {
        var times: [Timestamp] = []
        while let next = try? next(after: times.last ?? time) { times.append(next) }
        return times
    }
}

extension HistoryChecks {
    /// A schedule that has ended started each of its times once, but for those before it began and, where it was paused,
    /// perhaps others; and what it started is there.
    static func schedules(
        _ history: [HistoryEvent], of instance: PlannedInstance, _ workload: Workload,
        _ others: [InstanceID: [HistoryEvent]]
    ) -> [String] {
        guard instance.name == Schedules.orchestration.name, history.hasEnd, let began = history.first?.timestamp,
            let input = try? PayloadCoding.decode(ScheduleInput.self, from: instance.input, as: "a schedule")
        else { return [] }
        var found: [String] = []
        var starts: [InstanceID: Int] = [:]
        for case .subOrchestrationCreated(let run) in history.map(\.kind) { starts[run.instanceID, default: 0] += 1 }
        for id in starts.keys.sorted() where others[id] == nil { found.append("starts \(id), which is not there") }
        let isPaused = workload.operations.contains {
            if case .raise(instance.id, _, _, _) = $0.kind { true } else { false }
        }
        for time in input.schedule.specification.times(after: began) {
            let count = starts.removeValue(forKey: Programs.run(at: time, of: instance.id)) ?? 0
            if count > 1 || count == 0 && !isPaused { found.append("starts the run for \(time) \(count) times") }
        }
        for id in starts.keys.sorted() { found.append("starts \(id), which is for none of its times") }
        return found
    }
}
