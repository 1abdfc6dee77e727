import DurableCore
import Testing

@Suite("Starts where there is an instance of that ID") struct IDReuseTests {
    private func start(_ id: String, _ reuse: IDReuse, parent: Bool = false) -> Message {
        var started = ExecutionStarted(
            name: "A", instanceID: InstanceID("a"), executionID: ExecutionID(id))
        if parent {
            started.parent = .init(
                taskID: EventID(0), name: "P", instanceID: InstanceID("p"), executionID: ExecutionID("e"))
        }
        var message = Message(
            id: MessageID(id), instanceID: InstanceID("a"),
            event: HistoryEvent(timestamp: Timestamp(millisecondsSinceEpoch: 1), kind: .executionStarted(started)))
        message.idReuse = reuse
        return message
    }

    private func instance(_ status: OrchestrationStatus) throws -> InstanceState {
        let now = Timestamp(millisecondsSinceEpoch: 1)
        guard case .accepted(let change, _) = InstanceState.decide(start("first", .refuse), at: now) else {
            throw CancellationError()
        }
        var state = try #require(InstanceState.created(by: change))
        state.evolve(with: change)
        state.evolve(
            with: InstanceChange(
                instanceID: state.id, time: now,
                history: state.episodeEvents(at: now)
                    + (status.isTerminal
                        ? [
                            HistoryEvent(
                                timestamp: now, kind: .executionCompleted(status: status, result: nil, failure: nil))
                        ]
                        : [])))
        return state
    }

    private struct Outcome: Equatable {
        var verdict: Verdict
        var replaces = false
    }

    private func outcome(_ acceptance: Acceptance) -> Outcome {
        switch acceptance {
        case .ignored(let verdict): Outcome(verdict: verdict)
        case .accepted(let change, let verdict): Outcome(verdict: verdict, replaces: change.replaces)
        }
    }

    @Test("What a start does is what it says, by status; from a parent it never takes an ID")
    func matrix() throws {
        let now = Timestamp(millisecondsSinceEpoch: 2)
        for status in OrchestrationStatus.allCases where status != .continuedAsNew {
            for running in IDReuse.Running.allCases {
                for ended in IDReuse.Ended.allCases {
                    let state = try instance(status)
                    let reuse = IDReuse(running: running, ended: ended)
                    let mayBegin =
                        state.status.isTerminal
                        ? ended == .allow || ended == .allowUnlessCompleted && status != .completed
                        : running == .terminate
                    let refusal: Verdict = !state.status.isTerminal && running == .useExisting ? .joined : .exists
                    let found = outcome(state.decide(start("second", reuse), at: now))
                    let expected = Outcome(verdict: mayBegin ? .created : refusal, replaces: mayBegin)
                    #expect(found == expected, "\(status) \(reuse)")
                    let repeated = outcome(state.decide(start("first", reuse), at: now))
                    #expect(repeated == Outcome(verdict: .created))
                    let called = outcome(state.decide(start("second", reuse, parent: true), at: now))
                    #expect(called == Outcome(verdict: .exists))
                }
            }
        }
    }

    @Test("What one knows of clients' messages the next one of the ID knows, up to the limit")
    func memory() throws {
        let now = Timestamp(millisecondsSinceEpoch: 2)
        var state = try instance(.running)
        for number in 0..<InstanceState.appliedMessagesLimit + 10 {
            let change = InstanceChange(instanceID: state.id, time: now, appliedMessages: [MessageID("m-\(number)")])
            state.evolve(with: change)
        }
        let terminate = IDReuse(running: .terminate)
        guard case .accepted(let change, .created) = state.decide(start("second", terminate), at: now) else {
            Issue.record("not taken")
            return
        }
        var next = try #require(InstanceState.created(by: change))
        next.evolve(with: change)
        #expect(next.startID == MessageID("second"))
        #expect(next.appliedMessages.count == InstanceState.appliedMessagesLimit)
        #expect(next.appliedMessages.last == MessageID("first"))
        #expect(next.appliedMessages.contains(MessageID("m-137")))
        let old = outcome(next.decide(start("first", terminate), at: now))
        #expect(old == Outcome(verdict: .exists))
        let new = outcome(next.decide(start("third", terminate), at: now))
        #expect(new == Outcome(verdict: .created, replaces: true))
    }
}
