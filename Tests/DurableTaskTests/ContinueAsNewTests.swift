import DurableCore
import DurableTask
import Testing

@Suite("Continue as new") struct ContinueAsNewTests {
    private func event(_ name: String, _ json: String) -> HistoryEvent.Kind {
        .eventRaised(name: name, input: Payload(json))
    }

    private func orchestration(
        _ body: @escaping @Sendable (Int, OrchestrationContext) async throws -> String
    ) -> AnyOrchestration {
        AnyOrchestration(Orchestration("test", run: body))
    }

    private func last(_ driver: Driver) -> OrchestratorAction? { driver.episodes.last?.actions.last }

    @Test("Events nobody took are carried over in order of arrival, those of the last episode too")
    func carriesOver() throws {
        var driver = Driver(
            orchestration { number, context in
                let taken: Int = try await context.waitForExternalEvent("b")
                try context.continueAsNew(number + taken)
            })
        try driver.start(input: Payload("1"))
        try driver.episode([event("c", "10"), event("a", "11")])
        try driver.episode([event("a", "12"), event("b", "13"), event("b", "14"), event("c", "15")])
        #expect(
            last(driver)
                == .continueAsNew(
                    id: EventID(0), input: Payload("14"), version: nil,
                    carriedOver: [
                        RaisedEvent(name: "c", input: Payload("10")), RaisedEvent(name: "a", input: Payload("11")),
                        RaisedEvent(name: "a", input: Payload("12")), RaisedEvent(name: "b", input: Payload("14")),
                        RaisedEvent(name: "c", input: Payload("15")),
                    ]))
        #expect(driver.session.isComplete)
    }

    @Test("Whatever comes after it was asked for is the next execution's: events, a request to end, a termination")
    func passesOn() throws {
        let terminated = HistoryEvent.Kind.executionTerminated(reason: Payload("\"t\""), recurse: false)
        let cancelled = HistoryEvent.Kind.cancellationRequested(reason: Payload("\"c\""))
        var driver = Driver(
            orchestration { number, context in
                context.handle(Update<Int, Int>("add")) { _ in try await context.waitForExternalEvent("late") }
                try await context.waitForExternalEvent("next", as: NoValue.self)
                try context.continueAsNew(number)
            })
        try driver.start(input: Payload("1"))
        try driver.episode([.updateRequested(UpdateRequest(id: UpdateID("u"), name: "add", input: Payload("1")))])
        let actions = try driver.episode([event("next", "null"), event("late", "5"), cancelled, terminated])
        #expect(
            Array(actions.suffix(3)) == [
                .passOn(cancelled), .passOn(terminated),
                .continueAsNew(
                    id: EventID(0), input: Payload("1"), version: nil,
                    carriedOver: [RaisedEvent(name: "late", input: Payload("5"))]),
            ])
    }

    @Test("Asked for in a child task, it ends the whole orchestration and its timers") func inChild() throws {
        var driver = Driver(
            orchestration { number, context in
                try await withThrowingTaskGroup(of: String.self) { group in
                    group.addTask {
                        try await context.sleep(for: .seconds(60))
                        return "slept"
                    }
                    group.addTask {
                        try await context.waitForExternalEvent("go")
                        try context.continueAsNew(number + 1)
                    }
                    return try await group.next() ?? ""
                }
            })
        try driver.start(input: Payload("1"))
        try driver.episode([event("go", "null")])
        #expect(
            driver.episodes.last?.actions == [
                .cancelTimer(id: EventID(0)),
                .continueAsNew(id: EventID(1), input: Payload("2"), version: nil, carriedOver: []),
            ])
    }

    @Test("Code that catches what it throws and returns continues all the same") func swallowed() throws {
        var driver = Driver(
            orchestration { number, context in
                do { try context.continueAsNew(number + 1, version: "2") } catch {}
                return "done"
            })
        try driver.start(input: Payload("1"))
        #expect(
            last(driver) == .continueAsNew(id: EventID(0), input: Payload("2"), version: "2", carriedOver: []))
    }

    @Test("Code that throws something else after it fails") func failsAfterwards() throws {
        var driver = Driver(
            orchestration { number, context in
                do { try context.continueAsNew(number + 1) } catch {
                    throw FailureDetails(errorType: "E", message: "m")
                }
            })
        try driver.start(input: Payload("1"))
        #expect(driver.outcome == "failed E: m")
    }

    @Test("Input of another type fails the instance, also on replay; that of another version is let through")
    func wrongInput() throws {
        let code = orchestration { number, context in
            if number == 1 { try context.continueAsNew("text") }
            try context.continueAsNew("text", version: "2")
        }
        var driver = Driver(code)
        try driver.start(input: Payload("1"))
        #expect(driver.failure?.errorType == "PayloadEncodingError")
        #expect(driver.failure?.message.contains("expected Int, got String") == true)
        let again = Driver.session(code)
        try again.replay(driver.history)
        #expect(again.isComplete)
        var other = Driver(code)
        try other.start(input: Payload("2"))
        #expect(
            last(other)
                == .continueAsNew(id: EventID(0), input: Payload(#""text""#), version: "2", carriedOver: []))
    }

    @Test("Replay agrees with it, and says so when code goes another way") func replay() throws {
        let code = orchestration { number, context in
            let more: Int = try await context.callActivity("a", number)
            try context.continueAsNew(more)
        }
        var driver = Driver(code)
        try driver.start(input: Payload("1"))
        try driver.episode([driver.complete(EventID(0))])
        let again = Driver.session(code)
        try again.replay(driver.history)
        #expect(again.isComplete)
        let other = Driver.session(
            orchestration { number, context in
                _ = try await context.callActivity("a", number, as: Int.self)
                return "done"
            })
        #expect(
            try episodeFailure { try other.replay(driver.history) }
                == .nonDeterministic(
                    position: 5, historyHolds: "ExecutionCompleted as continued-as-new (event ID 1)",
                    codeAsked: "to end as completed (event ID 1)"))
    }

    @Test("What it asked for stands, also when it was asked for again on replay and the code ends later")
    func endsLater() throws {
        let code = orchestration { number, context in
            do {
                try context.continueAsNew(number + 1)
            } catch {
                _ = try await context.callActivity("tidy up", number, as: Int.self)
                throw error
            }
        }
        var driver = Driver(code)
        try driver.start(input: Payload("1"))
        let result = HistoryEvent(
            timestamp: Timestamp(millisecondsSinceEpoch: 2000), kind: driver.complete(EventID(0)))
        let start = HistoryEvent(timestamp: result.timestamp, kind: .orchestratorStarted)
        let again = Driver.session(code)
        try again.replay(driver.history)
        let expected = [
            OrchestratorAction.continueAsNew(id: EventID(1), input: Payload("2"), version: nil, carriedOver: [])
        ]
        #expect(try again.run([start, result]) == expected)
        #expect(try driver.session.run([start, result]) == expected)
    }

    @Test("An error of another instance is a failure like any other") func foreignError() throws {
        let kept = PlatformLock<(any Error)?>(nil)
        var first = Driver(
            orchestration { number, context in
                do { try context.continueAsNew(number) } catch { kept.withLock { $0 = error } }
                return ""
            })
        try first.start(input: Payload("1"))
        var second = Driver(
            orchestration { _, _ in
                if let error = kept.withLock({ $0 }) { throw error }
                return ""
            })
        try second.start(input: Payload("1"))
        #expect(second.failure?.errorType == "ContinuedAsNew")
    }

    @Test("The history's length is the same live and on replay") func historyEventCount() throws {
        let counts = PlatformLock<[Int]>([])
        let code = orchestrate { context -> Int in
            func note() { counts.withLock { $0.append(context.historyEventCount) } }
            note()
            for number in 0..<3 {
                let _: Int = try await context.callActivity("a", number)
                note()
            }
            return context.historyEventCount
        }
        var driver = Driver(code)
        try driver.start()
        for id in 0..<3 { try driver.episode([driver.complete(EventID(Int32(id)))]) }
        let live = counts.withLock { $0 }
        #expect(live == [2, 5, 8, 11])
        for usesFastPath in [true, false] {
            counts.withLock { $0 = [] }
            var options = NativeOrchestration.Options()
            options.usesFastPath = usesFastPath
            try Driver.session(code, options: options).replay(driver.history)
            #expect(counts.withLock { $0 } == live)
        }
    }
}
