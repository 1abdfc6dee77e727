import DurableBackend
import DurableCore
import DurableEngine
import DurableMemory
import DurableTask
import DurableWire
import DurableWorker
import Testing

@Suite("Shipped episodes when workers end, do not answer, or have the wrong code") struct ShippingFaultTests {
    @Test("The owner's death while an episode is away: the next one ships anew, a late answer counts for nothing")
    func ownerKilled() async throws {
        let fleet = CodeFleet(try await EngineHarness())
        let gate = CodeGate()
        let owner = try await fleet.start("w1", [])
        let helper = try await fleet.start("w2", [fleet.gated("G", gate)]) { $0.runsActivities = false }
        try await fleet.hub.start("G", id: "g")
        try await fleet.waitUntilAway(owner)
        try await fleet.hub.eventually("the code to run") { gate.arrivals == 1 }
        fleet.hub.kill(owner)
        // The helper has the code: as the next owner it runs it itself, and the gate stops it there as well.
        gate.open()
        try await fleet.hub.raise("go", to: "g", #""x""#, message: "go")
        let activities = try await fleet.start("w3", []) { $0.runsOrchestrations = false }
        #expect(try await fleet.hub.wait(for: "g", .completed).output == Payload(#""(g)x""#))
        #expect(try await fleet.hub.history("g").count { $0.typeName == "TaskScheduled" } == 1)
        #expect(fleet.runs.count == 1)
        try await fleet.hub.eventually("the late answer") { await fleet.statistics(helper)?.lateAnswerCount == 1 }
        try await activities.stop()
        try await helper.stop()
    }

    @Test("The death of the worker that has an episode: another one gets it") func helperKilled() async throws {
        let fleet = CodeFleet(try await EngineHarness())
        let (stuck, free) = (CodeGate(), CodeGate())
        free.open()
        let owner = try await fleet.start("w1", [])
        let first = try await fleet.start("w2", [fleet.gated("G", stuck)])
        try await fleet.hub.start("G", id: "g")
        try await fleet.hub.eventually("the code to run") { stuck.arrivals == 1 }
        // Others of the partition go on meanwhile.
        let second = try await fleet.start("w3", [fleet.gated("G", free)])
        try await fleet.hub.start("G", id: "h")
        try await fleet.hub.raise("go", to: "h", #""x""#, message: "go-h")
        #expect(try await fleet.hub.wait(for: "h", .completed).output == Payload(#""(g)x""#))
        #expect(try await fleet.hub.snapshot("g")?.holdCode == nil)
        fleet.hub.kill(first)
        try await fleet.hub.raise("go", to: "g", #""y""#, message: "go-g")
        #expect(try await fleet.hub.wait(for: "g", .completed).output == Payload(#""(g)y""#))
        stuck.open()
        try await second.stop()
        try await owner.stop()
    }

    @Test("No answer in time: it is shipped anew, and the answer to the first shipping is late") func noAnswer()
        async throws
    {
        let fleet = CodeFleet(try await EngineHarness())
        let gate = CodeGate()
        let owner = try await fleet.start("w1", []) { $0.engine.episodePatience = .seconds(5) }
        let helper = try await fleet.start("w2", [fleet.gated("G", gate)])
        try await fleet.hub.start("G", id: "g")
        try await fleet.hub.eventually("a second shipping", moving: .milliseconds(500)) {
            await fleet.statistics(owner)?.shippedCount == 2
        }
        gate.open()
        try await fleet.hub.raise("go", to: "g", #""x""#, message: "go")
        #expect(try await fleet.hub.wait(for: "g", .completed).output == Payload(#""(g)x""#))
        #expect((await fleet.statistics(owner)?.lateAnswerCount ?? 0) >= 1)
        #expect(fleet.runs.count == 1)
        try await helper.stop()
        try await owner.stop()
    }

    @Test("Code that does not fit holds the instance with the reason, until code that fits comes") func divergence()
        async throws
    {
        let fleet = CodeFleet(try await EngineHarness())
        let owner = try await fleet.start("w1", [])
        let good = try await fleet.start("w2", [fleet.flow("Flow", "a")])
        try await fleet.hub.start("Flow", id: "a")
        try await fleet.hub.eventually("begun") { fleet.runs.count == 1 }
        try await good.stop()
        let timer = Orchestration("Flow") { (context: OrchestrationContext) -> String in
            try await context.sleep(for: .seconds(1))
            return ""
        }
        let bad = try await fleet.start("w3", [timer])
        try await fleet.hub.raise("go", to: "a", message: "go")
        let held = try await fleet.waitForHold("a", "DTQ2003")
        #expect(held.holdText?.contains("TaskScheduled \"Work\"") == true)
        try await bad.stop()
        let mended = try await fleet.start("w4", [fleet.flow("Flow", "a")])
        #expect(try await fleet.hub.wait(for: "a", .completed).output == Payload(#""(a)(a)-""#))
        try await mended.stop()
        try await owner.stop()
    }

    @Test("Code that ends every worker that runs it: a few attempts, then the instance is held") func poison()
        async throws
    {
        let fleet = CodeFleet(try await EngineHarness())
        let owner = try await fleet.start("w0", [])
        let deaths = Counter()
        let alive = PlatformLock<RunningWorker?>(nil)
        let names = Counter()
        func helper(_ isMended: Bool) async throws {
            let name = "h\(names.next())"
            let trap = Orchestration("Trap") { [hub = fleet.hub] (context: OrchestrationContext) -> Int in
                if isMended { return 1 }
                hub.broker.kill(name)
                deaths.next()
                return 2
            }
            let fine = Orchestration("Fine") { (context: OrchestrationContext) -> Int in 3 }
            let worker = try await fleet.start(name, [trap, fine], build: isMended ? "mended" : "broken")
            alive.withLock { $0 = worker }
        }
        try await helper(false)
        try await fleet.hub.start("Trap", id: "poison")
        for number in 0..<4 { try await fleet.hub.start("Fine", id: "fine-\(number)") }
        var replaced = 0
        try await fleet.hub.eventually("the hold") {
            if deaths.count > replaced {
                replaced += 1
                alive.withLock { $0 }?.task.cancel()
                try await helper(false)
            }
            return try await fleet.hub.snapshot("poison")?.holdCode == "DTQ2008"
        }
        // The first death is known to nobody; three attempts are.
        #expect(deaths.count == 4)
        #expect(try await fleet.hub.snapshot("poison")?.holdText?.contains("began to run 3 times") == true)
        for number in 0..<4 { try await fleet.hub.wait(for: "fine-\(number)", .completed) }
        #expect(deaths.count == 4)
        // Another one of that build changes nothing; one of another build does, once nobody has the broken one.
        let broken = try #require(alive.withLock { $0 })
        try await broken.stop()
        try await helper(true)
        try await fleet.hub.wait(for: "poison", .completed)
        #expect(deaths.count == 4)
        try await alive.withLock { $0 }?.stop()
        try await owner.stop()
    }

    @Test("A client cannot answer for a worker") func forgedAnswer() async throws {
        let fleet = CodeFleet(try await EngineHarness())
        let gate = CodeGate()
        let owner = try await fleet.start("w1", [])
        let helper = try await fleet.start("w2", [fleet.gated("G", gate)])
        try await fleet.hub.start("G", id: "g")
        try await fleet.waitUntilAway(owner)
        let epoch = try #require(await fleet.statistics(owner)?.epoch)
        let answer = EpisodeAnswer(
            id: EpisodeID(instanceID: InstanceID("g"), epoch: epoch, number: 1), author: EpisodeAuthor(build: "x"),
            body: .failure(.contextMisuse("forged")))
        var message = fleet.hub.topology.episodeAnswer(answer, to: PartitionID(0), at: fleet.hub.clock.now())
        message.exchange = fleet.hub.topology.name(.client)
        _ = try await fleet.hub.client.publish([message])
        try await fleet.hub.eventually("the dead letter") { fleet.hub.deadLetters().count == 1 }
        #expect(fleet.hub.deadLetters()[0].properties.header("dtq-code") == .string("DTQ3002"))
        #expect(await fleet.statistics(owner)?.awayEpisodes == 1)
        gate.open()
        try await fleet.hub.raise("go", to: "g", #""x""#, message: "go")
        try await fleet.hub.wait(for: "g", .completed)
        try await helper.stop()
        try await owner.stop()
    }
}
