import DurableBackend
import DurableCore
import DurableEngine
import DurableMemory
import DurableTask
import DurableWire
import DurableWorker
import Testing

@Suite("Episodes run on a worker that has the code, whoever owns the partition") struct ShippingTests {
    @Test("Workers with different orchestrations serve one hub") func differentOrchestrations() async throws {
        let fleet = CodeFleet(try await EngineHarness())
        let first = try await fleet.start("w1", [fleet.flow("A", "a")])
        let second = try await fleet.start("w2", [fleet.flow("B", "b")])
        for number in 0..<5 {
            try await fleet.hub.start("A", id: "a-\(number)")
            try await fleet.hub.start("B", id: "b-\(number)")
        }
        for number in 0..<5 {
            for name in ["a", "b"] {
                try await fleet.hub.raise("go", to: "\(name)-\(number)", message: "go-\(name)-\(number)")
            }
        }
        for number in 0..<5 {
            #expect(try await fleet.hub.wait(for: "a-\(number)", .completed).output == Payload(#""(a)(a)-""#))
            #expect(try await fleet.hub.wait(for: "b-\(number)", .completed).output == Payload(#""(b)(b)-""#))
        }
        #expect(fleet.runs.count == 20)
        let statistics = try #require(await fleet.statistics(first))
        #expect(statistics.shippedCount >= 10)
        #expect(statistics.awayEpisodes == 0 && statistics.heldInstances == 0 && statistics.missingCode.isEmpty)
        // Its history is as if its owner had run it, and says whose code it was.
        let history = try await fleet.hub.history("b-0")
        #expect(history.first?.author == EpisodeAuthor(build: "w2"))
        #expect(history.count { $0.author != nil } == 1)
        #expect(history.map(\.typeName).filter { $0 == "TaskScheduled" }.count == 2)
        try await second.stop()
        try await first.stop()
    }

    @Test(
        "Versions of one name run side by side, in one worker and in several; what has none of its own runs on the rest"
    )
    func sideBySide() async throws {
        let fleet = CodeFleet(try await EngineHarness())
        let first = try await fleet.start(
            "w1", [fleet.flow("Flow", version: "1", "one"), fleet.flow("Flow", version: "2", "two")])
        let second = try await fleet.start(
            "w2", [fleet.flow("Flow", version: "3", "three"), fleet.flow("Flow", "any")])
        for (id, version) in [("i1", "1"), ("i2", "2"), ("i3", "3"), ("i4", "4"), ("i0", nil)] as [(String, String?)] {
            try await fleet.start("Flow", id: id, version: version)
            try await fleet.hub.raise("go", to: id, message: "go-\(id)")
        }
        for (id, output) in [
            ("i1", "(one)(one)1"), ("i2", "(two)(two)2"), ("i3", "(three)(three)3"), ("i4", "(any)(any)4"),
            ("i0", "(any)(any)-"),
        ] {
            #expect(try await fleet.hub.wait(for: id, .completed).output == Payload("\"\(output)\""))
        }
        #expect(try await fleet.hub.snapshot("i3")?.version == "3")
        #expect(try await fleet.hub.history("i3").first?.author == EpisodeAuthor(build: "w2", version: "3"))
        try await second.stop()
        try await first.stop()
    }

    @Test("A start without a version gets its owner's default, once and for all") func defaultVersion() async throws {
        let fleet = CodeFleet(try await EngineHarness())
        let both = [fleet.flow("Flow", version: "1", "one"), fleet.flow("Flow", version: "2", "two")]
        let first = try await fleet.start("w1", both) { $0.engine.defaultVersion = "1" }
        try await fleet.hub.start("Flow", id: "a")
        try await fleet.start("Flow", id: "b", version: "2")
        try await fleet.hub.eventually("both begun") { fleet.runs.count == 2 }
        try await first.stop()
        let second = try await fleet.start("w2", both) { $0.engine.defaultVersion = "2" }
        try await fleet.hub.start("Flow", id: "c")
        for id in ["a", "b", "c"] { try await fleet.hub.raise("go", to: id, message: "go-\(id)") }
        #expect(try await fleet.hub.wait(for: "a", .completed).output == Payload(#""(one)(one)1""#))
        #expect(try await fleet.hub.wait(for: "b", .completed).output == Payload(#""(two)(two)2""#))
        #expect(try await fleet.hub.wait(for: "c", .completed).output == Payload(#""(two)(two)2""#))
        try await second.stop()
    }

    @Test("A rolling change: the new version waits for new workers, the old one stays with old code")
    func rollingChange() async throws {
        let fleet = CodeFleet(try await EngineHarness())
        let old = try await fleet.start("old", [fleet.flow("Flow", "old")])
        try await fleet.hub.start("Flow", id: "a")
        let new = try await fleet.start("new", [fleet.flow("Flow", version: "2", "new")])
        try await fleet.waitForCode("new")
        // Its owner has code for any version, another worker has code for this one.
        try await fleet.start("Flow", id: "b", version: "2")
        try await fleet.hub.eventually("both begun") { fleet.runs.count == 2 }
        try await new.stop()
        try await fleet.hub.raise("go", to: "b", message: "go-b")
        // Begun by code of its version, it waits for that rather than to go on with other code.
        let held = try await fleet.waitForHold("b", "DTQ2005")
        #expect(held.holdText?.contains(#"waiting for code: no worker has orchestration "Flow" version "2""#) == true)
        try await fleet.hub.raise("go", to: "a", message: "go-a")
        #expect(try await fleet.hub.wait(for: "a", .completed).output == Payload(#""(old)(old)-""#))
        let again = try await fleet.start("again", [fleet.flow("Flow", version: "2", "new")])
        #expect(try await fleet.hub.wait(for: "b", .completed).output == Payload(#""(new)(new)2""#))
        try await again.stop()
        try await old.stop()
    }

    @Test("What nobody has code for waits, visibly, and goes on when somebody comes") func nobodyHasTheCode()
        async throws
    {
        let fleet = CodeFleet(try await EngineHarness())
        let owner = try await fleet.start("w1", [fleet.flow("A", "a")])
        for id in ["b", "c"] { try await fleet.start("B", id: id, version: "3") }
        let held = try await fleet.waitForHold("c", "DTQ2005")
        #expect(held.status == .pending && held.inboxCount == 1)
        #expect(held.holdText?.contains(#"no worker has orchestration "B" version "3""#) == true)
        let missing = WorkerHeartbeat.MissingCode(code: OrchestrationCode(name: "B", version: "3"), instances: 2)
        try await fleet.hub.eventually("both counted") { await fleet.statistics(owner)?.missingCode == [missing] }
        // Code of another version is none.
        let other = try await fleet.start("w2", [fleet.flow("B", version: "2", "b")])
        try await fleet.hub.raise("go", to: "b", message: "go-b")
        #expect(try await fleet.hub.snapshot("b")?.holdCode == "DTQ2005")
        // A later owner knows of them, too.
        fleet.hub.kill(owner)
        let right = try await fleet.start("w3", [fleet.flow("B", version: "3", "b")])
        try await fleet.hub.raise("go", to: "c", message: "go-c")
        for id in ["b", "c"] {
            #expect(try await fleet.hub.wait(for: id, .completed).output == Payload(#""(b)(b)3""#))
        }
        try await right.stop()
        try await other.stop()
    }

    @Test("Continues as new under another version, with what nobody has taken") func continuesAsNew() async throws {
        let fleet = CodeFleet(try await EngineHarness())
        let owner = try await fleet.start("w1", [])
        let gate = CodeGate()
        let first = Orchestration("Loop", version: "1") { (context: OrchestrationContext) -> String in
            gate.pass()
            try context.continueAsNew(version: "2")
        }
        let second = Orchestration("Loop", version: "2") { (context: OrchestrationContext) -> String in
            let event: String = try await context.waitForExternalEvent("go")
            return event + (context.version ?? "-")
        }
        let one = try await fleet.start("w2", [first])
        let two = try await fleet.start("w3", [second])
        try await fleet.start("Loop", id: "l", version: "1")
        try await fleet.hub.eventually("the code to run") { gate.arrivals == 1 }
        try await fleet.hub.raise("go", to: "l", #""x""#, message: "go")
        try await fleet.hub.eventually("the event taken") { try await fleet.hub.snapshot("l")?.inboxCount == 2 }
        gate.open()
        #expect(try await fleet.hub.wait(for: "l", .completed).output == Payload(#""x2""#))
        #expect(try await fleet.hub.history("l").first?.author == EpisodeAuthor(build: "w3", version: "2"))
        try await two.stop()
        try await one.stop()
        try await owner.stop()
    }

    @Test("A history and an answer that no message can hold go in parts") func longHistoryAndAnswer() async throws {
        let fleet = CodeFleet(try await EngineHarness())
        let owner = try await fleet.start("w1", []) {
            $0.engine.shippedBytes = 2000
            $0.engine.episodePatience = .seconds(100_000)
        }
        let wide = Orchestration("Wide") { (context: OrchestrationContext) -> Int in
            var length = 0
            for round in 0..<2 {
                let texts = try await withThrowingTaskGroup(of: String.self) { group in
                    for _ in 0..<8 {
                        group.addTask {
                            try await context.callActivity("Work", String(repeating: "\(round)", count: 140_000))
                        }
                    }
                    var texts: [String] = []
                    for try await text in group { texts.append(text) }
                    return texts
                }
                length += texts.reduce(0) { $0 + $1.count }
            }
            return length
        }
        let helper = try await fleet.start("w2", [wide])
        try await fleet.hub.start("Wide", id: "w")
        #expect(try await fleet.hub.wait(for: "w", .completed).output == Payload("\(2 * 8 * 140_002)"))
        #expect(fleet.runs.count == 16)
        try await helper.stop()
        try await owner.stop()
    }

    @Test("A worker that shares no code holds what it lacks, as earlier versions do, until it has another owner")
    func notShared() async throws {
        let fleet = CodeFleet(try await EngineHarness())
        let owner = try await fleet.start("w1", []) { $0.sharesCode = false }
        let helper = try await fleet.start("w2", [fleet.flow("B", "b")])
        try await fleet.hub.start("B", id: "b")
        _ = try await fleet.waitForHold("b", "DTQ2005")
        try await fleet.hub.raise("go", to: "b", message: "go")
        try await owner.stop()
        #expect(try await fleet.hub.wait(for: "b", .completed).output == Payload(#""(b)(b)-""#))
        try await helper.stop()
    }
}
