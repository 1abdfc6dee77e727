import DurableBackend
import DurableCore
import DurableEngine
import DurableMemory
import DurableTask
import DurableWire
import DurableWorker
import Testing

@Suite("What happens to an instance while its episode is away") struct ShippedMeanwhileTests {
    @Test("What arrives while an episode is away is for the next one") func arrivalsMeanwhile() async throws {
        let fleet = CodeFleet(try await EngineHarness())
        let gate = CodeGate()
        let owner = try await fleet.start("w1", [])
        let collect = Orchestration("C") { (context: OrchestrationContext) -> [String] in
            gate.pass()
            var found: [String] = []
            for _ in 0..<3 { found.append(try await context.waitForExternalEvent("e")) }
            return found
        }
        let helper = try await fleet.start("w2", [collect])
        try await fleet.hub.start("C", id: "c")
        try await fleet.hub.eventually("the code to run") { gate.arrivals == 1 }
        for number in 0..<3 { try await fleet.hub.raise("e", to: "c", "\"\(number)\"", message: "e-\(number)") }
        try await fleet.hub.eventually("all taken") { try await fleet.hub.snapshot("c")?.inboxCount == 4 }
        gate.open()
        #expect(try await fleet.hub.wait(for: "c", .completed).output == Payload(#"["0","1","2"]"#))
        #expect(try await fleet.hub.history("c").count { $0.typeName == "OrchestratorStarted" } == 2)
        try await helper.stop()
        try await owner.stop()
    }

    @Test("The owner's clock is set back while an episode is away: the history's time does not run back")
    func clockSetBack() async throws {
        let fleet = CodeFleet(try await EngineHarness())
        let gate = CodeGate()
        let clock = AdjustedClock(fleet.hub.clock)
        let owner = try await fleet.start("w1", [], clock: clock)
        try await fleet.hub.start("G", id: "g")
        try await fleet.hub.wait(for: "g", .pending)
        // Later than all that is on record of it.
        clock.set(ahead: .seconds(60))
        let helper = try await fleet.start("w2", [fleet.gated("G", gate)])
        try await fleet.hub.eventually("the code to run") { gate.arrivals == 1 }
        clock.set(ahead: .zero)
        gate.open()
        try await fleet.hub.raise("go", to: "g", #""x""#, message: "go")
        #expect(try await fleet.hub.wait(for: "g", .completed).output == Payload(#""(g)x""#))
        let times = try await fleet.hub.history("g").filter { $0.kind == .orchestratorStarted }.map(\.timestamp)
        #expect(times.count > 1 && times == times.sorted())
        try await helper.stop()
        try await owner.stop()
    }

    @Test("Terminated and suspended while its episode is away") func endedAndSuspendedMeanwhile() async throws {
        let fleet = CodeFleet(try await EngineHarness())
        let gate = CodeGate()
        let owner = try await fleet.start("w1", [])
        let helper = try await fleet.start("w2", [fleet.gated("G", gate)])
        for id in ["t", "s"] { try await fleet.hub.start("G", id: id) }
        try await fleet.waitUntilAway(owner, 2)
        try await fleet.hub.terminate("t", message: "t")
        try await fleet.hub.wait(for: "t", .terminated)
        try await fleet.suspend("s", true)
        try await fleet.hub.wait(for: "s", .suspended)
        gate.open()
        try await fleet.hub.eventually("both answers") {
            guard let statistics = await fleet.statistics(owner) else { return false }
            return statistics.awayEpisodes == 0 && statistics.lateAnswerCount == 1
        }
        #expect(try await fleet.hub.snapshot("s")?.status == .suspended)
        #expect(try await fleet.hub.snapshot("s")?.historyCount == 0)
        #expect(try await fleet.hub.snapshot("t")?.status == .terminated)
        #expect(fleet.runs.count == 0)
        try await fleet.suspend("s", false)
        try await fleet.hub.raise("go", to: "s", #""x""#, message: "go")
        #expect(try await fleet.hub.wait(for: "s", .completed).output == Payload(#""(g)x""#))
        try await helper.stop()
        try await owner.stop()
    }

    @Test("Suspended and resumed before its first episode comes back: that one is of no use, and another is shipped")
    func suspendedForAMoment() async throws {
        let fleet = CodeFleet(try await EngineHarness())
        let gate = CodeGate()
        let owner = try await fleet.start("w1", [])
        let helper = try await fleet.start("w2", [fleet.gated("G", gate)])
        try await fleet.hub.start("G", id: "s")
        try await fleet.hub.eventually("the code to run") { gate.arrivals == 1 }
        for isSuspended in [true, false] {
            try await fleet.suspend("s", isSuspended)
            try await fleet.hub.wait(for: "s", isSuspended ? .suspended : .pending)
        }
        gate.open()
        // By itself, before anything else comes.
        try await fleet.hub.eventually("the activity to run") { fleet.runs.count == 1 }
        try await fleet.hub.raise("go", to: "s", #""x""#, message: "go")
        #expect(try await fleet.hub.wait(for: "s", .completed).output == Payload(#""(g)x""#))
        try await helper.stop()
        try await owner.stop()
    }

    @Test("Another instance takes the ID while an episode is away: its answer is not the new one's")
    func replacedMeanwhile() async throws {
        let fleet = CodeFleet(try await EngineHarness())
        let gate = CodeGate()
        let owner = try await fleet.start("w1", [])
        let echo = Orchestration("Echo") { (text: String, context: OrchestrationContext) -> String in
            gate.pass()
            return text
        }
        let helper = try await fleet.start("w2", [echo])
        try await fleet.hub.start("Echo", id: "e", input: #""old""#)
        try await fleet.hub.eventually("the code to run") { gate.arrivals == 1 }
        var start = Message(
            id: MessageID("new"), instanceID: InstanceID("e"),
            event: HistoryEvent(
                timestamp: fleet.hub.clock.now(),
                kind: .executionStarted(
                    ExecutionStarted(
                        name: "Echo", input: Payload(#""new""#), instanceID: InstanceID("e"),
                        executionID: ExecutionID("new")))))
        start.idReuse = IDReuse(running: .terminate)
        try await fleet.hub.send(start)
        try await fleet.hub.eventually("the new one away") {
            let (snapshot, statistics) = (try await fleet.hub.snapshot("e"), await fleet.statistics(owner))
            return snapshot?.executionID == ExecutionID("new") && statistics?.shippedCount == 2
        }
        gate.open()
        #expect(try await fleet.hub.wait(for: "e", .completed).output == Payload(#""new""#))
        try await fleet.hub.eventually("the old one's answer") { await fleet.statistics(owner)?.lateAnswerCount == 1 }
        #expect(try await fleet.hub.history("e").count { $0.typeName == "OrchestratorStarted" } == 1)
        try await helper.stop()
        try await owner.stop()
    }

    @Test("A request to end that comes with what its code continued as new for is the next execution's")
    func requestIsPassedOn() async throws {
        let fleet = CodeFleet(try await EngineHarness())
        let gate = CodeGate()
        let owner = try await fleet.start("w1", [])
        let loop = Orchestration("Loop") { (round: Int, context: OrchestrationContext) -> String in
            if round == 2 { return try await context.waitForExternalEvent("never") }
            gate.pass()
            try await context.waitForExternalEvent("next")
            try context.continueAsNew(2)
        }
        let helper = try await fleet.start("w2", [loop])
        try await fleet.hub.start("Loop", id: "l", input: "1")
        try await fleet.hub.eventually("the code to run") { gate.arrivals == 1 }
        try await fleet.hub.raise("next", to: "l", message: "next")
        try await fleet.hub.send(.cancellationRequested(reason: Payload(#""late""#)), to: "l", message: "cancel")
        try await fleet.hub.eventually("both taken") { try await fleet.hub.snapshot("l")?.inboxCount == 3 }
        gate.open()
        let end = try await fleet.hub.wait(for: "l", .canceled)
        #expect(end.executionID == ExecutionID("start-l").successor)
        #expect(try await fleet.hub.history("l").contains { $0.typeName == "CancellationRequested" })
        try await helper.stop()
        try await owner.stop()
    }

    @Test("A termination is told to code elsewhere that has something to undo") func compensatesTermination()
        async throws
    {
        let fleet = CodeFleet(try await EngineHarness())
        let owner = try await fleet.start("w1", [])
        let undone = Activity("Undo") { (_: ActivityContext) in _ = fleet.runs.next() }
        let trip = Orchestration("Trip") { (context: OrchestrationContext) -> String in
            try await context.withCompensation(includingTermination: true) { saga in
                let booked: String = try await context.callActivity("Work", "book")
                saga.addCompensation { try await context.callActivity(undone) }
                return booked + (try await context.waitForExternalEvent("never"))
            }
        }
        let helper = try await fleet.start("w2", [trip, undone])
        try await fleet.hub.start("Trip", id: "t")
        try await fleet.hub.eventually("the booking taken") {
            let (snapshot, statistics) = (try await fleet.hub.snapshot("t"), await fleet.statistics(owner))
            return snapshot?.historyCount ?? 0 >= 5 && statistics?.awayEpisodes == 0
        }
        try await fleet.hub.terminate("t", message: "t")
        try await fleet.hub.wait(for: "t", .terminated)
        #expect(fleet.runs.count == 2)
        #expect(try await fleet.hub.history("t").count { $0.typeName == "TaskScheduled" } == 2)
        try await helper.stop()
        try await owner.stop()
    }
}
