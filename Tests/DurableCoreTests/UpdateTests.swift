import DurableCore
import Testing

@Suite("Updates of an instance") struct UpdateTests {
    private let now = Timestamp(millisecondsSinceEpoch: 1000)

    private func running() -> InstanceState {
        var state = InstanceState(
            start: ExecutionStarted(name: "O", instanceID: InstanceID("a"), executionID: ExecutionID("e")),
            startID: MessageID("m"), at: now)
        state.evolve(
            with: InstanceChange(
                instanceID: state.id, time: now, history: [HistoryEvent(timestamp: now, kind: .orchestratorStarted)]))
        return state
    }

    private func request(_ id: String) -> UpdateRequest {
        UpdateRequest(id: UpdateID(id), name: "add", input: Payload("1"))
    }

    private func send(_ id: String, to state: inout InstanceState) -> Verdict {
        let message = Message(
            id: MessageID("m-\(id)"), instanceID: state.id,
            event: HistoryEvent(timestamp: now, kind: .updateRequested(request(id))))
        switch state.decide(message, at: now) {
        case .accepted(let change, let verdict):
            state.evolve(with: change)
            return verdict
        case .ignored(let verdict): return verdict
        }
    }

    private func begin(_ id: String, in state: inout InstanceState) {
        state.evolve(
            with: InstanceChange(instanceID: state.id, time: now, history: state.beginning(of: request(id), at: now)))
    }

    private func record(_ kind: HistoryEvent.Kind, in state: inout InstanceState) {
        state.evolve(
            with: InstanceChange(
                instanceID: state.id, time: now,
                history: [
                    HistoryEvent(timestamp: now, kind: .orchestratorStarted), HistoryEvent(timestamp: now, kind: kind),
                ]))
    }

    private func complete(_ id: String, _ result: Payload? = Payload("1"), in state: inout InstanceState) {
        record(.updateCompleted(id: UpdateID(id), result: result, failure: nil), in: &state)
    }

    @Test("A request waits outside the history, and its repeat is known at every stage") func stages() {
        var state = running()
        let count = state.historyCount
        #expect(send("u", to: &state) == .accepted)
        #expect(state.historyCount == count && state.inbox.isEmpty)
        #expect(state.updates.standing(of: UpdateID("u")) == .requested)
        #expect(state.mayAdmitUpdates)
        #expect(send("u", to: &state) == .duplicate)
        begin("u", in: &state)
        #expect(state.updates.standing(of: UpdateID("u")) == .open)
        #expect(!state.mayAdmitUpdates)
        #expect(send("u", to: &state) == .duplicate)
        complete("u", in: &state)
        #expect(state.updates.standing(of: UpdateID("u")) == .ended(.completed(Payload("1"))))
        #expect(send("u", to: &state) == .duplicate)
        record(.executionCompleted(status: .completed, result: nil, failure: nil), in: &state)
        #expect(send("u", to: &state) == .duplicate)
        #expect(send("v", to: &state) == .ended)
    }

    @Test("A rejected update is remembered, and waits no longer") func rejection() {
        var state = running()
        let reason = FailureDetails(errorType: "No", message: "no")
        _ = send("u", to: &state)
        state.evolve(with: state.rejection(of: request("u"), because: reason, at: now))
        #expect(state.updates.standing(of: UpdateID("u")) == .ended(.rejected(reason)))
        #expect(state.updates.openCount == 0)
        #expect(send("u", to: &state) == .duplicate)
    }

    @Test("The end of an instance ends all its updates; continue-as-new keeps those that have not begun") func ends() {
        for status in [OrchestrationStatus.completed, .failed, .terminated] {
            var state = running()
            _ = send("waits", to: &state)
            _ = send("runs", to: &state)
            begin("runs", in: &state)
            record(.executionCompleted(status: status, result: nil, failure: nil), in: &state)
            #expect(state.updates.standing(of: UpdateID("waits")) == .ended(.notBegun))
            #expect(state.updates.standing(of: UpdateID("runs")) == .ended(.notFinished))
        }
        var state = running()
        _ = send("waits", to: &state)
        _ = send("runs", to: &state)
        _ = send("ended", to: &state)
        begin("runs", in: &state)
        begin("ended", in: &state)
        complete("ended", in: &state)
        var outboxID = OutboxID(1)
        let (change, _) = state.finishEpisode(
            over: state.episodeEvents(at: now),
            actions: [.continueAsNew(id: EventID(0), input: nil, version: nil, carriedOver: [])], at: now,
            epoch: .zero, outboxID: &outboxID)
        state.evolve(with: change)
        #expect(state.executionID == ExecutionID("e~1"))
        #expect(state.updates.standing(of: UpdateID("waits")) == .requested)
        #expect(state.updates.standing(of: UpdateID("runs")) == .ended(.notFinished))
        #expect(state.updates.standing(of: UpdateID("ended")) == .ended(.completed(Payload("1"))))
        #expect(!state.mayAdmitUpdates)
    }

    @Test("Too many at a time are refused") func tooMany() {
        var state = running()
        for number in 0..<UpdateLedger.openLimit { #expect(send("u-\(number)", to: &state) == .accepted) }
        #expect(send("more", to: &state) == .accepted)
        guard case .ended(.rejected(let reason))? = state.updates.standing(of: UpdateID("more")) else {
            Issue.record("one more is rejected")
            return
        }
        #expect(reason.errorType == "TooManyUpdates")
    }

    @Test("What is remembered of ended updates is bounded in number and bytes, the newest result apart") func bounds() {
        var state = running()
        let large = Payload(Array(repeating: 0x31, count: UpdateLedger.resultBytesLimit))
        for number in 0...UpdateLedger.endedLimit {
            _ = send("u-\(number)", to: &state)
            begin("u-\(number)", in: &state)
            complete("u-\(number)", number < 3 ? large : Payload("1"), in: &state)
            if number < 3 {
                #expect(state.updates.standing(of: UpdateID("u-\(number)")) == .ended(.completed(large)))
            }
        }
        #expect(state.updates.ended.count == UpdateLedger.endedLimit)
        #expect(state.updates.standing(of: UpdateID("u-0")) == nil)
        #expect(state.updates.standing(of: UpdateID("u-1")) == .ended(.forgotten))
        #expect(state.updates.standing(of: UpdateID("u-2")) == .ended(.forgotten))
        #expect(state.updates.standing(of: UpdateID("u-3")) == .ended(.completed(Payload("1"))))
    }

    @Test("Changes of one batch, folded together, come to what they come to one by one") func merged() {
        var single = running()
        var together = single
        var whole: InstanceChange?
        func fold(_ change: InstanceChange) {
            single.evolve(with: change)
            if whole?.merge(change) == nil { whole = change }
        }
        for id in ["a", "b", "c", "d"] {
            var change = InstanceChange(instanceID: single.id, time: now)
            change.requestedUpdates = [request(id)]
            fold(change)
        }
        fold(InstanceChange(instanceID: single.id, time: now, history: single.beginning(of: request("b"), at: now)))
        fold(single.rejection(of: request("a"), because: FailureDetails(errorType: "No", message: ""), at: now))
        fold(
            InstanceChange(
                instanceID: single.id, time: now,
                history: single.beginning(of: request("d"), at: now) + [
                    HistoryEvent(
                        timestamp: now, kind: .updateCompleted(id: UpdateID("d"), result: nil, failure: nil))
                ]))
        if let whole { together.evolve(with: whole) }
        #expect(together == single)
        #expect(single.updates.requested.map(\.id) == [UpdateID("c")])
    }
}
