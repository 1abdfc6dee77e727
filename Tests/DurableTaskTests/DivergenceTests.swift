import DurableCore
import DurableTask
import Testing

/// History written by one version of the code, replayed by another.
@Suite("Divergence") struct DivergenceTests {
    /// Calls `Reserve`, then `Charge`, then waits.
    private static let written = orchestrate { context in
        let _: String = try await context.callActivity("Reserve", "a")
        let _: String = try await context.callActivity("Charge", "b")
        try await context.waitForExternalEvent("never")
    }

    /// Events: 0 OrchestratorStarted, 1 ExecutionStarted, 2 TaskScheduled Reserve, 3 OrchestratorStarted,
    /// 4 TaskCompleted 0, 5 TaskScheduled Charge, 6 OrchestratorStarted, 7 TaskCompleted 1.
    private func history() throws -> [HistoryEvent] {
        var driver = Driver(Self.written)
        try driver.start()
        try driver.episode([driver.complete(EventID(0))])
        try driver.episode([driver.complete(EventID(1))])
        #expect(driver.history.map(\.typeName).count == 8)
        return driver.history
    }

    /// Replays in pages of `pageSize`, then runs an empty episode.
    private func divergence(
        pageSize: Int = 3, _ body: @escaping @Sendable (OrchestrationContext) async throws -> Void
    ) throws -> (position: Int, holds: String, asked: String) {
        var history = try history()[...]
        let session = Driver.session(orchestrate(body))
        let failure = try episodeFailure {
            while !history.isEmpty {
                try session.replay(Array(history.prefix(pageSize)))
                history = history.dropFirst(pageSize)
            }
            _ = try session.run([HistoryEvent(timestamp: .distantFuture, kind: .orchestratorStarted)])
        }
        guard case .nonDeterministic(let position, let holds, let asked) = failure else {
            Issue.record("expected nondeterminism, got \(failure)")
            return (-1, "", "")
        }
        // Sticky: whatever is fed next meets the same failure.
        #expect(try episodeFailure { _ = try session.run([]) } == failure)
        session.evict()
        return (position, holds, asked)
    }

    @Test("A renamed activity names both sides and the place", arguments: 1...8)
    func renamedActivity(pageSize: Int) throws {
        let found = try divergence(pageSize: pageSize) { context in
            let _: String = try await context.callActivity("Reserve", "a")
            let _: String = try await context.callActivity("ChargeCard", "b")
            try await context.waitForExternalEvent("never")
        }
        #expect(found.position == 5)
        #expect(found.holds == #"TaskScheduled "Charge" (event ID 1)"#)
        #expect(found.asked == #"activity "ChargeCard" (event ID 1)"#)
    }

    @Test("Reordered activities diverge at the first")
    func reordered() throws {
        let found = try divergence { context in
            let _: String = try await context.callActivity("Charge", "b")
            let _: String = try await context.callActivity("Reserve", "a")
        }
        #expect(found.position == 2)
        #expect(found.holds.contains("Reserve") && found.asked.contains("Charge"))
    }

    @Test("A removed call diverges where history holds it")
    func removedCall() throws {
        let found = try divergence { context in
            let _: String = try await context.callActivity("Reserve", "a")
            try await context.waitForExternalEvent("never")
        }
        #expect(found.position == 5)
        #expect(found.holds == #"TaskScheduled "Charge" (event ID 1)"#)
        #expect(found.asked == "nothing more")
    }

    @Test("Code that ends earlier than history diverges")
    func earlierEnd() throws {
        let found = try divergence { context in
            let _: String = try await context.callActivity("Reserve", "a")
        }
        #expect(found.position == 5)
        #expect(found.asked == "to end as completed (event ID 1)")
    }

    @Test("An added call diverges at the end of its episode")
    func addedCall() throws {
        let found = try divergence { context in
            let _: String = try await context.callActivity("Reserve", "a")
            async let audit: String = context.callActivity("Audit", "x")
            let _: String = try await context.callActivity("Charge", "b")
            _ = try await audit
        }
        // The child asks after the parent's call, in the same episode: history knows nothing of it.
        #expect(found.position == 6)
        #expect(found.holds == "the end of that episode")
        #expect(found.asked == #"activity "Audit" (event ID 2)"#)
    }

    @Test("A call added in the last recorded episode diverges when the next one starts")
    func addedLast() throws {
        let found = try divergence { context in
            let _: String = try await context.callActivity("Reserve", "a")
            let _: String = try await context.callActivity("Charge", "b")
            try await context.sleep(for: .seconds(1))
        }
        #expect(found.position == 8)
        #expect(found.holds == "the end of that episode")
        #expect(found.asked.hasPrefix("a timer due 1970-01-01T00:00:02.300Z"))
    }

    @Test("A timer where history holds an activity diverges")
    func timerInsteadOfActivity() throws {
        let found = try divergence { context in
            let _: String = try await context.callActivity("Reserve", "a")
            try await context.sleep(for: .seconds(1))
        }
        #expect(found.position == 5)
        #expect(found.holds == #"TaskScheduled "Charge" (event ID 1)"#)
        #expect(found.asked == "a timer due 1970-01-01T00:00:02.200Z (event ID 1)")
    }

    @Test("A timer with another due time diverges")
    func otherDueTime() throws {
        var driver = Driver(orchestrate { context in try await context.sleep(for: .seconds(1)) })
        try driver.start()
        let session = Driver.session(orchestrate { context in try await context.sleep(for: .seconds(2)) })
        let failure = try episodeFailure { try session.replay(driver.history) }
        #expect(
            failure
                == .nonDeterministic(
                    position: 2, historyHolds: "TimerCreated due 1970-01-01T00:00:02.100Z (event ID 0)",
                    codeAsked: "a timer due 1970-01-01T00:00:03.100Z (event ID 0)"))
    }

    @Test("An event raised to another instance diverges")
    func otherTarget() throws {
        func raise(to target: String) -> AnyOrchestration {
            orchestrate { context in
                context.raiseEvent(to: InstanceID(target), "ping")
                try await context.waitForExternalEvent("never")
            }
        }
        var driver = Driver(raise(to: "a"))
        try driver.start()
        let session = Driver.session(raise(to: "b"))
        let failure = try episodeFailure { try session.replay(driver.history) }
        guard case .nonDeterministic(2, let holds, let asked) = failure else {
            Issue.record("\(failure)")
            return
        }
        #expect(holds == #"EventSent "ping" to instance "a" (event ID 0)"#)
        #expect(asked == #"to raise event "ping" for instance "b" (event ID 0)"#)
    }

    @Test("A completion of something never asked for diverges, its place counted over cached episodes")
    func unknownCompletion() throws {
        var driver = Driver(Self.written)
        try driver.start()
        try driver.episode([driver.complete(EventID(0))])
        let failure = try episodeFailure {
            try driver.episode([.taskCompleted(taskID: EventID(7), result: nil)])
        }
        #expect(
            failure
                == .nonDeterministic(
                    position: 7, historyHolds: "TaskCompleted for event ID 7",
                    codeAsked: "nothing with that event ID"))
    }

    @Test("A result of another kind than was asked for diverges")
    func otherKind() throws {
        var driver = Driver(Self.written)
        try driver.start()
        let failure = try episodeFailure {
            try driver.episode([.timerFired(timerID: EventID(0), fireAt: .distantPast)])
        }
        #expect(
            failure
                == .nonDeterministic(
                    position: 4, historyHolds: "TimerFired for event ID 0",
                    codeAsked: "an activity (event ID 0)"))
    }
}
