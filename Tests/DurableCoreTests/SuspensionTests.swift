import DurableCore
import Testing

@Suite("Decisions about suspended instances") struct SuspensionTests {
    private let suspend = message("s-1", .executionSuspended(reason: Payload("audit")))
    private let resume = message("s-2", .executionResumed(reason: nil))

    private func started(startAt: Timestamp? = nil) -> InstanceDriver {
        var driver = InstanceDriver()
        driver.batch(
            [startMessage(startAt: startAt)], at: .at(10),
            actions: [
                .scheduleTask(id: EventID(0), name: "Charge", input: nil),
                .createTimer(id: EventID(1), fireAt: .at(50)),
            ])
        return driver
    }

    @Test("A suspended instance keeps what arrives and runs nothing, until it is resumed") func keeps() throws {
        var driver = started()
        #expect(
            driver.batch([raised("a", message: "r-1"), suspend, completion(of: 0)], at: .at(20)) == [
                .accepted, .accepted, .accepted,
            ])
        #expect(driver.state?.status == .suspended)
        #expect(driver.state?.nextDue == nil)
        #expect(driver.changes.last?.history == [])
        driver.batch([], at: .at(60))
        #expect(driver.batch([resume], at: .at(70)) == [.accepted])
        #expect(driver.state?.status == .running)
        #expect(driver.state == driver.recovered)
        #expect(
            driver.changes.last?.history.map(\.typeName) == [
                "OrchestratorStarted", "EventRaised", "ExecutionSuspended", "TaskCompleted", "TimerFired",
                "ExecutionResumed",
            ])
    }

    @Test("A timer that came due meanwhile fires after it") func timer() throws {
        var driver = started()
        driver.batch([suspend], at: .at(20))
        driver.batch([resume], at: .at(40))
        #expect(driver.state?.nextDue == .at(50))
    }

    @Test("One that has not begun goes on waiting for its time") func pending() {
        var driver = started(startAt: .at(100))
        driver.batch([suspend], at: .at(20))
        #expect(driver.state?.status == .suspended && driver.state?.nextDue == nil)
        driver.batch([resume], at: .at(40))
        #expect(driver.state?.status == .pending)
        #expect(driver.state?.nextDue == .at(100))
        #expect(driver.state?.mayRun(at: .at(99)) == false)
    }

    @Test("Asked for twice, it is done once; a late repeat brings nothing about") func repeats() {
        var driver = started()
        let second = message("s-3", .executionSuspended(reason: nil))
        #expect(driver.batch([resume], at: .at(15)) == [.accepted])
        driver.batch([suspend, second], at: .at(20))
        #expect(driver.state?.inbox.count == 1)
        #expect(driver.batch([resume], at: .at(30)) == [.duplicate])
        #expect(driver.state?.status == .suspended)
        driver.batch([message("s-4", .executionResumed(reason: nil))], at: .at(40))
        #expect(driver.batch([suspend, second], at: .at(45)) == [.duplicate, .duplicate])
        #expect(driver.state?.status == .running)
    }

    @Test("It can be terminated") func termination() {
        var driver = started()
        driver.batch([suspend], at: .at(20))
        driver.batch([message("t", .executionTerminated(reason: nil, recurse: false))], at: .at(30))
        #expect(driver.state?.status == .terminated)
        #expect(driver.batch([message("s-9", .executionResumed(reason: nil))], at: .at(40)) == [.ended])
    }
}
