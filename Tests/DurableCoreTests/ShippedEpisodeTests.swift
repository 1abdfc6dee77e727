import DurableCore
import Testing

@Suite("Code of instances, and episodes that ran elsewhere") struct ShippedEpisodeTests {
    private let exact = OrchestrationCode(name: "Order", version: "2")
    private let any = OrchestrationCode(name: "Order")

    @Test("Code of its version comes first, and what began an execution goes on with it") func candidates() {
        func codes(_ version: String?, _ author: EpisodeAuthor?) -> [OrchestrationCode] {
            OrchestrationCode.candidates("Order", version: version, author: author)
        }
        #expect(codes(nil, nil) == [any])
        #expect(codes(nil, EpisodeAuthor(build: "b")) == [any])
        #expect(codes("2", nil) == [exact, any])
        #expect(codes("2", EpisodeAuthor(build: "b", version: "2")) == [exact])
        #expect(codes("2", EpisodeAuthor(build: "b")) == [any, exact])
    }

    @Test("Two codes never share a queue") func queueKeys() {
        let names = [
            "Order", "Order.2", "Order%2E2", "Order.", ".", "Order%", "Ordér", String(repeating: ".", count: 128),
        ]
        var codes = names.map { OrchestrationCode(name: $0) }
        for name in names {
            for version in ["2", ".2", "2.", "%2E2", String(repeating: "x", count: 64)] {
                codes.append(OrchestrationCode(name: name, version: version))
            }
        }
        let keys = codes.map(\.queueKey)
        #expect(Set(keys).count == codes.count)
        #expect(keys.allSatisfy { $0.utf8.count <= 160 })
        #expect(exact.queueKey == "Order.2" && any.queueKey == "Order")
        #expect(OrchestrationCode(name: "dtq.Schedule", version: "1.0").queueKey == "dtq%2ESchedule.1.0")
    }

    @Test("Which versions there may be") func versions() {
        #expect(OrchestrationCode.defect(ofVersion: "1.2-beta") == nil)
        for bad in ["", "a\n", String(repeating: "x", count: 65)] {
            #expect(OrchestrationCode.defect(ofVersion: bad) != nil)
        }
    }

    // MARK: - Settling

    private func away(_ inbox: [HistoryEvent.Kind]) -> InstanceState {
        let start = ExecutionStarted(
            name: "Order", version: "2", instanceID: InstanceID("o"), executionID: ExecutionID("e"))
        var state = InstanceState(start: start, startID: MessageID("m"), at: time(1))
        state.evolve(
            with: InstanceChange(
                instanceID: state.id, time: time(1),
                buffered: ([.executionStarted(start)] + inbox).map { HistoryEvent(timestamp: time(1), kind: $0) },
                hold: .set(Hold(code: "DTQ2005", text: "no code"))))
        return state
    }

    private func time(_ milliseconds: Int64) -> Timestamp { Timestamp(millisecondsSinceEpoch: milliseconds) }

    private func finish(_ state: InstanceState, _ actions: [OrchestratorAction], over count: Int) -> InstanceState {
        var events = [HistoryEvent(timestamp: time(1), kind: .orchestratorStarted)]
        events[0].author = EpisodeAuthor(build: "b", version: "2")
        var outboxID = OutboxID(1)
        var (change, _) = state.finishEpisode(
            over: events + state.inbox.prefix(count), actions: actions, at: time(2),
            epoch: Epoch(generation: 1, offset: 1), outboxID: &outboxID)
        state.settle(&change, over: count)
        var state = state
        state.evolve(with: change)
        return state
    }

    @Test("What arrived meanwhile stays in the inbox") func leftover() {
        let state = finish(
            away([.eventRaised(name: "e", input: nil)]), [.createTimer(id: EventID(0), fireAt: time(9))], over: 1)
        #expect(state.hold == nil)
        #expect(state.status == .running)
        #expect(state.inbox.map(\.kind) == [.eventRaised(name: "e", input: nil)])
        #expect(state.openTimers == [EventID(0): time(9)])
        #expect(state.historyCount == 3)
        #expect(state.author == EpisodeAuthor(build: "b", version: "2"))
    }

    @Test("The next execution gets the events, not what the last one asked for") func continuedAsNew() {
        let state = finish(
            away([.timerFired(timerID: EventID(7), fireAt: time(1)), .eventRaised(name: "e", input: nil)]),
            [
                .continueAsNew(
                    id: EventID(0), input: nil, version: "3", carriedOver: [RaisedEvent(name: "d", input: nil)])
            ],
            over: 1)
        #expect(state.status == .pending)
        #expect(state.version == "3")
        #expect(state.author == nil)
        #expect(state.inbox.map(\.typeName) == ["ExecutionStarted", "EventRaised", "EventRaised"])
        #expect(state.inbox.last?.kind == .eventRaised(name: "e", input: nil))
    }

    @Test("A cancellation that arrived meanwhile goes to the next execution") func canceledMeanwhile() {
        let state = finish(
            away([.cancellationRequested(reason: nil)]),
            [.continueAsNew(id: EventID(0), input: nil, version: nil, carriedOver: [])], over: 1)
        #expect(state.status == .pending)
        #expect(state.inbox.map(\.typeName) == ["ExecutionStarted", "CancellationRequested"])
    }

    @Test("An answer is taken while the instance is as it was shipped") func mayTake() {
        #expect(away([.eventRaised(name: "e", input: nil)]).mayTake(answerOver: 1))
        #expect(!away([]).mayTake(answerOver: 2))
        #expect(!away([.executionSuspended(reason: nil)]).mayTake(answerOver: 1))
        #expect(!away([.executionSuspended(reason: nil), .executionResumed(reason: nil)]).mayTake(answerOver: 1))
        #expect(!away([.executionTerminated(reason: nil, recurse: true)]).mayTake(answerOver: 1))
        var released = away([])
        released.hold = nil
        #expect(!released.mayTake(answerOver: 1))
    }

    @Test("An episode is shipped with as many events as fit, one at least") func shippedEvents() {
        let big = Payload(String(repeating: "x", count: 1000))
        let state = away((0..<5).map { _ in .eventRaised(name: "e", input: big) })
        #expect(state.shippedEvents(at: time(1), byteLimit: 1).count == 2)
        #expect(state.shippedEvents(at: time(1), byteLimit: 2500).count == 4)
        #expect(state.shippedEvents(at: time(1), byteLimit: 1 << 20).count == 7)
    }
}
