import DurableCore
import Testing

@Suite("Decisions about rewinding") struct RewindTests {
    private let rewind = message("r-1", .executionRewound(reason: Payload("mended"), count: 0))

    /// Failed over the failure of activity 1, with activity 0 done, activity 2 and a timer still awaited, and a timer that was
    /// cancelled.
    private func failed() -> InstanceDriver {
        var driver = InstanceDriver()
        driver.batch(
            [startMessage()], at: .at(10),
            actions: [
                .scheduleTask(id: EventID(0), name: "A", input: Payload("0")),
                .scheduleTask(id: EventID(1), name: "A", input: Payload("1")),
                .scheduleTask(id: EventID(2), name: "A", input: Payload("2")),
                .createTimer(id: EventID(3), fireAt: .at(1000)), .createTimer(id: EventID(4), fireAt: .at(2000)),
                .cancelTimer(id: EventID(4)),
            ])
        driver.batch([completion(of: 0), raised("kept", message: "e")], at: .at(20), actions: [])
        let failure = FailureDetails(errorType: "Declined", message: "no")
        driver.batch(
            [failedCompletion(of: 1, failure)], at: .at(30),
            actions: [.completeOrchestration(id: EventID(5), status: .failed, result: nil, failure: failure)])
        return driver
    }

    private func history(_ driver: InstanceDriver) -> [HistoryEvent] { driver.changes.flatMap(\.history) }

    @Test("It goes back behind its last request; what failed or was open is dispatched anew") func goesBack() throws {
        let driver = failed()
        let state = try #require(driver.state)
        #expect(state.status == .failed)
        #expect(state.atEnd?.open == [EventID(2), EventID(3)])
        var outboxID = OutboxID(100)
        let (change, outbox) = try #require(
            state.rewound(history(driver), by: rewind, at: .at(50), epoch: .zero, outboxID: &outboxID))
        #expect(
            change.history.map(\.typeName).suffix(5) == [
                "TaskScheduled", "TaskScheduled", "TaskScheduled", "TimerCreated", "TimerCreated",
            ])
        #expect(change.buffered.map(\.typeName) == ["TaskCompleted", "EventRaised", "ExecutionRewound"])
        #expect(change.canceledTimers == [EventID(4)])
        #expect(change.scheduledTasks.map(\.taskID) == [EventID(1), EventID(2)])
        #expect(change.scheduledTasks.allSatisfy { $0.dispatch == 2 })
        #expect(outbox.map(\.id) == [OutboxID(100), OutboxID(101)])
        #expect(change.replaces && change.continues(state.executionID))

        var rewound = try #require(InstanceState.created(by: change))
        rewound.evolve(with: change)
        #expect(rewound.status == .running)
        #expect(rewound.failure == nil && rewound.atEnd == nil)
        #expect(rewound.createdAt == state.createdAt)
        #expect(rewound.openTasks.keys.sorted() == [EventID(1), EventID(2)])
        #expect(rewound.openTimers == [EventID(3): .at(1000)])
        #expect(rewound.inbox == change.buffered)
        #expect(rewound.verdict(onRewinding: rewind) == .duplicate)
        // What the run before sends late is none of its business.
        #expect(rewound.decide(completion(of: 2), at: .at(60)) == .ignored(.unexpected))
    }

    @Test("Rewound again, its activities have another dispatch number") func again() throws {
        let driver = failed()
        var state = try #require(driver.state)
        state.rewindCount = 7
        var outboxID = OutboxID(100)
        let (change, _) = try #require(
            state.rewound(history(driver), by: rewind, at: .at(50), epoch: .zero, outboxID: &outboxID))
        #expect(change.scheduledTasks.first?.dispatch == 9)
        #expect(change.buffered.last?.kind == .executionRewound(reason: Payload("mended"), count: 8))
    }

    @Test("What it has to undo is told of a termination, before its code has run again too") func compensates() throws {
        var driver = InstanceDriver()
        driver.batch(
            [startMessage()], at: .at(10),
            actions: [.setCompensatesTermination(true), .scheduleTask(id: EventID(0), name: "A", input: nil)])
        let details = FailureDetails(errorType: "Declined", message: "no")
        driver.batch(
            [failedCompletion(of: 0, details)], at: .at(20),
            actions: [
                .setCompensatesTermination(false),
                .completeOrchestration(id: EventID(1), status: .failed, result: nil, failure: details),
            ])
        let state = try #require(driver.state)
        #expect(!state.compensatesTermination)
        var outboxID = OutboxID(9)
        let (change, _) = try #require(
            state.rewound(history(driver), by: rewind, at: .at(30), epoch: .zero, outboxID: &outboxID))
        var rewound = try #require(InstanceState.created(by: change))
        rewound.evolve(with: change)
        #expect(rewound.compensatesTermination)
        rewound.inbox.append(
            HistoryEvent(timestamp: .at(40), kind: .executionTerminated(reason: nil, recurse: true)))
        #expect(!rewound.isEndImposed(at: .at(40)))
    }

    @Test("What a sub-orchestration answers to an earlier start counts no longer") func answers() throws {
        var driver = InstanceDriver()
        driver.batch(
            [startMessage()], at: .at(10),
            actions: [
                .createSubOrchestration(id: EventID(0), ChildStart(instanceID: InstanceID("c"), name: "Child")),
                .scheduleTask(id: EventID(1), name: "A", input: nil),
            ])
        guard case .message(let first)? = driver.outbox.first?.body else { throw Missing() }
        var child = InstanceDriver()
        child.batch([first], at: .at(11), actions: [])
        let details = FailureDetails(errorType: "Declined", message: "no")
        driver.batch(
            [failedCompletion(of: 1, details)], at: .at(20),
            actions: [.completeOrchestration(id: EventID(2), status: .failed, result: nil, failure: details)])

        // It was told to end, and its answer is on its way when its parent goes back.
        child.batch(
            [raised("end", message: "e")], at: .at(21),
            actions: [
                .completeOrchestration(
                    id: EventID(0), status: .failed, result: nil, failure: details)
            ])
        guard case .message(let late)? = child.outbox.first?.body else { throw Missing() }
        #expect(late.dispatch == 0)
        var outboxID = OutboxID(9)
        let (change, outbox) = try #require(
            driver.state?.rewound(history(driver), by: rewind, at: .at(30), epoch: .zero, outboxID: &outboxID))
        var parent = try #require(InstanceState.created(by: change))
        parent.evolve(with: change)
        #expect(parent.decide(late, at: .at(31)) == .ignored(.unexpected))

        // Whoever goes on, and whoever is rewound, answers the newest start.
        guard case .message(let again)? = outbox.first?.body else { throw Missing() }
        #expect(again.rewinds && again.dispatch == 1)
        #expect(child.state?.repeatedAnswer(to: again, at: .at(32))?.dispatch == 1)
        let (back, _) = try #require(
            child.state?.rewound(history(child), by: again, at: .at(32), epoch: .zero, outboxID: &outboxID))
        #expect(InstanceState.created(by: back).map { $0.evolved(with: back).startDispatch } == 1)
        var running = InstanceDriver()
        running.batch([first], at: .at(11), actions: [])
        let noted = try #require(running.state?.noted(ofRewinding: again, at: .at(32)))
        running.state?.evolve(with: noted)
        #expect(running.state?.noted(ofRewinding: again, at: .at(33)) == nil)
        running.batch(
            [raised("end", message: "e")], at: .at(34),
            actions: [
                .completeOrchestration(
                    id: EventID(0), status: .completed, result: nil, failure: nil)
            ])
        guard case .message(let answer)? = running.outbox.last?.body else { throw Missing() }
        guard case .accepted = parent.decide(answer, at: .at(35)) else { throw Missing() }
    }

    private struct Missing: Error {}

    @Test("Only failed ones are, of children also those that ended with their parent") func verdicts() throws {
        let driver = failed()
        var state = try #require(driver.state)
        var start = startMessage()
        #expect(state.verdict(onRewinding: rewind) == nil)
        #expect(!state.isRewound(by: start))
        start.rewinds = true
        #expect(state.isRewound(by: start))
        #expect(state.verdict(onRewinding: start) == nil)
        for status in OrchestrationStatus.allCases where status != .failed {
            state.status = status
            #expect(state.verdict(onRewinding: rewind) == .notFailed)
            let endsWithParent = status == .canceled || status == .terminated
            #expect(state.verdict(onRewinding: start) == (endsWithParent ? nil : .created))
        }
    }
}

extension InstanceState {
    fileprivate func evolved(with change: InstanceChange) -> InstanceState {
        var state = self
        state.evolve(with: change)
        return state
    }
}
