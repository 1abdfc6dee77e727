import DurableCore
import DurableTask
import Testing

@Suite("Cancellation") struct CancellationTests {
    private let cancel = HistoryEvent.Kind.cancellationRequested(reason: Payload("\"changed\""))
    private let terminate = HistoryEvent.Kind.executionTerminated(reason: Payload("\"enough\""), recurse: true)

    private func isEnd(_ action: OrchestratorAction?, _ status: OrchestrationStatus, _ reason: String?) -> Bool {
        guard case .completeOrchestration(_, let found, let result, nil)? = action else { return false }
        return found == status && result?.text == reason
    }

    @Test("A request cancels the code; what it waits for is given up, and it ends as canceled") func request() throws {
        var driver = Driver(
            orchestrate { context -> Int in
                async let task: Int = context.callActivity("Slow", 1)
                async let child: Int = context.callSubOrchestration("Child", 1)
                try await context.sleep(for: .seconds(60))
                return try await task + child
            })
        try driver.start()
        let actions = try driver.episode([cancel])
        #expect(
            Set(actions.dropLast()) == [
                .cancelTimer(id: EventID(0)), .cancelTask(id: EventID(1)), .cancelChild(id: EventID(2)),
            ])
        #expect(isEnd(actions.last, .canceled, "\"changed\""))
        try driver.checkReplay()
    }

    @Test("A child that is to be abandoned goes on when its call is cancelled") func abandoned() throws {
        var driver = Driver(
            orchestrate { context -> Int in
                try await context.callSubOrchestration("Child", 1, whenCancelled: .abandon)
            })
        try driver.start()
        let actions = try driver.episode([cancel])
        #expect(actions.count == 1)
        #expect(isEnd(actions.last, .canceled, "\"changed\""))
    }

    @Test("Code that goes on ends as it likes") func goesOn() throws {
        var driver = Driver(
            orchestrate { context -> String in
                do {
                    try await context.sleep(for: .seconds(60))
                } catch {
                    return Task.isCancelled ? "tidied" : "?"
                }
                return "slept"
            })
        try driver.start()
        try driver.episode([cancel])
        #expect(driver.outcome == #"completed "tidied""#)
        try driver.checkReplay()
    }

    @Test("A CancellationError that nobody asked for from outside is a failure") func unasked() throws {
        var driver = Driver(orchestrate { _ -> Int in throw CancellationError() })
        try driver.start()
        #expect(driver.failure?.errorType == "CancellationError")
    }

    @Test("Requested in the first episode, it cancels code that has just begun") func first() throws {
        var driver = Driver(orchestrate { context in try await context.sleep(for: .seconds(60)) })
        let started = ExecutionStarted(
            name: "test", instanceID: Driver.instanceID, executionID: Driver.executionID)
        let actions = try driver.episode([.executionStarted(started), cancel])
        #expect(isEnd(actions.last, .canceled, "\"changed\""))
        try driver.checkReplay()
    }

    @Test("Compensations run, and the instance ends as canceled") func compensation() throws {
        var driver = Driver(
            orchestrate { context -> Int in
                try await context.withCompensation { saga in
                    saga.addCompensation { let _: Int = try await context.callActivity("Undo", 1) }
                    return try await context.callActivity("Do", 1)
                }
            })
        try driver.start()
        let actions = try driver.episode([cancel])
        #expect(
            actions == [
                .cancelTask(id: EventID(0)), .scheduleTask(id: EventID(1), name: "Undo", input: Payload("1")),
            ])
        let last = try driver.episode([driver.complete(EventID(1))])
        #expect(isEnd(last.last, .canceled, "\"changed\""))
        try driver.checkReplay()
    }

    // MARK: - Termination

    private var saga: AnyOrchestration {
        orchestrate { context -> Int in
            let result: Int = try await context.withCompensation(includingTermination: true) { saga in
                saga.addCompensation { let _: Int = try await context.callActivity("Undo", 1) }
                return try await context.callActivity("Do", 1)
            }
            try await context.sleep(for: .seconds(60))
            return result
        }
    }

    @Test("A scope that includes termination says so, and that it is over") func scope() throws {
        var driver = Driver(saga)
        #expect(try driver.start().first == .setCompensatesTermination(true))
        let actions = try driver.episode([driver.complete(EventID(0))])
        #expect(actions.first == .setCompensatesTermination(false))
        try driver.checkReplay()
    }

    @Test("Terminated inside, it undoes what it did and ends as terminated, whatever its code does") func inside()
        throws
    {
        var driver = Driver(saga)
        try driver.start()
        let actions = try driver.episode([terminate])
        #expect(actions.contains(.scheduleTask(id: EventID(1), name: "Undo", input: Payload("1"))))
        #expect(!actions.contains(.setCompensatesTermination(false)))
        let last = try driver.episode([driver.complete(EventID(1))])
        #expect(isEnd(last.last, .terminated, "\"enough\""))
        try driver.checkReplay()
    }

    @Test("Terminated while it undoes, it undoes to the end") func whileUndoing() throws {
        var driver = Driver(saga)
        try driver.start()
        let failed = HistoryEvent.Kind.taskFailed(
            taskID: EventID(0), failure: FailureDetails(errorType: "E", message: "e"))
        try driver.episode([failed])
        #expect(try driver.episode([terminate]) == [])
        let last = try driver.episode([driver.complete(EventID(1))])
        #expect(isEnd(last.last, .terminated, "\"enough\""))
        try driver.checkReplay()
    }

    @Test("One whose scope ended in the same episode is not undone") func tooLate() throws {
        var driver = Driver(saga)
        try driver.start()
        let actions = try driver.episode([driver.complete(EventID(0)), terminate])
        #expect(isEnd(actions.last, .terminated, "\"enough\""))
        #expect(driver.session.isComplete)
        try driver.checkReplay()
    }

    @Test("Code that continues as new after it was told ends all the same") func continuing() throws {
        var driver = Driver(
            orchestrate { context -> Int in
                try await context.withCompensation(includingTermination: true) { saga in
                    saga.addCompensation {}
                    do {
                        return try await context.callActivity("Do", 1)
                    } catch {
                        try context.continueAsNew()
                    }
                }
            })
        try driver.start()
        let actions = try driver.episode([terminate])
        #expect(isEnd(actions.last, .terminated, "\"enough\""))
        try driver.checkReplay()
    }
}

extension Driver {
    /// What replay makes of all that was recorded, at each episode's end, is no divergence.
    fileprivate func checkReplay() throws {
        for count in 1...episodes.count {
            let session = Self.session(orchestration)
            for episode in episodes.prefix(count) { try session.replay(episode.history) }
            session.evict()
        }
    }
}
