import DurableCore
import Testing

@Suite("Recorded patches") struct PatchTests {
    private func patched(_ actions: [OrchestratorAction] = []) -> InstanceDriver {
        var driver = InstanceDriver()
        driver.batch(
            [startMessage()], at: .at(10),
            actions: [
                .recordPatch(id: "b", isDeprecated: false), .scheduleTask(id: EventID(0), name: "Charge", input: nil),
                .recordPatch(id: "a", isDeprecated: true),
            ] + actions)
        return driver
    }

    @Test("A patch goes into history without an event ID, and into the state") func recorded() throws {
        let driver = patched()
        let history = try #require(driver.changes.last?.history)
        #expect(
            history.suffix(3) == [
                HistoryEvent(timestamp: .at(10), kind: .patchRecorded(id: "b", isDeprecated: false)),
                HistoryEvent(
                    eventID: EventID(0), timestamp: .at(10), kind: .taskScheduled(name: "Charge", input: nil)),
                HistoryEvent(timestamp: .at(10), kind: .patchRecorded(id: "a", isDeprecated: true)),
            ])
        #expect(driver.state?.patches == ["a", "b"])
        #expect(history.recordedPatches == ["a", "b"])
        #expect(driver.state?.historyCount == history.count)
    }

    @Test("The next execution has none") func continuedAsNew() throws {
        let driver = patched([
            .continueAsNew(id: EventID(1), input: nil, version: nil, carriedOver: [])
        ])
        #expect(driver.state?.executionID == ExecutionID("x-1~1"))
        #expect(driver.state?.patches == [])
    }
}
