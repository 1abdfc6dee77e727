import DurableCore
import DurableTask

/// SplitMix64: small, seeded, the same everywhere.
struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }
}

/// One episode as the engine would record it.
struct RecordedEpisode {
    var newEvents: [HistoryEvent]
    var actions: [OrchestratorAction]
    /// Length of the trace after it.
    var traceLength = 0

    var history: [HistoryEvent] { newEvents + actions.compactMap { $0.historyEvent(at: newEvents[0].timestamp) } }
}

extension OrchestratorAction {
    /// What the engine puts into history for it.
    func historyEvent(at time: Timestamp) -> HistoryEvent? {
        switch self {
        case .scheduleTask(let id, let name, let input):
            HistoryEvent(eventID: id, timestamp: time, kind: .taskScheduled(name: name, input: input))
        case .createTimer(let id, let fireAt):
            HistoryEvent(eventID: id, timestamp: time, kind: .timerCreated(fireAt: fireAt))
        case .sendEvent(let id, let target, let name, let input):
            HistoryEvent(eventID: id, timestamp: time, kind: .eventSent(instanceID: target, name: name, input: input))
        case .createSubOrchestration(let id, let child):
            HistoryEvent(eventID: id, timestamp: time, kind: .subOrchestrationCreated(child))
        case .continueAsNew(let id, let input, _, _):
            HistoryEvent(
                eventID: id, timestamp: time,
                kind: .executionCompleted(status: .continuedAsNew, result: input, failure: nil))
        case .completeOrchestration(let id, let status, let result, let failure):
            HistoryEvent(
                eventID: id, timestamp: time,
                kind: .executionCompleted(status: status, result: result, failure: failure))
        case .recordPatch(let id, let isDeprecated):
            HistoryEvent(timestamp: time, kind: .patchRecorded(id: id, isDeprecated: isDeprecated))
        case .callEntity(let id, let target, let operation, let input, let section):
            HistoryEvent(
                eventID: id, timestamp: time,
                kind: .entityOperationCalled(
                    EntityCall(
                        requestID: Driver.request(id), operation: operation, input: input, target: target,
                        section: section.map(Driver.request))))
        case .signalEntity(let id, let target, let operation, let input):
            HistoryEvent(
                eventID: id, timestamp: time,
                kind: .entityOperationSignaled(
                    EntitySignal(
                        requestID: Driver.request(id), operation: operation, input: input, target: target)))
        case .lockEntities(let id, let lockSet):
            HistoryEvent(
                eventID: id, timestamp: time,
                kind: .entityLockRequested(EntityLockRequest(section: Driver.request(id), lockSet: lockSet)))
        case .unlockEntity(let section, let target):
            HistoryEvent(
                timestamp: time,
                kind: .entityUnlockSent(EntityUnlock(section: Driver.request(section), target: target)))
        case .abandonSection(let section):
            HistoryEvent(timestamp: time, kind: .entityUnlockSent(EntityUnlock(section: Driver.request(section))))
        case .completeUpdate(let id, let result, let failure):
            HistoryEvent(timestamp: time, kind: .updateCompleted(id: id, result: result, failure: failure))
        case .cancelTimer, .cancelTask, .cancelChild, .setCustomStatus, .setCompensatesTermination, .passOn: nil
        }
    }
}

/// Plays the engine: keeps history, runs activities at once, completes open work in an order of the test's choice.
struct Driver {
    static let instanceID = InstanceID("order-1")
    static let executionID = ExecutionID("e-1")
    /// Names what the code asked of an entity under that event ID.
    static func request(_ id: EventID) -> String { "\(executionID)/\(id)" }

    let orchestration: AnyOrchestration
    var session: NativeOrchestration
    var episodes: [RecordedEpisode] = []
    /// Open activities and timers, in order of request.
    var open: [OrchestratorAction] = []
    /// What activities and children do: the same input back, or a failure for names that begin with `fail`. Those that
    /// begin with `flaky` fail unless their event ID is a multiple of 3, without asking this.
    var activity: (String, Payload?) -> HistoryEvent.Kind.Outcome = { name, input in
        name.hasPrefix("fail") ? .failure(FailureDetails(errorType: "Declined", message: name)) : .success(input)
    }
    private var time = Timestamp(millisecondsSinceEpoch: 1000)

    init(_ orchestration: AnyOrchestration, options: NativeOrchestration.Options = .init()) {
        self.orchestration = orchestration
        session = Self.session(orchestration, options: options)
    }

    static func session(
        _ orchestration: AnyOrchestration, patches: Set<String> = [], options: NativeOrchestration.Options = .init()
    ) -> NativeOrchestration {
        NativeOrchestration(
            orchestration: orchestration, version: "1", instanceID: instanceID, executionID: executionID,
            patches: patches, options: options)
    }

    var history: [HistoryEvent] { episodes.flatMap(\.history) }

    /// The result, once complete: JSON text, or the failure.
    var outcome: String? {
        guard case .completeOrchestration(_, let status, let result, let failure)? = episodes.last?.actions.last else {
            return nil
        }
        return "\(status) " + (failure.map { "\($0)" } ?? result?.text ?? "nothing")
    }

    var failure: FailureDetails? {
        guard case .completeOrchestration(_, _, _, let failure)? = episodes.last?.actions.last else { return nil }
        return failure
    }

    @discardableResult
    mutating func start(name: String = "test", input: Payload? = nil) throws -> [OrchestratorAction] {
        let started = ExecutionStarted(
            name: name, input: input, instanceID: Self.instanceID, executionID: Self.executionID)
        return try episode([.executionStarted(started)])
    }

    @discardableResult
    mutating func episode(_ received: [HistoryEvent.Kind]) throws -> [OrchestratorAction] {
        time = time + .milliseconds(100)
        let events = ([.orchestratorStarted] + received).map { HistoryEvent(timestamp: time, kind: $0) }
        let actions = try session.run(events)
        for action in actions {
            switch action {
            case .scheduleTask, .createTimer, .callEntity, .lockEntities: open.append(action)
            case .createSubOrchestration(_, let child): if !child.isDetached { open.append(action) }
            case .cancelTimer(let id): open.removeAll { $0.eventID == id }
            // What is cancelled may be answered all the same.
            case .cancelTask, .cancelChild, .sendEvent, .continueAsNew, .completeOrchestration, .setCustomStatus,
                .recordPatch, .completeUpdate, .setCompensatesTermination, .passOn, .signalEntity, .unlockEntity:
                break
            case .abandonSection(let id): open.removeAll { $0.eventID == id }
            }
        }
        episodes.append(RecordedEpisode(newEvents: events, actions: actions))
        return actions
    }

    /// Takes the open action away and gives the event that ends it.
    mutating func complete(_ id: EventID) -> HistoryEvent.Kind {
        guard let index = open.firstIndex(where: { $0.eventID == id }) else {
            preconditionFailure("nothing open has event ID \(id)")
        }
        switch open.remove(at: index) {
        case .scheduleTask(let id, let name, let input):
            switch outcome(id, name, input) {
            case .success(let result): return .taskCompleted(taskID: id, result: result)
            case .failure(let failure): return .taskFailed(taskID: id, failure: failure)
            }
        case .createTimer(let id, let fireAt): return .timerFired(timerID: id, fireAt: fireAt)
        case .createSubOrchestration(let id, let child):
            switch outcome(id, child.name, child.input) {
            case .success(let result): return .subOrchestrationCompleted(taskID: id, result: result)
            case .failure(let failure): return .subOrchestrationFailed(taskID: id, failure: failure)
            }
        case .callEntity(let id, _, let operation, let input, _):
            switch outcome(id, operation, input) {
            case .success(let result): return .entityOperationCompleted(requestID: Self.request(id), output: result)
            case .failure(let failure): return .entityOperationFailed(requestID: Self.request(id), failure: failure)
            }
        case .lockEntities(let id, _): return .entityLockGranted(section: Self.request(id))
        default: preconditionFailure("only activities, timers and children are open")
        }
    }

    private func outcome(_ id: EventID, _ name: String, _ input: Payload?) -> HistoryEvent.Kind.Outcome {
        if name.hasPrefix("flaky"), id.value % 3 != 0 {
            return .failure(FailureDetails(errorType: "Flaky", message: "task \(id)"))
        }
        return activity(name, input)
    }

    /// Runs to the end: each episode brings one to three completions or external events in random order.
    mutating func runToEnd(seed: UInt64, external: [HistoryEvent.Kind] = [], trace: Trace? = nil) throws {
        var generator = SeededGenerator(seed: seed)
        var external = external[...]
        try start()
        episodes[0].traceLength = trace?.lines.count ?? 0
        while !session.isComplete, !(open.isEmpty && external.isEmpty) {
            var received: [HistoryEvent.Kind] = []
            for _ in 0..<Int.random(in: 1...3, using: &generator) {
                if !external.isEmpty, open.isEmpty || Bool.random(using: &generator) {
                    received.append(external.removeFirst())
                } else if let action = open.randomElement(using: &generator), let id = action.eventID {
                    received.append(complete(id))
                }
            }
            try episode(received)
            episodes[episodes.count - 1].traceLength = trace?.lines.count ?? 0
        }
    }
}

extension HistoryEvent.Kind {
    typealias Outcome = Result<Payload?, FailureDetails>
}

extension OrchestratorAction {
    var eventID: EventID? {
        switch self {
        case .scheduleTask(let id, _, _), .createTimer(let id, _), .cancelTimer(let id), .cancelTask(let id),
            .cancelChild(let id), .sendEvent(let id, _, _, _), .createSubOrchestration(let id, _),
            .continueAsNew(let id, _, _, _),
            .completeOrchestration(let id, _, _, _), .callEntity(let id, _, _, _, _), .signalEntity(let id, _, _, _),
            .lockEntities(let id, _):
            id
        case .setCustomStatus, .recordPatch, .completeUpdate, .setCompensatesTermination, .passOn, .unlockEntity,
            .abandonSection:
            nil
        }
    }
}
