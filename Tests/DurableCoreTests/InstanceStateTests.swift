import DurableCore
import Testing

@Suite("Decisions of one instance") struct InstanceStateTests {
    @Test("What a batch does is as late as its latest change, though the clock was set back within it")
    func laterChange() throws {
        guard case .accepted(var change, _) = InstanceState.decide(startMessage(), at: .at(50)) else { throw Missing() }
        var state = try #require(InstanceState.created(by: change))
        state.evolve(with: change)
        let hold = InstanceChange(
            instanceID: state.id, time: .at(10), hold: .set(Hold(code: "DTQ2005", text: "no code")))
        state.evolve(with: hold)
        change.merge(hold)
        var recovered = try #require(InstanceState.created(by: change))
        recovered.evolve(with: change)
        #expect(recovered == state)
    }

    private struct Missing: Error {}

    private static let schedule = OrchestratorAction.scheduleTask(id: EventID(0), name: "Charge", input: Payload("7"))

    private func started(_ actions: [OrchestratorAction]) -> InstanceDriver {
        var driver = InstanceDriver()
        driver.batch([startMessage()], at: .at(10), actions: actions)
        return driver
    }

    @Test func startCreatesAndRecordsTheEpisode() throws {
        let driver = started([Self.schedule])
        let state = try #require(driver.state)
        #expect(state.status == .running)
        #expect(state.createdAt == .at(10))
        #expect(
            driver.changes[0].history.map(\.typeName) == ["OrchestratorStarted", "ExecutionStarted", "TaskScheduled"])
        #expect(state.historyCount == 3)
        #expect(state.inbox.isEmpty)
        #expect(state.openTasks[EventID(0)] == .init(dispatch: 1, outboxID: OutboxID(1)))
        guard case .task(let task) = driver.outbox[0].body else { throw Unexpected() }
        #expect(task.name == "Charge" && task.input == Payload("7") && task.dispatch == 1)
        #expect(task.idempotencyKey == "i-1/x-1/0")
    }

    @Test(
        "A long history is told of once at each doubling",
        arguments: [
            (9, 1, false), (10, 1, false), (11, 1, true), (12, 1, false), (15, 6, true), (20, 1, false), (21, 1, true),
            (41, 30, true), (41, 0, false), (35, 14, false), (35, 15, true),
        ])
    func longHistory(count: Int, growth: Int, isTold: Bool) throws {
        var state = try #require(started([]).state)
        state.historyCount = count
        #expect(state.historyHasPassed(10, grownBy: growth) == isTold)
    }

    @Test func startWithoutExecutionIDTakesTheMessagesID() throws {
        var driver = InstanceDriver()
        driver.batch([startMessage(execution: "")], at: .at(1))
        #expect(driver.state?.executionID == ExecutionID("m-1"))
    }

    @Test func sameStartAgainIsTheSameCreation() {
        var driver = started([Self.schedule])
        let before = driver.state
        #expect(driver.batch([startMessage()], at: .at(20)) == [.created])
        #expect(driver.state == before)
    }

    @Test func otherStartOfTheSameIDIsRefused() {
        var driver = started([Self.schedule])
        #expect(driver.batch([startMessage(message: "m-2")], at: .at(20)) == [.exists])
    }

    @Test func completionIsTakenOnce() {
        var driver = started([Self.schedule])
        #expect(driver.batch([completion(of: 0), completion(of: 0)], at: .at(20)) == [.accepted, .unexpected])
        #expect(driver.batch([completion(of: 0)], at: .at(30)) == [.unexpected])
        #expect(driver.changes.count == 2)
        #expect(driver.state?.openTasks.isEmpty == true)
    }

    @Test(arguments: [
        completion(of: 1), completion(of: 0, dispatch: 2), completion(of: 0, execution: "x-2"),
    ])
    func completionMustMatchExecutionTaskAndDispatch(message: Message) {
        var driver = started([Self.schedule])
        #expect(driver.batch([message], at: .at(20)) == [.unexpected])
        #expect(driver.state?.openTasks.count == 1)
    }

    @Test func raisedEventIsTakenOncePerMessage() {
        var driver = started([Self.schedule])
        #expect(driver.batch([raised("ok", message: "r-1")], at: .at(20)) == [.accepted])
        #expect(
            driver.batch([raised("ok", message: "r-1"), raised("ok", message: "r-2")], at: .at(30)) == [
                .duplicate, .accepted,
            ])
    }

    @Test func rememberedMessagesAreBounded() {
        var driver = started([Self.schedule])
        for number in 0..<1000 { driver.batch([raised("ok", message: "r-\(number)")], at: .at(20)) }
        #expect(driver.state?.appliedMessages.count == InstanceState.appliedMessagesLimit)
        #expect(driver.state == driver.recovered)
    }

    @Test func timersFireEarliestFirstAndOnce() throws {
        var driver = started([
            .createTimer(id: EventID(0), fireAt: .at(300)), .createTimer(id: EventID(1), fireAt: .at(200)),
            .createTimer(id: EventID(2), fireAt: .at(900)),
        ])
        #expect(driver.state?.nextDue == .at(200))
        driver.batch([], at: .at(400))
        let fired = driver.changes[1].history.compactMap { event -> EventID? in
            if case .timerFired(let id, _) = event.kind { id } else { nil }
        }
        #expect(fired == [EventID(1), EventID(0)])
        #expect(driver.state?.nextDue == .at(900))
        let count = driver.changes.count
        driver.batch([], at: .at(500))
        #expect(driver.changes.count == count)
    }

    @Test func canceledTimerDoesNotFire() {
        var driver = started([.createTimer(id: EventID(0), fireAt: .at(300)), Self.scheduleOne])
        driver.batch([completion(of: 1)], at: .at(20), actions: [.cancelTimer(id: EventID(0))])
        #expect(driver.state?.nextDue == nil)
        #expect(driver.state?.fireTimers(at: .at(1000)) == nil)
    }

    private static let scheduleOne = OrchestratorAction.scheduleTask(id: EventID(1), name: "Charge", input: nil)

    @Test func completionEndsTheInstanceAndClosesEverything() {
        var driver = started([
            Self.schedule, .createTimer(id: EventID(1), fireAt: .at(300)),
            .completeOrchestration(id: EventID(2), status: .completed, result: Payload("done"), failure: nil),
        ])
        #expect(driver.state?.status == .completed)
        #expect(driver.state?.output == Payload("done"))
        #expect(driver.state?.openTasks.isEmpty == true)
        #expect(driver.state?.nextDue == nil)
        #expect(
            driver.batch([completion(of: 0), raised("late", message: "r")], at: .at(400)) == [.unexpected, .ended])
    }

    @Test func laterStartWaitsAndKeepsWhatArrives() {
        var driver = InstanceDriver()
        driver.batch([startMessage(startAt: .at(1000))], at: .at(10), actions: [Self.schedule])
        #expect(driver.state?.status == .pending)
        #expect(driver.state?.nextDue == .at(1000))
        driver.batch([raised("early", message: "r-1")], at: .at(20), actions: [Self.schedule])
        #expect(driver.state?.inbox.map(\.typeName) == ["ExecutionStarted", "EventRaised"])
        driver.batch([], at: .at(1000), actions: [Self.schedule])
        #expect(driver.state?.status == .running)
        #expect(
            driver.changes[2].history.map(\.typeName)
                == ["OrchestratorStarted", "ExecutionStarted", "EventRaised", "TaskScheduled"])
        #expect(driver.state == driver.recovered)
    }

    @Test func terminationEndsWithoutAskingTheCode() {
        var driver = started([Self.schedule])
        let terminate = Message(
            id: MessageID("t-1"), instanceID: InstanceID("i-1"),
            event: HistoryEvent(
                timestamp: .at(0), kind: .executionTerminated(reason: Payload("\"stop\""), recurse: true)))
        #expect(driver.batch([terminate], at: .at(20), actions: [Self.scheduleOne]) == [.accepted])
        #expect(driver.state?.status == .terminated)
        #expect(driver.state?.output == Payload("\"stop\""))
        #expect(driver.outbox.count == 1)
    }

    @Test func heldInstanceKeepsItsMessagesAndRunsAgainWhenReleased() throws {
        var driver = started([Self.schedule])
        let hold = Hold(code: "DTQ2003", text: "diverged")
        driver.state?.evolve(with: InstanceChange(instanceID: InstanceID("i-1"), time: .at(15), hold: .set(hold)))
        let history = driver.state?.historyCount
        driver.batch([completion(of: 0)], at: .at(20))
        #expect(driver.state?.historyCount == history)
        #expect(driver.state?.inbox.count == 1)
        #expect(driver.state?.mayRun(at: .at(30)) == false)
        #expect(driver.batch([completion(of: 0)], at: .at(25)) == [.unexpected])
        driver.state?.evolve(with: InstanceChange(instanceID: InstanceID("i-1"), time: .at(30), hold: .set(nil)))
        driver.batch([], at: .at(31))
        #expect(driver.state?.inbox.isEmpty == true)
        #expect(driver.state?.historyCount == 5)
    }

    @Test func messagesForNobodyAreRefused() {
        #expect(InstanceState.decide(raised("x", message: "r"), at: .at(1)) == .ignored(.notFound))
        #expect(InstanceState.decide(completion(of: 0), at: .at(1)) == .ignored(.notFound))
    }

    struct Unexpected: Error {}
}
