import DurableCore
import DurableWire
import Testing

@Suite("Round trips") struct RoundTripTests {
    @Test("Every kind of history event comes back as it was", arguments: Samples.events)
    func event(_ event: HistoryEvent) throws {
        #expect(try HistoryCodec.decode(HistoryCodec.encode([event])) == [event])
    }

    @Test("A history keeps its order")
    func history() throws {
        let reversed = Array(Samples.events.reversed())
        #expect(try HistoryCodec.decode(HistoryCodec.encode(reversed)) == reversed)
        #expect(try HistoryCodec.decode(HistoryCodec.encode([])) == [])
    }

    @Test("Every value that stands alone comes back as it was", arguments: TopLevel.all)
    func value(_ kind: TopLevel) throws {
        #expect(kind.roundTrips())
    }

    @Test("What an episode's code asked for comes back as it was")
    func actions() throws {
        for result in Samples.episodeResults {
            #expect(try OrchestratorActions.decode(OrchestratorActions.encode(result)) == result)
        }
        #expect(try OrchestratorActions.decode([]) == EpisodeResult(actions: []))
        let bytes = OrchestratorActions.encode(Samples.episodeResults[0])
        for length in 0..<bytes.count { _ = try? OrchestratorActions.decode(Array(bytes.prefix(length))) }
    }

    @Test("A task's message ID fits into an AMQP property, however long an execution ID a client chose")
    func longExecutionID() {
        var task = Samples.task
        task.executionID = ExecutionID(String(repeating: "e", count: 1000))
        #expect(task.messageID.utf8.count <= 255)
        task.executionID = ExecutionID("e")
        #expect(task.messageID.hasPrefix("e/"))
    }

    @Test("Equal values give equal bytes, whatever order their dictionaries have")
    func deterministic() {
        let state = Samples.states[0]
        for seed in 1...20 {
            var other = state
            other.openTasks = [:]
            other.openTimers = [:]
            other.openChildren = [:]
            other.openTasks.reserveCapacity(seed * 100)
            for (id, task) in state.openTasks { other.openTasks[id] = task }
            for (id, fireAt) in state.openTimers { other.openTimers[id] = fireAt }
            for (id, child) in state.openChildren { other.openChildren[id] = child }
            #expect(other.wireBytes == state.wireBytes)
        }
    }

    @Test(
        "Times keep their milliseconds, before 1970 and at the ends of the range",
        arguments: [
            Timestamp(millisecondsSinceEpoch: -1), Timestamp(millisecondsSinceEpoch: -1000),
            Timestamp(millisecondsSinceEpoch: 999), .distantPast, .distantFuture,
        ])
    func times(_ time: Timestamp) throws {
        let event = HistoryEvent(timestamp: time, kind: .timerCreated(fireAt: time))
        #expect(try HistoryCodec.decode(HistoryCodec.encode([event])) == [event])
    }

    @Test("Tags of other writers get in order; of a repeated key the last one counts, other bytes are another key")
    func tags() throws {
        func tag(_ key: String, _ value: String) -> ExecutionStarted.Tag { .init(key: key, value: value) }
        var start = Samples.start
        start.tags = [tag("b", "1"), tag("caf\u{e9}", "2"), tag("a", "3"), tag("cafe\u{301}", "4"), tag("b", "5")]
        let event = HistoryEvent(timestamp: Samples.time, kind: .executionStarted(start))
        guard case .executionStarted(let back)? = try HistoryCodec.decode(HistoryCodec.encode([event])).first?.kind
        else {
            Issue.record("another kind came back")
            return
        }
        #expect(back.tags.map(\.value) == ["3", "5", "4", "2"])
        #expect(back.tags.map { Array($0.key.utf8).count } == [1, 1, 6, 5])
    }

    @Test("Sixteen causes of a failure are kept, deeper ones are cut off, nested ones are laid flat")
    func causes() throws {
        func failure(_ causes: Int) -> FailureDetails {
            FailureDetails(
                errorType: "E", message: "top",
                cause: (0..<causes).map { FailureDetails(errorType: "E", message: "\($0)") })
        }
        func recoded(_ failure: FailureDetails) throws -> FailureDetails? {
            let event = HistoryEvent(timestamp: Samples.time, kind: .taskFailed(taskID: EventID(1), failure: failure))
            guard case .taskFailed(_, let back) = try HistoryCodec.decode(HistoryCodec.encode([event])).first?.kind
            else { return nil }
            return back
        }
        #expect(try recoded(failure(16)) == failure(16))
        #expect(try recoded(failure(17)) == failure(16))
        #expect(try recoded(failure(5000)) == failure(16))

        var nested = FailureDetails(errorType: "E", message: "2")
        for text in ["1", "0", "top"] { nested = FailureDetails(errorType: "E", message: text, cause: [nested]) }
        #expect(try recoded(nested) == failure(3))
    }
}
