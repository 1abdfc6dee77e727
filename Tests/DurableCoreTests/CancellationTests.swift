import DurableCore
import Testing

@Suite("Decisions about cancelled instances") struct CancellationTests {
    private let cancel = message("c-1", .cancellationRequested(reason: Payload("changed")))
    private let terminate = message("t-1", .executionTerminated(reason: Payload("enough"), recurse: true))
    private let child = ChildStart(instanceID: InstanceID("child"), name: "Child")

    private func started(_ more: [OrchestratorAction] = []) -> InstanceDriver {
        var driver = InstanceDriver()
        driver.batch(
            [startMessage()], at: .at(10),
            actions: [
                .scheduleTask(id: EventID(0), name: "Charge", input: nil),
                .createSubOrchestration(id: EventID(1), child),
            ] + more)
        return driver
    }

    private func sent(_ driver: InstanceDriver, after count: Int) -> [Message] {
        driver.outbox.dropFirst(count).compactMap { if case .message(let message) = $0.body { message } else { nil } }
    }

    @Test("A request to cancel is told to the code, once") func request() throws {
        var driver = started()
        #expect(driver.batch([cancel, cancel], at: .at(20)) == [.accepted, .duplicate])
        #expect(
            driver.changes.last?.history.map(\.typeName) == ["OrchestratorStarted", "CancellationRequested"])
        #expect(driver.state?.status == .running)
        driver.batch(
            [message("e", .eventRaised(name: "x", input: nil))], at: .at(30),
            actions: [
                .completeOrchestration(id: EventID(2), status: .canceled, result: Payload("changed"), failure: nil)
            ])
        #expect(driver.state?.status == .canceled)
        #expect(driver.state?.output == Payload("changed"))
        #expect(driver.state == driver.recovered)
        #expect(driver.batch([cancel], at: .at(40)) == [.duplicate])
        #expect(driver.batch([message("c-2", .cancellationRequested(reason: nil))], at: .at(40)) == [.ended])
    }

    @Test("An activity given up is open no longer: what comes of it is unexpected") func task() throws {
        var driver = started()
        let before = try #require(driver.state)
        driver.batch([raised("x", message: "e")], at: .at(20), actions: [.cancelTask(id: EventID(0))])
        let change = try #require(driver.changes.last)
        #expect(change.canceledTasks == [EventID(0)])
        #expect(change.history.map(\.typeName) == ["OrchestratorStarted", "EventRaised"])
        #expect(before.tasksAbandoned(by: change).map(\.key.taskID) == [EventID(0)])
        #expect(driver.state?.openTasks == [:])
        #expect(driver.batch([completion(of: 0)], at: .at(30)) == [.unexpected])
    }

    @Test("One requested and given up in the same episode is recorded, but nobody runs it") func unsent() {
        var driver = started([
            .scheduleTask(id: EventID(2), name: "Charge", input: nil), .cancelTask(id: EventID(2)),
        ])
        #expect(driver.changes.last?.history.count { $0.typeName == "TaskScheduled" } == 2)
        #expect(driver.state?.openTasks.keys.sorted() == [EventID(0)])
        let tasks = driver.outbox.filter { if case .task = $0.body { true } else { false } }
        #expect(tasks.count == 1)
        driver.batch(
            [raised("x", message: "e")], at: .at(20),
            actions: [
                .scheduleTask(id: EventID(3), name: "Charge", input: nil),
                .completeOrchestration(id: EventID(4), status: .completed, result: nil, failure: nil),
            ])
        #expect(driver.outbox.filter { if case .task = $0.body { true } else { false } }.count == 1)
    }

    @Test("What is open when an execution ends is given up, however it ends")
    func end() throws {
        let ends: [OrchestratorAction] = [
            .completeOrchestration(id: EventID(2), status: .failed, result: nil, failure: nil),
            .continueAsNew(id: EventID(2), input: nil, version: nil, carriedOver: []),
        ]
        for end in ends {
            var driver = started()
            let before = try #require(driver.state)
            driver.batch([raised("x", message: "e")], at: .at(20), actions: [end])
            let change = try #require(driver.changes.last)
            #expect(before.tasksAbandoned(by: change).map(\.key.taskID) == [EventID(0)])
        }
        var driver = started()
        let before = try #require(driver.state)
        driver.batch([terminate], at: .at(20))
        #expect(before.tasksAbandoned(by: try #require(driver.changes.last)).map(\.key.taskID) == [EventID(0)])
    }

    @Test("A child given up is asked to end, as the one its parent started") func givenUpChild() throws {
        var driver = started()
        let count = driver.outbox.count
        driver.batch([raised("x", message: "e")], at: .at(20), actions: [.cancelChild(id: EventID(1))])
        let message = try #require(sent(driver, after: count).first)
        #expect(message.instanceID == InstanceID("child"))
        #expect(message.executionID == ExecutionID("x-1/1"))
        #expect(message.event.kind == .cancellationRequested(reason: nil))
        var other = InstanceDriver()
        other.batch([startMessage(message: "another")], at: .at(1))
        var foreign = message
        foreign.instanceID = InstanceID("i-1")
        #expect(other.batch([foreign], at: .at(20)) == [.unexpected])
    }

    @Test("Before its time to begin, a cancelled instance ends without its code") func pending() throws {
        var driver = InstanceDriver()
        driver.batch([startMessage(startAt: .at(100))], at: .at(10))
        driver.batch([cancel], at: .at(20))
        #expect(driver.state?.status == .canceled)
        #expect(driver.state?.output == Payload("changed"))
        #expect(driver.changes.last?.history.withoutImposedEnd == [])
        #expect(driver.state == driver.recovered)
    }

    // MARK: - Termination that the code is told of

    private let compensates = OrchestratorAction.setCompensatesTermination(true)

    @Test("A termination is told to code that has something to undo, and to its children; the second ends it")
    func told() throws {
        var driver = started([compensates])
        let count = driver.outbox.count
        driver.batch([terminate], at: .at(20), actions: [.scheduleTask(id: EventID(2), name: "Undo", input: nil)])
        #expect(driver.state?.status == .running)
        #expect(driver.state?.isTerminating == true)
        #expect(driver.state?.openTasks.keys.sorted() == [EventID(0), EventID(2)])
        let end = try #require(sent(driver, after: count).first)
        #expect(end.instanceID == InstanceID("child"))
        #expect(end.event.kind == .executionTerminated(reason: Payload("enough"), recurse: true))
        var second = driver
        second.batch([message("t-2", .executionTerminated(reason: nil, recurse: false))], at: .at(30))
        #expect(second.state?.status == .terminated)
        #expect(second.state == second.recovered)
        driver.batch(
            [completion(of: 2)], at: .at(30),
            actions: [
                .completeOrchestration(
                    id: EventID(3), status: .terminated, result: Payload("enough"), failure: nil)
            ])
        #expect(driver.state?.status == .terminated)
        #expect(driver.state?.output == Payload("enough"))
        #expect(driver.state == driver.recovered)
        let history = driver.changes.flatMap(\.history)
        #expect(history.withoutImposedEnd == history)
    }

    @Test("Two that come together end it at once") func twice() {
        var driver = started([compensates])
        driver.batch([terminate, message("t-2", .executionTerminated(reason: nil, recurse: false))], at: .at(20))
        #expect(driver.state?.status == .terminated)
        #expect(driver.state?.output == Payload("enough"))
    }

    @Test("With nothing to undo any more it ends as ever") func closed() {
        var driver = started([compensates, .setCompensatesTermination(false)])
        driver.batch([terminate], at: .at(20))
        #expect(driver.state?.status == .terminated)
    }

    @Test("A suspended instance undoes at once") func suspended() {
        var driver = started([compensates])
        driver.batch([message("s", .executionSuspended(reason: nil))], at: .at(20))
        driver.batch([terminate], at: .at(30))
        #expect(driver.state?.status == .running)
        #expect(driver.state?.isTerminating == true)
        #expect(driver.state == driver.recovered)
    }

    @Test("A parent hears of its child's end by cancellation") func answer() throws {
        var start = startMessage()
        guard case .executionStarted(var started) = start.event.kind else { return }
        started.parent = .init(
            taskID: EventID(7), name: "Parent", instanceID: InstanceID("p"), executionID: ExecutionID("p-1"))
        start.event.kind = .executionStarted(started)
        var driver = InstanceDriver()
        driver.batch([start], at: .at(10))
        driver.batch(
            [cancel], at: .at(20),
            actions: [.completeOrchestration(id: EventID(0), status: .canceled, result: nil, failure: nil)])
        guard case .subOrchestrationFailed(EventID(7), let failure)? = sent(driver, after: 0).last?.event.kind else {
            Issue.record("nothing was sent to the parent")
            return
        }
        #expect(failure.errorType == "Canceled")
        #expect(failure.isNonRetryable)
    }
}
