package import DurableCore
import DurableTask

/// What must hold of histories when a run is over. All of it follows from the workload and the histories themselves;
/// violations are sorted texts that begin with the instance.
package enum HistoryChecks {
    /// - Parameters:
    ///   - recorded: All of the instance's histories.
    ///   - others: What the run recorded by instance, as one execution each, which shows what instances sent each other.
    ///     May contain this one.
    ///   - voidEnds: How instances ended before they were rewound.
    package static func violations(
        of recorded: RecordedInstance, of instance: PlannedInstance, in workload: Workload,
        others: [InstanceID: [HistoryEvent]], voidEnds: [InstanceID: [HistoryEvent]] = [:]
    ) -> [String] {
        var found: [String] = []
        for history in recorded.executions where !history.isEmpty {
            found += structure(history)
            found += results(history)
            found += children(history, of: instance, workload, others, voidEnds)
            found += recoveries(history, of: instance)
        }
        let whole = recorded.whole
        found += beginning(whole, instance, workload)
        found += succession(recorded)
        found += stimuli(whole, instance, workload, others)
        found += messages(to: instance, whole, workload, others)
        found += rewindings(whole, of: instance, workload)
        found += updates(whole, of: instance, workload)
        found += schedules(whole, of: instance, workload, others)
        for replay in recorded.replays { found += replay?.violations ?? [] }
        return found.map { "\(instance.id): \($0)" }.sorted()
    }

    /// Structure: what each history obeys, whatever the code and the workload are.
    package static func structure(_ history: [HistoryEvent]) -> [String] {
        var found: [String] = []
        var open: [EventID: OpenItem] = [:]
        var nextID = EventID(0)
        var time = Timestamp.distantPast
        var isSuspended = false
        var patches: Set<String> = []
        if history.first?.kind != .orchestratorStarted { found.append("does not begin with OrchestratorStarted") }
        for (index, event) in history.enumerated() {
            let place = "event \(index) (\(event.typeName))"
            if index > 0, case .executionCompleted = history[index - 1].kind {
                found.append("\(place) comes after the end")
            }
            if event.kind == .orchestratorStarted {
                if isSuspended { found.append("\(place) begins an episode of a suspended instance") }
                if event.timestamp < time { found.append("\(place) runs back from \(time) to \(event.timestamp)") }
                time = event.timestamp
            }
            if event.hasActionID {
                if event.eventID != nextID {
                    found.append("\(place) has event ID \(event.eventID), expected \(nextID)")
                }
                nextID = EventID(max(nextID, event.eventID).value + 1)
                if event.timestamp != time { found.append("\(place) is not of its episode's time") }
            } else {
                if event.eventID != .none {
                    found.append("\(place) has event ID \(event.eventID), which its kind does not have")
                }
                if event.isAction, event.timestamp != time { found.append("\(place) is not of its episode's time") }
            }
            switch event.kind {
            case .taskScheduled: open[event.eventID] = .task
            case .timerCreated(let fireAt): open[event.eventID] = .timer(fireAt)
            case .subOrchestrationCreated: open[event.eventID] = .child
            case .subOrchestrationCompleted(let id, _), .subOrchestrationFailed(let id, _):
                if open.removeValue(forKey: id) != .child { found.append("\(place) answers no open child \(id)") }
            case .taskCompleted(let id, _), .taskFailed(let id, _):
                if open.removeValue(forKey: id) != .task { found.append("\(place) answers no open task \(id)") }
            case .timerFired(let id, let fireAt):
                if open.removeValue(forKey: id) != .timer(fireAt) {
                    found.append("\(place) answers no open timer \(id) due \(fireAt)")
                }
                if event.timestamp < fireAt { found.append("\(place) is before its time, \(fireAt)") }
            case .continueAsNew:
                found.append("\(place) is of a kind no program brings about")
            case .patchRecorded(let id, _):
                if !patches.insert(id).inserted { found.append("\(place) records patch \"\(id)\" once more") }
            case .executionSuspended: isSuspended = true
            case .executionResumed, .executionTerminated: isSuspended = false
            default: break
            }
        }
        return found
    }

    private enum OpenItem: Equatable {
        case task
        case timer(Timestamp)
        case child
    }

    /// The start is the planned one, comes once, first, and not before its time.
    static func beginning(
        _ history: [HistoryEvent], _ instance: PlannedInstance, _ workload: Workload
    ) -> [String] {
        let starts = history.indices.filter { history[$0].start != nil }
        guard starts.count == 1, let start = history[starts[0]].start else {
            return ["has ExecutionStarted \(starts.count) times"]
        }
        var found: [String] = []
        if starts[0] != 1 { found.append("has ExecutionStarted as event \(starts[0])") }
        if start.instanceID != instance.id { found.append("is a start of \(start.instanceID)") }
        if start.name != instance.name || start.version != instance.version {
            found.append("is a start of \"\(start.name)\" \(start.version ?? "without version")")
        }
        if start.parent?.instanceID != (instance.isDetached ? nil : instance.parent) {
            found.append("has a parent other than planned")
        }
        if start.input != instance.input { found.append("has an input that nobody gave it") }
        if instance.isStartPlanned, start.executionID != ExecutionID(instance.startID.value) {
            found.append("has execution ID \(start.executionID), which its first start does not have")
        }
        if (start.scheduledStart != nil) != (instance.startDelay != nil) {
            found.append("is to start at \(start.scheduledStart.map { "\($0)" } ?? "once")")
        }
        if let scheduled = start.scheduledStart, let first = RecordedEpisode.split(history).first,
            !first.isEndImposed, first.time < scheduled
        {
            found.append("ran at \(first.time), before its start time \(scheduled)")
        }
        return found
    }

    /// Each answer is the one its activity gives to that input, and no other.
    static func results(_ history: [HistoryEvent]) -> [String] {
        var found: [String] = []
        var requests: [EventID: (name: String, input: Payload?)] = [:]
        for event in history {
            let answer: Result<Payload?, FailureDetails>
            let id: EventID
            switch event.kind {
            case .taskScheduled(let name, let input):
                requests[event.eventID] = (name, input)
                continue
            case .taskCompleted(let taskID, let result): (id, answer) = (taskID, .success(result))
            case .taskFailed(let taskID, let failure): (id, answer) = (taskID, .failure(failure))
            default: continue
            }
            guard let request = requests[id] else { continue }  // the structure says so
            guard let activity = SimulatedActivities.named(request.name) else {
                found.append("task \(id) asks for activity \"\(request.name)\", which nobody has")
                continue
            }
            if !activity.results(request.input, id).contains(answer) {
                found.append("\(event.shortText) is not what \"\(request.name)\" gives for its input")
            }
        }
        return found
    }
}

extension HistoryEvent {
    var start: ExecutionStarted? {
        if case .executionStarted(let start) = kind { start } else { nil }
    }

    /// Whether it records an action that has an event ID.
    fileprivate var hasActionID: Bool {
        switch kind {
        case .patchRecorded, .updateCompleted, .entityUnlockSent: false
        default: isAction && !isImposedEnd
        }
    }
}

extension [HistoryEvent] {
    /// Whether the instance came to an end.
    var hasEnd: Bool { if case .executionCompleted = last?.kind { true } else { false } }
}
