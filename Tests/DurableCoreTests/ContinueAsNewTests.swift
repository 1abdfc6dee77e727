import DurableCore
import Testing

@Suite("Decisions about continuing as new") struct ContinueAsNewTests {
    private static let id = EventID(1)

    private func continued(
        carriedOver: [RaisedEvent] = [], version: String? = nil, before actions: [OrchestratorAction] = []
    ) -> InstanceDriver {
        var driver = InstanceDriver()
        driver.batch(
            [startMessage()], at: .at(10), actions: [.scheduleTask(id: EventID(0), name: "Charge", input: nil)])
        driver.batch(
            [raised("go", message: "r-1")], at: .at(20),
            actions: actions + [
                .continueAsNew(id: Self.id, input: Payload("2"), version: version, carriedOver: carriedOver)
            ])
        return driver
    }

    @Test("The next execution begins with an empty history, and due at once") func startsOver() throws {
        let state = try #require(continued().state)
        #expect(state.executionID == ExecutionID("x-1~1"))
        #expect(state.status == .pending)
        #expect(state.historyCount == 0)
        #expect(state.nextDue == .at(20))
        #expect(state.mayRun(at: .at(20)))
        #expect(state.output == nil)
        #expect(state.createdAt == .at(10))
        #expect(state.startID == MessageID("m-1"))
        #expect(state.openTasks.isEmpty && state.openTimers.isEmpty && state.openChildren.isEmpty)
        #expect(state.inbox.map(\.typeName) == ["ExecutionStarted"])
    }

    @Test("Events the code has not taken come after the start, in order, before those that arrive later")
    func carriesOver() throws {
        var driver = continued(carriedOver: [
            RaisedEvent(name: "b", input: Payload("1")), RaisedEvent(name: "a", input: nil),
        ])
        driver.batch([raised("late", message: "r-2")], at: .at(30))
        let history = try #require(driver.changes.last?.history)
        #expect(
            history.map(\.kind).dropFirst(2) == [
                .eventRaised(name: "b", input: Payload("1")), .eventRaised(name: "a", input: nil),
                .eventRaised(name: "late", input: nil),
            ])
        #expect(
            history[1].kind
                == .executionStarted(
                    ExecutionStarted(
                        name: "Order", input: Payload("2"), instanceID: InstanceID("i-1"),
                        executionID: ExecutionID("x-1~1"))))
        #expect(driver.state?.status == .running)
        #expect(driver.state?.startAt == nil)
    }

    @Test("Results of the execution before are unexpected") func lateResults() {
        var driver = continued()
        #expect(driver.batch([completion(of: 0)], at: .at(30)) == [.unexpected])
    }

    @Test("A repeat of the start, or of an event, is one after it too") func repeats() {
        var driver = continued()
        #expect(
            driver.batch([startMessage(), raised("go", message: "r-1")], at: .at(30)) == [.created, .duplicate])
    }

    @Test("What the last episode sends is sent") func messages() {
        let driver = continued(before: [
            .sendEvent(id: EventID(1), instanceID: InstanceID("other"), name: "e", input: nil)
        ])
        #expect(driver.outbox.count == 2)
    }

    @Test("An instance that is created and continues in one batch is its second execution") func atOnce() throws {
        var driver = InstanceDriver()
        driver.batch(
            [startMessage()], at: .at(10),
            actions: [.continueAsNew(id: EventID(0), input: nil, version: "2", carriedOver: [])])
        #expect(driver.state?.executionID == ExecutionID("x-1~1"))
        #expect(driver.state?.version == "2")
        #expect(driver.state == driver.recovered)
    }

    @Test("Suspended between two executions it waits, and is due when it is resumed") func suspendedBetween() {
        var driver = continued()
        let suspension = message("s-1", .executionSuspended(reason: nil))
        #expect(driver.batch([suspension], at: .at(30)) == [.accepted])
        #expect(driver.state?.status == .suspended)
        #expect(driver.state?.nextDue == nil)
        #expect(driver.state?.historyCount == 0)
        driver.batch([message("s-2", .executionResumed(reason: nil))], at: .at(40))
        #expect(driver.state?.status == .running)
        #expect(
            driver.changes.last?.history.map(\.typeName) == [
                "OrchestratorStarted", "ExecutionStarted", "ExecutionSuspended", "ExecutionResumed",
            ])
        #expect(driver.state == driver.recovered)
    }

    @Test("A termination that waits ends the next execution") func termination() throws {
        var driver = continued()
        let end = Message(
            id: MessageID("t"), instanceID: InstanceID("i-1"),
            event: HistoryEvent(timestamp: .at(0), kind: .executionTerminated(reason: Payload("no"), recurse: false)))
        #expect(driver.batch([end], at: .at(30)) == [.accepted])
        #expect(driver.state?.status == .terminated)
        #expect(
            driver.changes.last?.history.map(\.typeName) == [
                "OrchestratorStarted", "ExecutionStarted", "ExecutionTerminated", "ExecutionCompleted",
            ])
    }

    @Test(
        "Execution IDs are counted up",
        arguments: [
            ("a", "a~1"), ("a~1", "a~2"), ("a~9", "a~10"), ("a~0", "a~0~1"), ("~", "~~1"), ("a~x", "a~x~1"),
            ("a~18446744073709551615", "a~18446744073709551615~1"),
        ])
    func successor(id: String, next: String) {
        #expect(ExecutionID(id).successor == ExecutionID(next))
    }
}
