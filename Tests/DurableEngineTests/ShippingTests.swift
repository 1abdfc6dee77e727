import DurableBackend
import DurableCore
import DurableEngine
import DurableMemory
import DurableTask
import DurableWire
import DurableWorker
import Testing

@Suite("Episodes run on a worker that has the code, whoever owns the partition") struct ShippingTests {
    /// Runs an activity, waits for an event, runs another: three episodes, and what it is made of.
    private func flow(_ name: String, version: String? = nil, _ mark: String) -> Orchestration<NoValue, String> {
        Orchestration(name, version: version) { (context: OrchestrationContext) -> String in
            let first: String = try await context.callActivity("Work", mark)
            try await context.waitForExternalEvent("go")
            let second: String = try await context.callActivity("Work", mark)
            return first + second + (context.version ?? "-")
        }
    }

    private func gated(_ name: String, _ gate: CodeGate) -> Orchestration<NoValue, String> {
        Orchestration(name) { (context: OrchestrationContext) -> String in
            gate.pass()
            let first: String = try await context.callActivity("Work", "g")
            let event: String = try await context.waitForExternalEvent("go")
            return first + event
        }
    }

    @Test("Workers with different orchestrations serve one hub") func differentOrchestrations() async throws {
        let fleet = CodeFleet(try await EngineHarness())
        let first = try await fleet.start("w1", [flow("A", "a")])
        let second = try await fleet.start("w2", [flow("B", "b")])
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
        let first = try await fleet.start("w1", [flow("Flow", version: "1", "one"), flow("Flow", version: "2", "two")])
        let second = try await fleet.start("w2", [flow("Flow", version: "3", "three"), flow("Flow", "any")])
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
        let both = [flow("Flow", version: "1", "one"), flow("Flow", version: "2", "two")]
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
        let old = try await fleet.start("old", [flow("Flow", "old")])
        try await fleet.hub.start("Flow", id: "a")
        let new = try await fleet.start("new", [flow("Flow", version: "2", "new")])
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
        let again = try await fleet.start("again", [flow("Flow", version: "2", "new")])
        #expect(try await fleet.hub.wait(for: "b", .completed).output == Payload(#""(new)(new)2""#))
        try await again.stop()
        try await old.stop()
    }

    @Test("What nobody has code for waits, visibly, and goes on when somebody comes") func nobodyHasTheCode()
        async throws
    {
        let fleet = CodeFleet(try await EngineHarness())
        let owner = try await fleet.start("w1", [flow("A", "a")])
        for id in ["b", "c"] { try await fleet.start("B", id: id, version: "3") }
        let held = try await fleet.waitForHold("c", "DTQ2005")
        #expect(held.status == .pending && held.inboxCount == 1)
        #expect(held.holdText?.contains(#"no worker has orchestration "B" version "3""#) == true)
        let missing = WorkerHeartbeat.MissingCode(code: OrchestrationCode(name: "B", version: "3"), instances: 2)
        try await fleet.hub.eventually("both counted") { await fleet.statistics(owner)?.missingCode == [missing] }
        // Code of another version is none.
        let other = try await fleet.start("w2", [flow("B", version: "2", "b")])
        try await fleet.hub.raise("go", to: "b", message: "go-b")
        #expect(try await fleet.hub.snapshot("b")?.holdCode == "DTQ2005")
        // A later owner knows of them, too.
        fleet.hub.kill(owner)
        let right = try await fleet.start("w3", [flow("B", version: "3", "b")])
        try await fleet.hub.raise("go", to: "c", message: "go-c")
        for id in ["b", "c"] {
            #expect(try await fleet.hub.wait(for: id, .completed).output == Payload(#""(b)(b)3""#))
        }
        try await right.stop()
        try await other.stop()
    }

    @Test("The owner's death while an episode is away: the next one ships anew, a late answer counts for nothing")
    func ownerKilled() async throws {
        let fleet = CodeFleet(try await EngineHarness())
        let gate = CodeGate()
        let owner = try await fleet.start("w1", [])
        let helper = try await fleet.start("w2", [gated("G", gate)]) { $0.runsActivities = false }
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
        let first = try await fleet.start("w2", [gated("G", stuck)])
        try await fleet.hub.start("G", id: "g")
        try await fleet.hub.eventually("the code to run") { stuck.arrivals == 1 }
        // Others of the partition go on meanwhile.
        let second = try await fleet.start("w3", [gated("G", free)])
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
        let helper = try await fleet.start("w2", [gated("G", gate)])
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

    @Test("Terminated and suspended while its episode is away") func endedAndSuspendedMeanwhile() async throws {
        let fleet = CodeFleet(try await EngineHarness())
        let gate = CodeGate()
        let owner = try await fleet.start("w1", [])
        let helper = try await fleet.start("w2", [gated("G", gate)])
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
        let helper = try await fleet.start("w2", [gated("G", gate)])
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
        try await fleet.hub.send(
            Message(
                id: MessageID("cancel"), instanceID: InstanceID("l"),
                event: HistoryEvent(
                    timestamp: fleet.hub.clock.now(), kind: .cancellationRequested(reason: Payload(#""late""#)))))
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

    @Test("Code that does not fit holds the instance with the reason, until code that fits comes") func divergence()
        async throws
    {
        let fleet = CodeFleet(try await EngineHarness())
        let owner = try await fleet.start("w1", [])
        let good = try await fleet.start("w2", [flow("Flow", "a")])
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
        let mended = try await fleet.start("w4", [flow("Flow", "a")])
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
        let helper = try await fleet.start("w2", [gated("G", gate)])
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

    @Test("A worker that shares no code holds what it lacks, as earlier versions do, until it has another owner")
    func notShared() async throws {
        let fleet = CodeFleet(try await EngineHarness())
        let owner = try await fleet.start("w1", []) { $0.sharesCode = false }
        let helper = try await fleet.start("w2", [flow("B", "b")])
        try await fleet.hub.start("B", id: "b")
        _ = try await fleet.waitForHold("b", "DTQ2005")
        try await fleet.hub.raise("go", to: "b", message: "go")
        try await owner.stop()
        #expect(try await fleet.hub.wait(for: "b", .completed).output == Payload(#""(b)(b)-""#))
        try await helper.stop()
    }
}

extension CodeFleet {
    fileprivate func start(_ name: String, id: String, version: String?) async throws {
        let start = ExecutionStarted(
            name: name, version: version, instanceID: InstanceID(id), executionID: ExecutionID("start-\(id)"))
        try await hub.send(
            Message(
                id: MessageID("start-\(id)"), instanceID: InstanceID(id),
                event: HistoryEvent(timestamp: hub.clock.now(), kind: .executionStarted(start))))
    }

    /// Waits until the owner has heard of the worker's code.
    fileprivate func waitForCode(_ name: String) async throws {
        try await hub.start(CodeFleet.ready(name), id: "ready-\(name)")
        try await hub.wait(for: "ready-\(name)", .completed)
    }
}
