import DurableCore
import DurableSimulation
import DurableTask

/// A hub without faults and without engine: decisions of the core, code of the programs, one queue in order of time.
struct WorkloadHub {
    let workload: Workload
    private(set) var states: [InstanceID: InstanceState] = [:]
    /// Of each execution, oldest first.
    private(set) var histories: [InstanceID: [[HistoryEvent]]] = [:]
    /// How instances ended before they were rewound.
    private(set) var voidEnds: [InstanceID: [HistoryEvent]] = [:]
    /// What was answered to whom in a way that the workload does not permit.
    private(set) var wrongVerdicts: [String] = []
    /// Episodes that could not be used.
    private(set) var failures: [String] = []

    private let registry: Registry
    private let limit: Duration
    private let began = SimulatedClock.start
    private var generator: SeededGenerator
    private var inputs: [InstanceID: Payload?] = [:]
    private var sessions: [InstanceID: NativeOrchestration] = [:]
    private var agenda: [Entry] = []
    private var entryCount = 0
    private var outboxID = OutboxID(1)
    /// Of activities, by idempotency key.
    private var runs: [String: Int] = [:]

    private struct Entry {
        var time: Timestamp
        var number: Int
        var what: What

        enum What {
            case operation(Int)
            case message(Message, of: Int?)
            case completion(TaskMessage)
            case timers(InstanceID)
            case mend(InstanceID, attempt: Int, limit: Int)
        }
    }

    /// - Parameter limit: Of simulated time.
    init(_ workload: Workload, seed: UInt64, registry: Registry, limit: Duration = .seconds(3000)) {
        self.workload = workload
        self.registry = registry
        self.limit = limit
        generator = SeededGenerator(seed: seed, purpose: "workload hub")
    }

    /// Until nothing is left to do.
    mutating func run() {
        for (index, operation) in workload.operations.enumerated() { add(began + operation.at, .operation(index)) }
        while let time = agenda.map(\.time).min(), time.since(began) < limit {
            let due = agenda.filter { $0.time == time }.sorted { $0.number < $1.number }
            agenda.removeAll { $0.time == time }
            var touched: [InstanceID] = []
            for entry in due { take(entry, at: time, &touched) }
            for id in touched { runEpisode(of: id, at: time) }
        }
        for (_, session) in sessions { session.evict() }
    }

    var snapshots: [InstanceID: InstanceSnapshot] {
        states.mapValues { InstanceSnapshot($0, input: inputs[$0.id] ?? nil) }
    }

    private mutating func add(_ time: Timestamp, _ what: Entry.What) {
        entryCount += 1
        agenda.append(Entry(time: time, number: entryCount, what: what))
    }

    private mutating func take(_ entry: Entry, at now: Timestamp, _ touched: inout [InstanceID]) {
        switch entry.what {
        case .operation(let index):
            switch workload.operations[index].kind {
            case .mend(let id, let limit): return add(now, .mend(id, attempt: 1, limit: limit))
            case .update(let id, let request, let repeats):
                for delay in [.zero] + repeats {
                    let event = HistoryEvent(timestamp: now, kind: .updateRequested(request))
                    add(
                        now + delay,
                        .message(Message(id: MessageID("\(request.id)"), instanceID: id, event: event), of: index))
                }
                return
            default: break
            }
            guard let publication = workload.operations[index].publication,
                let message = workload.message(of: workload.operations[index], at: now)
            else { return }
            for delay in [.zero] + publication.repeats { add(now + delay, .message(message, of: index)) }
        case .message(let message, let index):
            let verdict = decide(message, at: now, &touched)
            guard let index else { return }
            let operation = workload.operations[index]
            if verdict == .accepted, message.id == operation.publication?.messageID,
                case .pause(_, let duration, _, _) = operation.kind,
                let resumption = workload.resumption(of: operation, at: now)
            {
                add(now + duration, .message(resumption, of: index))
            }
            if case .update = operation.kind {
                if verdict == .notFound { add(now + .seconds(1), .message(message, of: index)) }
                return
            }
            if verdict == .notFound, operation.publication?.mustArrive == true {
                return add(now + .seconds(1), .message(message, of: index))
            }
            if !operation.permittedVerdicts(in: workload).contains(verdict) {
                wrongVerdicts.append("\(message.id): \(verdict)")
            }
        case .completion(let task):
            guard let activity = SimulatedActivities.named(task.name) else {
                return failures.append("no activity \"\(task.name)\"")
            }
            runs[task.idempotencyKey, default: 0] += 1
            let kind: HistoryEvent.Kind =
                switch activity.result(task.input, task.taskID, run: runs[task.idempotencyKey] ?? 1) {
                case .success(let result): .taskCompleted(taskID: task.taskID, result: result)
                case .failure(let failure): .taskFailed(taskID: task.taskID, failure: failure)
                }
            _ = decide(
                Message(
                    id: MessageID(task.idempotencyKey), instanceID: task.instanceID, executionID: task.executionID,
                    dispatch: task.dispatch, event: HistoryEvent(timestamp: now, kind: kind)),
                at: now, &touched)
        case .timers(let id):
            guard let state = states[id], !state.status.isTerminal else { return }
            if let change = state.fireTimers(at: now) { states[id]?.evolve(with: change) }
            touched.append(id)
        case .mend(let id, let attempt, let limit):
            guard let state = states[id], state.status.isTerminal else {
                return add(now + .seconds(1), .mend(id, attempt: attempt, limit: limit))
            }
            guard state.status == .failed, attempt <= limit else { return }
            let reason = Payload("\"\(id).mend-\(attempt)\"")
            let event = HistoryEvent(timestamp: now, kind: .executionRewound(reason: reason, count: 0))
            let request = Message(id: MessageID("\(id).mend-\(attempt)"), instanceID: id, event: event)
            if decide(request, at: now, &touched) == .notRewindable { return }
            add(now + .seconds(1), .mend(id, attempt: attempt + 1, limit: limit))
        }
    }

    /// As an owner does with what it is asked to rewind.
    private mutating func rewind(
        _ failed: InstanceState, by message: Message, at now: Timestamp, _ touched: inout [InstanceID]
    ) -> Verdict {
        let id = failed.id
        if let verdict = failed.verdict(onRewinding: message) {
            if let change = failed.noted(ofRewinding: message, at: now) { states[id]?.evolve(with: change) }
            if case .executionStarted = message.event.kind, let answer = failed.repeatedAnswer(to: message, at: now) {
                send([answer], at: now)
            }
            return verdict
        }
        var executions = histories[id] ?? [[]]
        let history = executions.removeLast()
        let rewound = failed.rewound(history, by: message, at: now, epoch: .zero, outboxID: &outboxID)
        guard let (change, outbox) = rewound, let state = InstanceState.created(by: change) else {
            if case .executionStarted = message.event.kind, let answer = failed.repeatedAnswer(to: message, at: now) {
                send([answer], at: now)
            }
            return .notRewindable
        }
        voidEnds[id, default: []] += history.suffix(1)
        states[id] = state
        histories[id] = executions + [[]]
        fold(change, outbox, at: now)
        touched.append(id)
        return .accepted
    }

    private mutating func decide(_ message: Message, at now: Timestamp, _ touched: inout [InstanceID]) -> Verdict {
        let id = message.instanceID
        if let state = states[id], state.isRewound(by: message) {
            return rewind(state, by: message, at: now, &touched)
        }
        switch states[id]?.decide(message, at: now) ?? InstanceState.decide(message, at: now) {
        case .ignored(let verdict):
            if verdict == .created, let answer = states[id]?.repeatedAnswer(to: message, at: now) {
                send([answer], at: now)
            }
            if verdict == .exists, let refusal = message.refusal(at: now) { send([refusal], at: now) }
            return verdict
        case .accepted(let change, let verdict):
            if states[id] == nil { states[id] = InstanceState.created(by: change) }
            if case .executionStarted(let start) = message.event.kind {
                inputs[id] = start.input
                if let time = start.scheduledStart { add(max(now, time), .timers(id)) }
            }
            states[id]?.evolve(with: change)
            touched.append(id)
            return verdict
        }
    }

    private mutating func runEpisode(of id: InstanceID, at now: Timestamp) {
        guard let state = states[id] else { return }
        if state.inbox.isEmpty { return runUpdates(of: id, at: now) }
        if state.entity != nil { return runEntity(state, at: now) }
        if state.isEndImposed(at: now) {
            let (change, messages) = state.imposeEnd(at: now)
            send(messages, at: now)
            return fold(change, [], at: now)
        }
        guard state.mayRun(at: now) else { return }
        let events = state.episodeEvents(at: now)
        do {
            let session = try session(of: state)
            let (change, outbox) = state.finishEpisode(
                over: events, actions: try session.run(events), at: now, epoch: .zero, outboxID: &outboxID)
            fold(change, outbox, at: now)
            runUpdates(of: id, at: now)
        } catch {
            failures.append("\(id): \(error)")
        }
        // Now and then the instance leaves memory.
        if states[id]?.status.isTerminal != false || generator.chance(0.1) {
            sessions.removeValue(forKey: id)?.evict()
        }
    }

    /// Lets the updates begin that wait and that the code has a handler for, each in an episode.
    private mutating func runUpdates(of id: InstanceID, at now: Timestamp) {
        var passedOver: Set<UpdateID> = []
        while let state = states[id], state.mayAdmitUpdates,
            let request = state.updates.requested.first(where: { !passedOver.contains($0.id) })
        {
            do {
                let session = try session(of: state)
                guard session.takesUpdate(named: request.name) else {
                    passedOver.insert(request.id)
                    continue
                }
                var violation: String?
                switch session.admit(request, violation: &violation) {
                case .noHandler: passedOver.insert(request.id)
                case .rejected(let reason):
                    states[id]?.evolve(with: state.rejection(of: request, because: reason, at: now))
                case .admitted:
                    let events = state.beginning(of: request, at: now)
                    let (change, outbox) = state.finishEpisode(
                        over: events, actions: try session.run(events), at: now, epoch: .zero, outboxID: &outboxID)
                    fold(change, outbox, at: now)
                    passedOver = []
                }
            } catch {
                return failures.append("\(id): \(error)")
            }
        }
    }

    private mutating func runEntity(_ state: InstanceState, at now: Timestamp) {
        guard let id = state.id.entity, let entity = registry.entity(named: id.name) else {
            return failures.append("no entity \(state.id)")
        }
        var turn = EntityTurn(state, at: now)
        while let operation = turn.next() {
            turn.finish(operation, entity.perform(operation, on: id, state: turn.entity.state, at: now))
        }
        send(turn.messages, at: now)
        states[state.id]?.evolve(with: state.change(by: turn, at: now))
    }

    private mutating func fold(_ change: InstanceChange, _ outbox: [OutboxEntry], at now: Timestamp) {
        let id = change.instanceID
        states[id]?.evolve(with: change)
        var executions = histories[id] ?? [[]]
        executions[executions.count - 1] += change.history
        if change.continuesAsNew {
            executions.append([])
            sessions.removeValue(forKey: id)?.evict()
            if case .executionStarted(let start)? = change.buffered.first?.kind { inputs[id] = start.input }
        }
        histories[id] = executions
        for entry in outbox {
            switch entry.body {
            case .task(let task):
                let work = SimulatedActivities.named(task.name)?.duration(task.input) ?? .zero
                add(now + work + .milliseconds(Int.random(in: 1...20, using: &generator)), .completion(task))
            case .message(let message): send([message], at: now)
            }
        }
        if let due = states[id]?.nextDue { add(max(due, now), .timers(id)) }
    }

    private mutating func send(_ messages: [Message], at now: Timestamp) {
        for message in messages { add(now + .milliseconds(3), .message(message, of: nil)) }
    }

    private mutating func session(of state: InstanceState) throws -> NativeOrchestration {
        if let session = sessions[state.id] { return session }
        let made = registry.makeSession(
            name: state.name, version: state.version, instanceID: state.id, executionID: state.executionID,
            patches: state.patches)
        guard let made else { throw NoCode(name: state.name) }
        if let history = histories[state.id]?.last { try made.replay(history) }
        sessions[state.id] = made
        return made
    }

    struct NoCode: Error { var name: String }
}
