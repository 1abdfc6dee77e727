import DurableCore
import DurableSchedules
import DurableSimulation
import DurableTask
import Testing

@Suite("Checks of histories") struct WorkloadHistoryTests {
    /// A sound history, what is done to it, and what the checks must say then.
    struct Case: Sendable, CustomTestStringConvertible {
        var orchestration: String
        var says: String
        var isTerminated = false
        var spoil: @Sendable (inout WorkloadSample) throws -> Void

        init(
            _ orchestration: String, says: String, isTerminated: Bool = false,
            _ spoil: @escaping @Sendable (inout WorkloadSample) throws -> Void
        ) {
            self.orchestration = orchestration
            self.says = says
            self.isTerminated = isTerminated
            self.spoil = spoil
        }

        var testDescription: String { "\(orchestration): \(says)" }
    }

    static let structure: [Case] = [
        Case("Sequence", says: "does not begin with OrchestratorStarted") { $0.history.removeFirst() },
        Case("Sequence", says: "comes after the end") { $0.history.append($0.history[0]) },
        Case("Sequence", says: "runs back from") { sample in
            let index = try sample.index("OrchestratorStarted", skip: 1)
            sample.history[index].timestamp = Timestamp(millisecondsSinceEpoch: 1)
        },
        Case("Sequence", says: "has event ID 7, expected 0") {
            $0.history[try $0.index("TaskScheduled")].eventID = EventID(7)
        },
        Case("Sequence", says: "has event ID 0, expected 1") { sample in
            let index = try sample.index("TaskScheduled")
            sample.history.insert(sample.history[index], at: index)
        },
        Case("Sequence", says: "is not of its episode's time") { sample in
            let index = try sample.index("TaskScheduled")
            sample.history[index].timestamp = sample.history[index].timestamp + .milliseconds(1)
        },
        Case("Sequence", says: "has event ID 3, which its kind does not have") {
            $0.history[try $0.index("TaskCompleted")].eventID = EventID(3)
        },
        Case("Sequence", says: "answers no open task 0") { sample in
            let index = try sample.index("TaskCompleted")
            sample.history.insert(sample.history[index], at: index)
        },
        Case("Nap", says: "answers no open timer 0") { sample in
            let index = try sample.index("TimerFired")
            sample.history.insert(sample.history[index], at: index)
        },
        Case("Nap", says: "is before its time") { sample in
            let index = try sample.index("TimerFired")
            sample.history[index].timestamp = sample.history[index].timestamp - .seconds(1000)
        },
        Case("Nap", says: "of a kind no program brings about") { sample in
            let event = HistoryEvent(timestamp: sample.history[0].timestamp, kind: .continueAsNew(input: nil))
            sample.history.insert(event, at: 2)
        },
        Case("Nap", says: "begins an episode of a suspended instance") { sample in
            let event = HistoryEvent(timestamp: sample.history[0].timestamp, kind: .executionSuspended(reason: nil))
            sample.history.insert(event, at: 2)
        },
        Case("Nap", says: "ExecutionResumed was asked for by nobody") { sample in
            let event = HistoryEvent(timestamp: sample.history[0].timestamp, kind: .executionResumed(reason: nil))
            sample.history.insert(event, at: 2)
        },
    ]

    static let beginning: [Case] = [
        Case("Sequence", says: "has ExecutionStarted 2 times") { $0.history.insert($0.history[1], at: 2) },
        Case("Sequence", says: "has ExecutionStarted 0 times") { $0.history.remove(at: 1) },
        Case("Sequence", says: "has ExecutionStarted as event 2") { sample in
            let event = HistoryEvent(timestamp: sample.history[0].timestamp, kind: .eventRaised(name: "x", input: nil))
            sample.history.insert(event, at: 1)
        },
        Case("Sequence", says: "is a start of \"Nap\"") { try $0.changeStart { $0.name = "Nap" } },
        Case("Sequence", says: "is a start of somebody") {
            try $0.changeStart { $0.instanceID = InstanceID("somebody") }
        },
        Case("Sequence", says: "has an input that nobody gave it") { try $0.changeStart { $0.input = Payload("7") } },
        Case("Sequence", says: "has execution ID other") {
            try $0.changeStart { $0.executionID = ExecutionID("other") }
        },
        Case("Sequence", says: "before its start time") { sample in
            sample.instance.startDelay = .seconds(1)
            try sample.changeStart { $0.scheduledStart = .distantFuture }
        },
        Case("Sequence", says: "is to start at once") { sample in
            sample.instance.startDelay = .seconds(1)
            try sample.changeStart { $0.scheduledStart = nil }
        },
    ]

    static let stimuli: [Case] = [
        Case("Sequence", says: "is not what \"Echo\" gives") {
            $0.history[try $0.index("TaskCompleted")].kind = .taskCompleted(taskID: EventID(0), result: Payload("1"))
        },
        Case("CaughtFailure", says: "is not what \"Broken\" gives") {
            $0.history[try $0.index("TaskFailed")].kind = .taskCompleted(taskID: EventID(0), result: Payload("\"1\""))
        },
        Case("Sequence", says: "asks for activity \"Other\", which nobody has") {
            $0.history[try $0.index("TaskScheduled")].kind = .taskScheduled(name: "Other", input: nil)
        },
        Case("EventCounter", says: "was raised by nobody") {
            $0.history[try $0.index("EventRaised")].kind = .eventRaised(name: "tick", input: Payload("1"))
        },
        Case("EventCounter", says: "is there more often than it was raised") { sample in
            let index = try sample.index("EventRaised")
            sample.history.insert(sample.history[index], at: index)
        },
        Case("WaitsForEver", says: "was asked for by nobody", isTerminated: true) {
            $0.history[try $0.index("ExecutionTerminated")].kind = .executionTerminated(reason: nil, recurse: false)
        },
        Case("WaitsForEver", says: "is there more often than it was asked for", isTerminated: true) { sample in
            let index = try sample.index("ExecutionTerminated")
            sample.history.insert(sample.history[index], at: index)
        },
        Case("WaitsForEver", says: "is terminated without ExecutionTerminated", isTerminated: true) {
            $0.history.remove(at: try $0.index("ExecutionTerminated"))
        },
        Case("WaitsForEver", says: "for a reason other than the first one given", isTerminated: true) {
            let end = HistoryEvent.Kind.executionCompleted(status: .terminated, result: nil, failure: nil)
            $0.history[$0.history.count - 1].kind = end
        },
        Case("WaitsForEver", says: "goes on after ExecutionTerminated", isTerminated: true) { $0.history.removeLast() },
        Case("Ping", says: "goes to an instance the workload does not have") { sample in
            sample.history[try sample.index("EventSent")].kind = .eventSent(
                instanceID: InstanceID("elsewhere"), name: "ping", input: nil)
        },
    ]

    static let messages: [Case] = [
        Case("EventCounter", says: "is lost") { $0.history = $0.prefix(episodes: 1) },
        Case("Pong", says: "not in the order in which they were sent") { sample in
            try sample.swapRaised("ping", 0, 1)
        },
        Case("Pong", says: "last events of") { $0.history = $0.prefix(episodes: 2) },
        Case("Ping", says: "event 0 of pong") { $0.history = $0.prefix(episodes: 1) },
    ]

    static let families: [Case] = [
        Case("Kin", says: "answers no open child") { sample in
            let index = try sample.index("SubOrchestrationInstanceCompleted")
            sample.history.insert(sample.history[index], at: index)
        },
        Case("Kin", says: "is not the end of") { sample in
            let index = try sample.index("SubOrchestrationInstanceCompleted")
            guard case .subOrchestrationCompleted(let id, _) = sample.history[index].kind else { return }
            sample.history[index].kind = .subOrchestrationCompleted(taskID: id, result: Payload("123456"))
        },
        Case("Kin", says: "does not hear of the end of its child") { sample in
            let index = try sample.index("SubOrchestrationInstanceCompleted")
            sample.history.removeSubrange(index...)
        },
        Case("Kin", says: "has a parent other than planned") { $0.instance.parent = InstanceID("nobody") },
        Case("Kin", says: "which nobody planned") { sample in
            let index = try sample.index("SubOrchestrationInstanceCreated")
            sample.history[index].kind = .subOrchestrationCreated(
                ChildStart(instanceID: InstanceID("nobody"), name: "Kin"))
        },
    ]

    static let continuing: [Case] = [
        Case("Rounds", says: "execution 1 follows one that does not continue") { $0.executions[0].removeLast() },
        Case("Rounds", says: "does not begin with its start") { $0.executions[1].remove(at: 1) },
        Case("Rounds", says: "is started as other than the one before asked for") { sample in
            guard case .executionStarted(var start) = sample.executions[1][1].kind else { return }
            start.executionID = ExecutionID("other")
            sample.executions[1][1].kind = .executionStarted(start)
        },
        Case("Rounds", says: "events that were left") { $0.executions[1].remove(at: 2) },
        Case("Rounds", says: "more often than it was raised") { sample in
            let index = try #require(sample.executions[0].firstIndex { $0.typeName == "EventRaised" })
            sample.executions[0].insert(sample.executions[0][index], at: index)
        },
        Case("Rounds", says: "continues as new, and nothing follows") { $0.executions.removeLast() },
        Case("Rounds", says: "execution 1 follows one that does not continue as new") { sample in
            sample.executions.remove(at: 0)
            sample.executions.insert([], at: 0)
        },
    ]

    static let recoveries: [Case] = [
        Case("PolicyRetry", says: "without a pause") { sample in
            sample.history.remove(at: try sample.index("TimerFired"))
        },
        Case("PolicyRetry", says: "the policy says") { sample in
            let index = try sample.index("TimerCreated")
            sample.history[index].kind = .timerCreated(fireAt: sample.history[index].timestamp + .seconds(60))
        },
        Case("RetriedChild", says: "the policy says") { sample in
            let index = try sample.index("TimerCreated")
            sample.history[index].kind = .timerCreated(fireAt: sample.history[index].timestamp)
        },
        Case("RetriedChild", says: "are allowed") { sample in
            let index = try sample.index("SubOrchestrationInstanceCreated")
            sample.history.insert(
                contentsOf: Array(repeating: sample.history[index], count: 4), at: index)
        },
        Case("Saga", says: "undoes [") { sample in
            let (first, second) = (try sample.index(saying: "undo 0"), try sample.index(saying: "undo 1"))
            sample.history.swapAt(first, second)
        },
        Case("Saga", says: "although") { sample in
            sample.history.remove(at: try sample.index(saying: "undo 0"))
        },
        Case("CancelledSaga", says: "although") { sample in
            for index in sample.history.indices.reversed() where sample.history[index].says("undo ") {
                sample.history.remove(at: index)
            }
        },
    ]

    static let patches: [Case] = [
        Case("Patched", says: "has event ID 7, which its kind does not have") {
            $0.history[try $0.index("PatchRecorded")].eventID = EventID(7)
        },
        Case("Patched", says: "is not of its episode's time") { sample in
            let index = try sample.index("PatchRecorded")
            sample.history[index].timestamp = sample.history[index].timestamp + .milliseconds(1)
        },
        Case("Patched", says: "records patch \"other way\" once more") { sample in
            sample.history.append(sample.history[try sample.index("PatchRecorded")])
        },
        Case("Patched", says: "the code asks for TaskScheduled 1 \"Echo\" with") { sample in
            sample.history.remove(at: try sample.index("PatchRecorded"))
        },
    ]

    static let replay: [Case] = [
        Case("Sequence", says: "history holds TaskScheduled 0 \"Echo\" with {}, the code asks for") {
            $0.history[try $0.index("TaskScheduled")].kind = .taskScheduled(name: "Echo", input: Payload("{}"))
        },
        Case("CustomStatus", says: "which history does not hold") {
            $0.history.remove(at: try $0.index("TaskScheduled"))
        },
        Case("EventCounter", says: "which the code does not ask for") { sample in
            let extra = HistoryEvent(
                eventID: EventID(0), timestamp: sample.history[0].timestamp,
                kind: .timerCreated(fireAt: .distantFuture))
            sample.history.insert(extra, at: 2)
        },
        Case("EventCounter", says: "the code asks for ExecutionCompleted 0 as completed") {
            $0.history[$0.history.count - 1].kind = .executionCompleted(
                status: .completed, result: Payload("0"), failure: nil)
        },
        Case("CancelledChild", says: "although it was dropped before") { sample in
            let created = sample.history[try sample.index("TimerCreated")]
            guard case .timerCreated(let fireAt) = created.kind else { return }
            let fired = HistoryEvent(timestamp: fireAt, kind: .timerFired(timerID: created.eventID, fireAt: fireAt))
            sample.history.insert(fired, at: sample.history.count - 1)
        },
    ]

    @Test(
        "Find what was spoilt",
        arguments: structure + beginning + stimuli + messages + families + continuing + recoveries + patches
            + rewindings + schedules + replay)
    func finds(_ spoilt: Case) throws {
        var sample = try WorkloadSample.find(spoilt.orchestration) { sample in
            (sample.snapshot.status == .terminated) == spoilt.isTerminated && sample.isRich
        }
        #expect(sample.violations == [])
        try spoilt.spoil(&sample)
        let violations = sample.violations
        #expect(violations.contains { $0.contains(spoilt.says) }, "\(violations)")
        #expect(violations == violations.sorted())
        #expect(violations == sample.violations)
    }

    @Test("Replay begins anew at each episode, and finds code that keeps what is not in history") func prefixes() throws
    {
        let sample = try WorkloadSample.find("Sequence") { $0.isRich && $0.snapshot.status == .completed }
        let start = try #require(sample.history.executionStarted)
        let counter = PlatformLock(0)
        var forgetful = Registry()
        try forgetful.register(
            Orchestration("Sequence") { (context: OrchestrationContext) -> String in
                // The first session does as history says, those that replay do not.
                let session = counter.withLock { count in
                    count += 1
                    return count
                }
                let steps = sample.history.compactMap { event -> Payload? in
                    if case .taskScheduled(_, let input) = event.kind { input } else { nil }
                }
                var last = ""
                for step in steps {
                    let input = try PayloadCoding.decode(Echo.self, from: step, as: "a step")
                    last = try await context.callActivity(
                        session == 1 || context.isReplaying ? "Echo" : "Other", input, as: String.self)
                }
                return last
            })
        let replay = HistoryReplay(sample.history, of: start, programs: forgetful)
        #expect(replay.violations.count == 1)
        #expect(replay.violations.first?.contains("(replay)") == true, "\(replay.violations)")
    }

    private struct Echo: Codable, Sendable {
        var bytes: Int
        var milliseconds: Int
        var text: String
    }
}

extension WorkloadSample {
    /// Whether there is enough of everything to spoil.
    fileprivate var isRich: Bool {
        let counts = ["OrchestratorStarted": 3, "TaskScheduled": 2, "EventRaised": 3]
        func has(_ type: String) -> Bool { history.count { $0.typeName == type } >= counts[type, default: 1] }
        switch instance.name {
        case "Sequence": return has("OrchestratorStarted") && has("TaskScheduled") && instance.startDelay == nil
        case "EventCounter", "Ping", "Pong": return has("EventRaised") && has("OrchestratorStarted")
        case "Rounds": return executions.count > 1 && executions[1].dropFirst(2).first?.typeName == "EventRaised"
        case "PolicyRetry", "RetriedChild": return has("TimerCreated") && has("TimerFired")
        case "MendedSteps": return has("ExecutionRewound") && snapshot.status == .completed
        // Of which the sum is all there is to say.
        case "Tally":
            return executions.count == 1 && history.contains { $0.isSuccessOfUpdate } && snapshot.status == .completed
        case Schedules.orchestration.name:
            return executions.count == 1 && has("SubOrchestrationInstanceCreated") && !workload.isPaused(instance.id)
        case "Saga", "CancelledSaga": return history.contains { $0.says("undo 1") }
        case "WaitsForEver": return workload.operations.count { $0.isTermination(of: instance.id) } == 1
        default: return true
        }
    }

    /// Index of the first request of an activity whose input has that text.
    fileprivate func index(saying text: String) throws -> Int {
        try #require(history.firstIndex { $0.says(text) }, "no task that says \(text) in the sample")
    }

    fileprivate mutating func changeStart(_ change: (inout ExecutionStarted) -> Void) throws {
        let index = try index("ExecutionStarted")
        var start = try #require(history.executionStarted)
        change(&start)
        history[index].kind = .executionStarted(start)
    }

    fileprivate mutating func swapRaised(_ name: String, _ first: Int, _ second: Int) throws {
        let all = history.indices.filter {
            if case .eventRaised(name, _) = history[$0].kind { true } else { false }
        }
        let kind = history[all[first]].kind
        history[all[first]].kind = history[all[second]].kind
        history[all[second]].kind = kind
    }
}

extension PlannedOperation {
    fileprivate func isTermination(of id: InstanceID) -> Bool {
        if case .terminate(id, _, _) = kind { true } else { false }
    }
}

extension HistoryEvent {
    var isSuccessOfUpdate: Bool {
        if case .updateCompleted(_, let result?, nil) = kind { result.text != "0" } else { false }
    }

    fileprivate func says(_ text: String) -> Bool {
        if case .taskScheduled(_, let input?) = kind { input.text.contains("\"text\":\"\(text)") } else { false }
    }
}

extension Workload {
    fileprivate func isPaused(_ schedule: InstanceID) -> Bool {
        operations.contains { if case .raise(schedule, _, _, _) = $0.kind { true } else { false } }
    }
}
