import DurableBackend
import DurableCore
import DurableEngine
import DurableMemory
import DurablePayloads
import DurableTask
import DurableWorker
import Testing

@Suite("Large payloads are stored, fetched and deleted", .timeLimit(.minutes(5))) struct PayloadStoreTests: PayloadBench
{
    private static let long = String(repeating: "long and longer ", count: 20)

    @Test("Large payloads are stored under who needs them longest, and survive a change of owner")
    func storesLargePayloads() async throws {
        let hub = try await EngineHarness()
        let store = GatedPayloadStore()
        let access = try access(store: store)
        let first = try hub.startWorker("w1", all, payloads: access)
        try await start(hub, "Flow", id: "aa", Self.long, access)
        try await hub.eventually("the child's end") { try await hub.snapshot("aa")?.historyCount == 8 }
        try await first.stop()
        let second = try hub.startWorker("w2", all, payloads: access)
        try await raise(hub, "go", to: "aa", Self.long, access)
        #expect(try await output(hub, "aa", access) == "\"\(Self.long) echoed by a child, \(Self.long)\"")
        for event in try await hub.history("aa") {
            if let payload = event.payload { #expect(payload.count < 250, "\(event.typeName)") }
        }
        // Input, result of the activity, result of the child, event, output; the child has its input, which is its status too.
        let owners = store.contents.keys.map { $0.split(separator: "/")[1] }
        #expect(owners.count { $0 == "aa" } == 5)
        #expect(owners.count { $0 != "aa" } == 1)
        _ = try await hub.ask(.purge([InstanceID("aa")]))
        try await hub.eventually("all but the child's to be gone") { store.contents.count == 1 }
        try await second.stop()
    }

    @Test("While one instance waits for the store, its neighbours go on, and the next owner finds it")
    func waitsAlone() async throws {
        let hub = try await EngineHarness()
        let store = GatedPayloadStore()
        let access = try access(store: store)
        store.gate(gets: true)
        let first = try hub.startWorker("w1", all, payloads: access)
        try await start(hub, "Child", id: "a", Self.long, access)
        try await hub.eventually("the wait") { try await isHeld(hub, "a", "DTQ2019") }
        #expect(try await hub.snapshot("a")?.holdText?.contains("being fetched from the payload store") == true)
        try await start(hub, "Child", id: "b", "n", access)
        #expect(try await output(hub, "b", PlainPayloads()) == "\"n by a child\"")
        hub.kill(first)
        let second = try hub.startWorker("w2", all, payloads: access)
        try await hub.eventually("the second worker's asking") { store.getCount >= 2 }
        store.open()
        #expect(try await output(hub, "a", access) == "\"\(Self.long) by a child\"")
        #expect(try await hub.snapshot("a")?.holdCode == nil)
        try await second.stop()
    }

    @Test("Replay is given stored payloads part by part") func replaysInParts() async throws {
        let hub = try await EngineHarness()
        let store = GatedPayloadStore()
        let access = try access(store: store)
        let many = Orchestration("Many") { [echo] (text: String, context: OrchestrationContext) in
            var sum = 0
            for number in 0..<150 { sum += try await context.callActivity(echo, "\(number) \(text)").count }
            try await context.waitForExternalEvent("go")
            return sum
        }
        let first = try hub.startWorker("w1", [echo, many], payloads: access) { $0.engine.checksReplay = false }
        try await start(hub, "Many", id: "a", Self.long, access)
        try await hub.eventually("all activities") { try await hub.snapshot("a")?.historyCount == 452 }
        try await first.stop()
        let before = store.getCount
        let second = try hub.startWorker("w2", [echo, many], payloads: access)
        try await hub.raise("go", to: "a", message: "go")
        let expected = (0..<150).reduce(0) { $0 + "\($1) \(Self.long) echoed".count }
        #expect(try await output(hub, "a", access) == "\(expected)")
        // Input and results, each once.
        #expect(store.getCount - before == 151)
        try await second.stop()
    }

    @Test("What is missing from the store holds its instance until it is back") func waitsForMissingPayloads()
        async throws
    {
        let hub = try await EngineHarness()
        let store = GatedPayloadStore()
        let access = try access(store: store)
        try await start(hub, "Child", id: "a", Self.long, access)
        let contents = store.takeAll()
        let worker = try hub.startWorker("w1", all, payloads: access)
        try await hub.eventually("the reason") {
            try await hub.snapshot("a")?.holdText?.contains("payload store memory has no hub-1/") == true
        }
        store.bringBack(contents)
        #expect(try await output(hub, "a", access) == "\"\(Self.long) by a child\"")
        try await worker.stop()
    }

    @Test("A worker without the store holds what is stored") func holdsWithoutStore() async throws {
        let hub = try await EngineHarness()
        let access = try access(store: GatedPayloadStore())
        let plain = try hub.startWorker("w1", all)
        try await start(hub, "Child", id: "a", Self.long, access)
        try await hub.eventually("the hold") { try await isHeld(hub, "a", "DTQ2019") }
        try await plain.stop()
        let able = try hub.startWorker("w2", all, payloads: access)
        #expect(try await output(hub, "a", access) == "\"\(Self.long) by a child\"")
        try await able.stop()
    }

    @Test("With a full store an orchestration is held and goes on when there is room") func survivesAFullStore()
        async throws
    {
        let hub = try await EngineHarness()
        let store = GatedPayloadStore()
        let access = try access(store: store)
        let grow = Orchestration("Grow") { (_: Int, _: OrchestrationContext) in Self.long }
        let worker = try hub.startWorker("w1", [grow, child], payloads: access)
        store.fail("No space left on device")
        try await hub.start("Grow", id: "a", input: "1")
        try await hub.eventually("the hold") { try await isHeld(hub, "a", "DTQ2019") }
        let held = try #require(try await hub.snapshot("a"))
        #expect(held.holdText?.contains("No space left on device") == true)
        #expect(held.historyCount == 0 && held.inboxCount == 1)
        try await start(hub, "Child", id: "b", "n", PlainPayloads())
        #expect(try await output(hub, "b", PlainPayloads()) == "\"n by a child\"")
        store.fail(nil)
        #expect(try await output(hub, "a", access) == "\"\(Self.long)\"")
        try await worker.stop()
    }

    @Test("With a full store an activity fails so that a retry helps") func retriesActivities() async throws {
        let hub = try await EngineHarness()
        let store = GatedPayloadStore()
        let access = try access(store: store)
        let runs = Counter()
        let produce = Activity("Produce") { (_: Int, _: ActivityContext) in
            if runs.next() == 2 { store.fail(nil) }
            return Self.long
        }
        let flow = Orchestration("Flow") { (_: Int, context: OrchestrationContext) -> String in
            try await context.callActivity(
                produce, 1, retry: RetryPolicy(maximumAttempts: 3, firstInterval: .seconds(1)))
        }
        let worker = try hub.startWorker("w1", [produce, flow], payloads: access)
        store.fail("No space left on device")
        try await hub.start("Flow", id: "a", input: "1")
        #expect(try await output(hub, "a", access) == "\"\(Self.long)\"")
        let failures = try await hub.history("a").compactMap { event -> FailureDetails? in
            if case .taskFailed(_, let failure) = event.kind { failure } else { nil }
        }
        #expect(failures.map(\.errorType) == ["PayloadUnavailable"])
        #expect(failures.first?.isNonRetryable == false)
        try await worker.stop()
    }

    @Test("A crash between store and checkpoint leaves what is deleted with the instance")
    func survivesCrashAfterStore()
        async throws
    {
        let hub = try await EngineHarness()
        let store = GatedPayloadStore()
        let access = try access("k1", store: store)
        let grow = Orchestration("Grow") { (_: Int, _: OrchestrationContext) in Self.long }
        store.gate(puts: true)
        let first = try hub.startWorker("w1", [grow], payloads: access)
        try await hub.start("Grow", id: "aa", input: "1")
        try await hub.eventually("the store to have it", moving: .zero) { store.waitingCount == 1 }
        hub.kill(first)
        let second = try hub.startWorker("w2", [grow], payloads: access)
        try await hub.eventually("the next owner to store it") { store.waitingCount == 2 }
        store.open()
        #expect(try await output(hub, "aa", access) == "\"\(Self.long)\"")
        // Encrypted anew: the first one is an orphan.
        #expect(store.contents.count == 2)
        _ = try await hub.ask(.purge([InstanceID("aa")]))
        try await hub.eventually("both to be gone") { store.contents.isEmpty }
        try await second.stop()
    }

    @Test("A store that does not answer delays neighbours once, not for ever") func passesByASilentStore() async throws
    {
        let hub = try await EngineHarness()
        let store = GatedPayloadStore()
        let access = try access(store: store)
        let grow = Orchestration("Grow") { (_: Int, _: OrchestrationContext) in Self.long }
        let worker = try hub.startWorker("w1", [grow, child], payloads: access)
        store.gate(puts: true)
        try await hub.start("Grow", id: "a", input: "1")
        try await hub.eventually("the hold", moving: .seconds(1)) { try await isHeld(hub, "a", "DTQ2019") }
        try await start(hub, "Child", id: "b", "n", PlainPayloads())
        #expect(try await output(hub, "b", PlainPayloads()) == "\"n by a child\"")
        store.open()
        #expect(try await output(hub, "a", access) == "\"\(Self.long)\"")
        try await worker.stop()
    }

    @Test("A large event that comes while the one before is fetched delays its instance and no more")
    func fetchesOneAfterTheOther() async throws {
        let hub = try await EngineHarness()
        let store = GatedPayloadStore()
        let access = try access(store: store)
        let worker = try hub.startWorker("w1", all, payloads: access)
        store.gate(gets: true)
        try await start(hub, "Flow", id: "aa", Self.long, access)
        try await hub.eventually("the input to be fetched") { store.waitingCount == 1 }
        try await raise(hub, "go", to: "aa", Self.long, access)
        try await hub.eventually("the event") { try await hub.snapshot("aa")?.inboxCount == 2 }
        store.open()
        #expect(try await output(hub, "aa", access) == "\"\(Self.long) echoed by a child, \(Self.long)\"")
        try await worker.stop()
    }

    // MARK: - Deleting

    @Test(
        "What is sent to a purged ID before it is purged is there for the next instance of that ID",
        arguments: [true, false])
    func keepsWhatIsSentToTheNext(expires: Bool) async throws {
        let hub = try await EngineHarness(retention: expires ? .seconds(60) : nil)
        let store = GatedPayloadStore()
        let access = try access(store: store)
        let worker = try hub.startWorker("w1", all, payloads: access) { $0.engine.retentionDelay = .zero }
        let id = InstanceID("aa")
        try await start(hub, "Flow", id: "aa", Self.long, access)
        try await raise(hub, "go", to: "aa", Self.long, access)
        _ = try await output(hub, "aa", access)
        // The next client seals the same content, and is slow to send it.
        let input = try await access.sealFully(Payload("\"\(Self.long)\""), for: PayloadOwner(id, ExecutionID("again")))
        let data = try await access.sealFully(
            Payload("\"\(Self.long)\""), for: PayloadOwner(id, sentIn: MessageID("go-again")))
        let next = Set(store.contents.keys.filter { $0.contains("again") })
        #expect(next.count == 2)
        if expires {
            try await hub.eventually("the purge", moving: .seconds(30)) {
                try await hub.ask(.status(id)) == .notFound
            }
        } else {
            _ = try await hub.ask(.purge([id]))
        }
        try await hub.eventually("the former's payloads to be gone") {
            Set(store.contents.keys.filter { $0.hasPrefix("hub-1/aa/") }) == next
        }
        try await hub.start("Flow", id: "aa", payload: input, message: "again")
        try await hub.raise("go", to: "aa", payload: data, message: "go-again")
        #expect(try await output(hub, "aa", access) == "\"\(Self.long) echoed by a child, \(Self.long)\"")
        try await worker.stop()
    }

    @Test("An instance that continues as new leaves nothing of the events it took, and all of those it did not")
    func forgetsEvents() async throws {
        let hub = try await EngineHarness()
        let store = GatedPayloadStore()
        let access = try access(store: store)
        let rounds = Orchestration("Rounds") { (number: Int, context: OrchestrationContext) -> String in
            let data: String = try await context.waitForExternalEvent("data")
            if number < 3 { try context.continueAsNew(number + 1) }
            return data
        }
        let worker = try hub.startWorker("w1", [rounds], payloads: access)
        try await hub.start("Rounds", id: "aa", input: "1")
        for number in 1...3 {
            try await raise(hub, "data", to: "aa", Self.long + String(repeating: "+", count: number), access)
        }
        #expect(try await output(hub, "aa", access) == "\"\(Self.long)+++\"")
        // The last one's, and the output.
        try await hub.eventually("the others to be gone") { store.contents.count == 2 }
        _ = try await hub.ask(.purge([InstanceID("aa")]))
        try await hub.eventually("all to be gone") { store.contents.isEmpty }
        try await worker.stop()
    }

    @Test("What cannot be deleted now is deleted when the store is back, in order") func deletesLater() async throws {
        let hub = try await EngineHarness()
        let store = GatedPayloadStore()
        let access = try access(store: store)
        let owner = try await hub.startLoneProcessor("w1", [child], epoch: 1, payloads: access)
        let scopes = ["aa", "bb", "cc"].map { PayloadScope.run(InstanceID($0), ExecutionID("r1")) }
        for case .run(let id, let run) in scopes {
            _ = try await access.sealFully(Payload(Self.long), for: PayloadOwner(id, run))
        }
        store.fail("not mounted")
        await owner.processor.removePayloads(Array(scopes.prefix(2)))
        try await hub.eventually("it to be tried", moving: .seconds(1)) { store.failureCount >= 2 }
        #expect(store.contents.count == 3)
        store.fail(nil)
        try await hub.eventually("both to be gone", moving: .seconds(60)) { store.contents.count == 1 }
        #expect(store.contents.keys.first?.hasPrefix("hub-1/cc/") == true)
        await owner.stop()
    }

    // MARK: - Updates

    @Test("Updates that wait for the store are not forgotten, one after the other") func storesUpdates() async throws {
        let hub = try await EngineHarness()
        let store = GatedPayloadStore()
        let access = try access(store: store, threshold: 0)
        let counting = Orchestration("Counting") { (context: OrchestrationContext) -> Int in
            let sum = context.state(0)
            context.handle(Update<Int, Int>("add")) { number in
                sum.value += number
                return sum.value
            }
            try await context.waitForExternalEvent("enough")
            try await context.waitForHandlers()
            return sum.value
        }
        let worker = try hub.startWorker("w1", [counting], payloads: access)
        try await hub.start("Counting", id: "a")
        try await hub.wait(for: "a", .running)
        for number in 1...5 { try await hub.update("add", "u\(number)", of: "a", "\(number)") }
        try await hub.eventually("all to have ended") {
            try await hub.history("a").count { if case .updateCompleted = $0.kind { true } else { false } } == 5
        }
        try await hub.raise("enough", to: "a", message: "enough")
        #expect(try await output(hub, "a", access) == "15")
        try await worker.stop()
    }

    @Test("An update whose input cannot be read is rejected, and its instance goes on") func rejectsUnreadableUpdates()
        async throws
    {
        let hub = try await EngineHarness()
        let (access, foreign) = (try access("k1"), try access("k2"))
        let counting = Orchestration("Counting") { (context: OrchestrationContext) -> Int in
            context.handle(Update<Int, Int>("add")) { $0 }
            return try await context.waitForExternalEvent("enough", as: Int.self)
        }
        let worker = try hub.startWorker("w1", [counting], payloads: access)
        try await hub.start("Counting", id: "a")
        try await hub.wait(for: "a", .running)
        let sealed = try await foreign.sealFully(
            Payload("1"), for: PayloadOwner(InstanceID("a"), sentIn: MessageID("u1")))
        try await hub.send(
            .updateRequested(UpdateRequest(id: UpdateID("u1"), name: "add", input: sealed)), to: "a", message: "u1")
        var failure = FailureDetails(errorType: "", message: "")
        try await hub.eventually("its rejection") {
            guard case .update(.rejected(let found))? = try await hub.ask(.update(InstanceID("a"), UpdateID("u1")))
            else { return false }
            failure = found
            return true
        }
        #expect(failure.errorType == "PayloadUnreadable")
        #expect(failure.message.contains("DTQ2018"))
        #expect(try await hub.snapshot("a")?.holdCode == nil)
        try await hub.raise("enough", to: "a", "3", message: "enough")
        #expect(try await output(hub, "a", access) == "3")
        try await worker.stop()
    }
}
