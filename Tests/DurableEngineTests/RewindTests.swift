import DurableBackend
import DurableClient
import DurableCore
import DurableEngine
import DurableMemory
import DurablePayloads
import DurableTask
import DurableWorker
import Testing

@Suite("Failed instances are rewound", .timeLimit(.minutes(5))) struct RewindTests: PayloadBench {
    /// Fails while it is told to, and counts its runs by input.
    final class Provider: Sendable {
        private let state = PlatformLock((isDown: true, runs: [String: Int]()))
        let mended = Barrier()
        func mend() {
            state.withLock { $0.isDown = false }
            mended.open()
        }
        func runs(_ input: String) -> Int { state.withLock { $0.runs[input] ?? 0 } }
        /// Those that begin with `bad` fail as long as it is down.
        func run(_ input: String) throws -> String {
            try state.withLock { state in
                state.runs[input, default: 0] += 1
                if state.isDown, input.hasPrefix("bad") { throw Declined() }
                return "\(input)!"
            }
        }
    }

    struct Declined: Error {}

    let provider = Provider()

    var call: Activity<String, String> {
        Activity("Call") { [provider] (input: String, _: ActivityContext) in try provider.run(input) }
    }

    /// Runs until it is called off, or until all is mended.
    var slow: Activity<String, String> {
        Activity("Slow") { [provider] (input: String, _: ActivityContext) in
            try await provider.mended.passUnlessCancelled()
            return try provider.run(input)
        }
    }

    /// Calls for one word after the other.
    var chain: Orchestration<[String], String> {
        Orchestration("Chain") { [call] (words: [String], context: OrchestrationContext) in
            var said: [String] = []
            for word in words { said.append(try await context.callActivity(call, word)) }
            return said.joined(separator: " ")
        }
    }

    func client(_ hub: EngineHarness) -> HubClient {
        // Virtual time goes by much faster than an owner answers.
        var options = ClientOptions()
        options.verdictPatience = .seconds(3600)
        return HubClient(descriptor: hub.descriptor, transport: hub.client, clock: hub.clock, options: options)
    }

    func rewind(_ hub: EngineHarness, _ id: String) async throws -> Submission.Outcome {
        try await hub.moving { () async throws in
            try await client(hub).rewind(InstanceID(id), reason: Payload("\"mended\"")).outcome
        }
    }

    func types(_ hub: EngineHarness, _ id: String) async throws -> [String] {
        try await hub.history(id).map(\.typeName)
    }

    @Test("What succeeded is kept, what failed runs again, and no failure is left in the history")
    func chained() async throws {
        let hub = try await EngineHarness()
        let worker = try hub.startWorker("w1", [call, chain])
        try await hub.start("Chain", id: "a", input: #"["one","bad","two"]"#)
        let failed = try await hub.wait(for: "a", .failed)
        provider.mend()
        #expect(try await rewind(hub, "a") == .verdict(.accepted))
        let ended = try await hub.wait(for: "a", .completed)
        #expect(ended.output == Payload("\"one! bad! two!\""))
        #expect(ended.failure == nil)
        #expect(ended.createdAt == failed.createdAt)
        #expect(ended.executionID == failed.executionID)
        #expect(["one", "bad", "two"].map(provider.runs) == [1, 2, 1])
        let history = try await types(hub, "a")
        #expect(!history.contains("TaskFailed"))
        #expect(history.count { $0 == "ExecutionRewound" } == 1)
        #expect(history.count { $0 == "ExecutionCompleted" } == 1)
        #expect(try await rewind(hub, "a") == .verdict(.notFailed))
        try await worker.stop()
    }

    @Test(
        "Of several at a time those that failed and those that were called off run again, those that succeeded do not")
    func parallel() async throws {
        let hub = try await EngineHarness()
        let fan = Orchestration("Fan") { [call, slow] (_: Int, context: OrchestrationContext) in
            async let good = context.callActivity(call, "good")
            async let late = context.callActivity(slow, "late")
            try await context.sleep(for: .seconds(10))
            let bad = try await context.callActivity(call, "bad")
            return try await [good, late, bad].joined(separator: " ")
        }
        let worker = try hub.startWorker("w1", [call, slow, fan])
        try await hub.start("Fan", id: "a", input: "1")
        try await hub.wait(for: "a", .failed)
        provider.mend()
        #expect(try await rewind(hub, "a") == .verdict(.accepted))
        #expect(try await hub.wait(for: "a", .completed).output == Payload("\"good! late! bad!\""))
        #expect(["good", "bad"].map(provider.runs) == [1, 2])
        try await worker.stop()
    }

    @Test("It fails again, is rewound again, and each time one run of the activity counts") func again() async throws {
        let hub = try await EngineHarness()
        let worker = try hub.startWorker("w1", [call, chain])
        try await hub.start("Chain", id: "a", input: #"["bad"]"#)
        for round in 1...3 {
            try await hub.wait(for: "a", .failed)
            #expect(provider.runs("bad") == round)
            if round == 3 { provider.mend() }
            #expect(try await rewind(hub, "a") == .verdict(.accepted))
            try await hub.eventually("the next run") { provider.runs("bad") == round + 1 }
        }
        #expect(try await hub.wait(for: "a", .completed).output == Payload("\"bad!\""))
        try await worker.stop()
    }

    @Test("A rewind that an owner had in hand when it died is carried out by the next, with all that it sends")
    func inHand() async throws {
        let hub = try await EngineHarness(partitions: 2)
        let parent = Orchestration("Parent") { [call, chain] (child: String, context: OrchestrationContext) -> String in
            async let own = context.callActivity(call, "good")
            let said = try await context.callSubOrchestration(chain, ["bad"], instanceID: InstanceID(child))
            return try await "\(own) \(said)"
        }
        let deaths = PlatformLock(0)
        let storage = CrashStorage(hub.storage, DurableLedger())
        let trap = Orchestration("Trap") { (context: OrchestrationContext) -> Int in
            let isFirst = deaths.withLock { count in
                count += 1
                return count == 1
            }
            if isFirst {
                storage.kill()
                hub.broker.kill("w2")
            }
            return 1
        }
        let first = try hub.startWorker("w1", [call, chain, parent, trap])
        // What goes to the other partition has numbers without gaps.
        let home = InstanceID("p").partition(of: 2)
        let far = try #require((0..<20).map { "child-\($0)" }.first { InstanceID($0).partition(of: 2) != home })
        let near = try #require((0..<20).map { "trap-\($0)" }.first { InstanceID($0).partition(of: 2) == home })
        try await hub.start("Parent", id: "p", input: "\"\(far)\"")
        try await hub.wait(for: "p", .failed)
        try await hub.wait(for: far, .failed)
        try await first.stop()
        provider.mend()
        try await hub.start("Trap", id: near)
        try await hub.send(
            Message(
                id: MessageID("rewind-p"), instanceID: InstanceID("p"),
                event: HistoryEvent(timestamp: hub.clock.now(), kind: .executionRewound(reason: nil, count: 0))))
        let second = try hub.startWorker("w2", [call, chain, parent, trap], storage: storage)
        try await hub.eventually("the death of the owner") { deaths.withLock { $0 } == 1 }
        second.task.cancel()
        let third = try hub.startWorker("w3", [call, chain, parent, trap])
        #expect(try await hub.wait(for: "p", .completed).output == Payload("\"good! bad!\""))
        #expect(try await hub.history("p").count { $0.typeName == "ExecutionRewound" } == 1)
        try await hub.wait(for: far, .completed)
        try await third.stop()
    }

    @Test("What code gave up after it last asked for something is asked for again, too") func givenUp() async throws {
        let hub = try await EngineHarness()
        let flow = Orchestration("Flow") { [call, slow] (_: Int, context: OrchestrationContext) -> String in
            async let late = context.callActivity(call, "bad-late")
            async let gate: Void = context.waitForExternalEvent("go")
            var words: [String] = []
            do {
                words = try await withThrowingTaskGroup(of: String.self) { group in
                    group.addTask { try await context.callActivity(slow, "slow") }
                    group.addTask {
                        try await context.waitForExternalEvent("break")
                        return try await context.waitForExternalEvent("word")
                    }
                    return try await group.reduce(into: []) { $0.append($1) }
                }
            } catch { words = ["broken"] }
            try await gate
            return try await "\(words.sorted().joined(separator: " ")) \(late)"
        }
        let worker = try hub.startWorker("w1", [call, slow, flow])
        try await hub.start("Flow", id: "a", input: "1")
        try await hub.wait(for: "a", .running)
        // Data of another type fails the group, which gives up the activity; nothing is recorded.
        try await hub.raise("break", to: "a", message: "break")
        try await hub.raise("word", to: "a", "17", message: "bad-word")
        try await hub.raise("go", to: "a", message: "go")
        try await hub.wait(for: "a", .failed)
        provider.mend()
        #expect(try await rewind(hub, "a") == .verdict(.accepted))
        #expect(try await hub.wait(for: "a", .completed).output == Payload("\"broken bad-late!\""))
        let history = try await hub.history("a")
        // It ran again, and was given up again.
        #expect(history.count { $0.typeName == "TaskScheduled" } == 2)
        try await worker.stop()
    }

    @Test("A request that was refused while the instance ran does nothing when it comes once more") func late()
        async throws
    {
        let hub = try await EngineHarness()
        let waiting = Orchestration("Waiting") { [call] (_: Int, context: OrchestrationContext) -> String in
            try await context.waitForExternalEvent("go")
            return try await context.callActivity(call, "bad")
        }
        let worker = try hub.startWorker("w1", [call, waiting])
        try await hub.start("Waiting", id: "a", input: "1")
        try await hub.wait(for: "a", .running)
        let request = Message(
            id: MessageID("rewind"), instanceID: InstanceID("a"),
            event: HistoryEvent(timestamp: hub.clock.now(), kind: .executionRewound(reason: nil, count: 0)))
        try await hub.send(request)
        try await hub.raise("go", to: "a", message: "go")
        let failed = try await hub.wait(for: "a", .failed)
        try await hub.send(request)
        #expect(try await rewind(hub, "b") == .verdict(.notFound))
        #expect(try await hub.snapshot("a") == failed)
        try await worker.stop()
    }

    @Test("What continued as new is as old as it was, and goes back within its last execution") func continued()
        async throws
    {
        let hub = try await EngineHarness()
        let rounds = Orchestration("Rounds") { [call] (number: Int, context: OrchestrationContext) -> String in
            try await context.sleep(for: .seconds(60))
            if number < 3 { try context.continueAsNew(number + 1) }
            return try await context.callActivity(call, "bad")
        }
        let first = try hub.startWorker("w1", [call, rounds])
        try await hub.start("Rounds", id: "a", input: "1")
        let failed = try await hub.wait(for: "a", .failed, moving: .seconds(1))
        #expect(failed.executionID == ExecutionID("start-a~2"))
        provider.mend()
        #expect(try await rewind(hub, "a") == .verdict(.accepted))
        let ended = try await hub.wait(for: "a", .completed)
        #expect(ended.createdAt == failed.createdAt)
        #expect(ended.executionID == failed.executionID)
        hub.kill(first)
        let second = try hub.startWorker("w2", [call, rounds])
        #expect(try await hub.wait(for: "a", .completed).createdAt == failed.createdAt)
        try await second.stop()
    }

    @Test("Updates that ended before are remembered") func updates() async throws {
        let hub = try await EngineHarness()
        let rounds = Orchestration("Rounds") { [call] (number: Int, context: OrchestrationContext) -> String in
            context.handle(Update<String, String>("say")) { try await context.callActivity(call, $0) }
            try await context.waitForExternalEvent("next")
            if number < 2 { try context.continueAsNew(number + 1) }
            return try await context.callActivity(call, "bad")
        }
        let worker = try hub.startWorker("w1", [call, rounds])
        try await hub.start("Rounds", id: "a", input: "1")
        try await hub.wait(for: "a", .running)
        try await hub.update("say", "u1", of: "a", "\"x\"")
        try await hub.eventually("the update") {
            try await hub.ask(.update(InstanceID("a"), UpdateID("u1"))) == .update(.completed(Payload("\"x!\"")))
        }
        for number in 1...2 { try await hub.raise("next", to: "a", message: "next-\(number)") }
        try await hub.wait(for: "a", .failed)
        provider.mend()
        #expect(try await rewind(hub, "a") == .verdict(.accepted))
        try await hub.update("say", "u1", of: "a", "\"x\"")
        #expect(try await hub.wait(for: "a", .completed).output == Payload("\"bad!\""))
        #expect(
            try await hub.ask(.update(InstanceID("a"), UpdateID("u1"))) == .update(.completed(Payload("\"x!\""))))
        #expect(provider.runs("x") == 1)
        try await worker.stop()
    }

    @Test("What has not failed, or failed in the step in which it asked for something, is left alone")
    func refusals() async throws {
        let hub = try await EngineHarness()
        let waiting = Orchestration("Waiting") { (context: OrchestrationContext) -> String in
            try await context.waitForExternalEvent("go")
        }
        let hasty = Orchestration("Hasty") { (context: OrchestrationContext) -> String in
            context.raiseEvent(to: InstanceID("a"), "sorry")
            throw Declined()
        }
        let worker = try hub.startWorker("w1", [waiting, hasty])
        try await hub.start("Waiting", id: "a")
        try await hub.wait(for: "a", .running)
        try await hub.start("Hasty", id: "h")
        let failed = try await hub.wait(for: "h", .failed)
        #expect(try await rewind(hub, "a") == .verdict(.notFailed))
        #expect(try await rewind(hub, "none") == .verdict(.notFound))
        #expect(try await rewind(hub, "h") == .verdict(.notRewindable))
        #expect(try await hub.snapshot("h") == failed)
        try await hub.terminate("a", message: "end")
        try await hub.wait(for: "a", .terminated)
        #expect(try await rewind(hub, "a") == .verdict(.notFailed))
        try await worker.stop()
    }

    @Test("Code that failed by itself goes on under other code, from its first step too", arguments: [false, true])
    func otherCode(asksFirst: Bool) async throws {
        let hub = try await EngineHarness()
        let chain = { [call] (isMended: Bool) in
            Orchestration("Chain") { (word: String, context: OrchestrationContext) -> String in
                let said = asksFirst ? try await context.callActivity(call, word) : word
                if !isMended { throw Declined() }
                return try await context.callActivity(call, said)
            }
        }
        let first = try hub.startWorker("w1", [call, chain(false)])
        try await hub.start("Chain", id: "a", input: "\"good\"")
        try await hub.wait(for: "a", .failed)
        try await first.stop()
        let second = try hub.startWorker("w2", [call, chain(true)])
        #expect(try await rewind(hub, "a") == .verdict(.accepted))
        #expect(try await hub.wait(for: "a", .completed).output == Payload(asksFirst ? "\"good!!\"" : "\"good!\""))
        try await second.stop()
    }

    @Test("It is durable: a next owner goes on with it, from the log and from the tables", arguments: [0, 1, 64])
    func survives(batch: Int) async throws {
        let hub = try await EngineHarness()
        let blocked = Orchestration("Blocked") { [call] (_: Int, context: OrchestrationContext) -> String in
            let said = try await context.callActivity(call, "good")
            let bad = try await context.callActivity(call, "bad")
            let word: String = try await context.waitForExternalEvent("go")
            return "\(said) \(bad) \(word)"
        }
        let first = try hub.startWorker("w1", [call, blocked])
        try await hub.start("Blocked", id: "a", input: "1")
        try await hub.wait(for: "a", .failed)
        // Before the tables know that it had failed, and after.
        if batch > 0 { hub.clock.advance(by: .seconds(batch)) }
        provider.mend()
        #expect(try await rewind(hub, "a") == .verdict(.accepted))
        try await hub.eventually("the second run") { provider.runs("bad") == 2 }
        hub.kill(first)
        let second = try hub.startWorker("w2", [call, blocked])
        try await hub.raise("go", to: "a", "\"go\"", message: "go")
        #expect(try await hub.wait(for: "a", .completed).output == Payload("\"good! bad! go\""))
        #expect(provider.runs("good") == 1)
        #expect(try await types(hub, "a").count { $0 == "ExecutionRewound" } == 1)
        try await second.stop()
    }

    @Test("What is stored of it stays, and goes when it is purged") func stored() async throws {
        let hub = try await EngineHarness()
        let store = GatedPayloadStore()
        let access = try access("k1", store: store)
        let long = String(repeating: "long and longer ", count: 20)
        let worker = try hub.startWorker("w1", [call, chain], payloads: access)
        let input = try await access.sealFully(
            Payload("[\"\(long)\",\"bad\(long)\"]"), for: PayloadOwner(InstanceID("aa"), ExecutionID("start-aa")))
        try await hub.start("Chain", id: "aa", payload: input)
        try await hub.wait(for: "aa", .failed)
        provider.mend()
        #expect(try await rewind(hub, "aa") == .verdict(.accepted))
        #expect(try await output(hub, "aa", access) == "\"\(long)! bad\(long)!\"")
        #expect(store.contents.count > 3)
        _ = try await hub.ask(.purge([InstanceID("aa")]))
        try await hub.eventually("all to be gone") { store.contents.isEmpty }
        try await worker.stop()
    }
}
