import DurableBackend
import DurableCore
import DurableEngine
import DurableMemory
import DurablePayloads
import DurableTask
import DurableWorker
import Testing

@Suite("Payloads are encrypted and stored on their way, and code sees none of it") struct PayloadTests {
    private static let secret = "the secret of "

    private let echo = Activity("Echo") { (text: String, _: ActivityContext) in "\(text) echoed" }
    private let child = Orchestration("Child") { (text: String, context: OrchestrationContext) in
        context.setCustomStatus(text)
        return "\(text) by a child"
    }
    private var flow: Orchestration<String, String> {
        Orchestration("Flow") { [echo, child] (text: String, context: OrchestrationContext) in
            let once = try await context.callActivity(echo, text)
            let twice = try await context.callSubOrchestration(child, once)
            let word: String = try await context.waitForExternalEvent("go")
            return "\(twice), \(word)"
        }
    }
    private var all: [any Registrable] { [echo, child, flow] }

    private func access(
        _ keys: String..., store: (any PayloadStore)? = nil, threshold: Int? = 100
    ) throws -> PayloadPipeline {
        var codecs: [any PayloadCodec] = []
        if let current = keys.first {
            let bytes = keys.map { ($0, Array(repeating: $0.utf8.reduce(UInt8(0), &+), count: 32)) }
            codecs = [
                PayloadEncryption(
                    try PayloadKeys(current: current, keys: Dictionary(uniqueKeysWithValues: bytes)))
            ]
        }
        return PayloadPipeline(
            PayloadOptions(codecs: codecs, store: store, storeThreshold: threshold), hubID: "hub-1")
    }

    /// Starts an instance as a client with the same options does.
    private func start(
        _ hub: EngineHarness, _ name: String, id: String, _ input: String, _ access: any PayloadAccess
    ) async throws {
        let payload = try await access.sealFully(Payload("\"\(input)\""), for: PayloadOwner(InstanceID(id)))
        try await hub.send(
            Message(
                id: MessageID("start-\(id)"), instanceID: InstanceID(id),
                event: HistoryEvent(
                    timestamp: hub.clock.now(),
                    kind: .executionStarted(
                        ExecutionStarted(
                            name: name, input: payload, instanceID: InstanceID(id),
                            executionID: ExecutionID("start-\(id)"))))))
    }

    private func raise(
        _ hub: EngineHarness, _ name: String, to id: String, _ data: String, _ access: any PayloadAccess
    ) async throws {
        let payload = try await access.sealFully(Payload("\"\(data)\""), for: PayloadOwner(InstanceID(id)))
        try await hub.send(
            Message(
                id: MessageID("\(name)-\(id)-\(data.count)"), instanceID: InstanceID(id),
                event: HistoryEvent(timestamp: hub.clock.now(), kind: .eventRaised(name: name, input: payload))))
    }

    private func output(
        _ hub: EngineHarness, _ id: String, _ access: any PayloadAccess
    ) async throws -> String? {
        let snapshot = try await hub.wait(for: id, .completed)
        return try await access.openFully(snapshot.output)?.text
    }

    private func isHeld(_ hub: EngineHarness, _ id: String, _ code: String) async throws -> Bool {
        try await hub.snapshot(id)?.holdCode == code
    }

    // MARK: - Codecs

    @Test("Nothing of an encrypted instance stands in its history, and it survives a change of owner")
    func encryptsEverything() async throws {
        let hub = try await EngineHarness()
        let access = try access("k1")
        let first = try hub.startWorker("w1", all, payloads: access)
        try await start(hub, "Flow", id: "a", "\(Self.secret)a", access)
        try await hub.eventually("the child's end") { try await hub.snapshot("a")?.historyCount == 8 }
        try await first.stop()
        let second = try hub.startWorker("w2", all, payloads: access)
        try await raise(hub, "go", to: "a", "\(Self.secret)b", access)
        #expect(
            try await output(hub, "a", access) == "\"\(Self.secret)a echoed by a child, \(Self.secret)b\"")
        for id in ["a", "start-a:1"] {
            for event in try await hub.history(id) {
                guard let payload = event.payload else { continue }
                #expect(payload.sealedDescription?.hasPrefix("encrypted with key \"k1\"") == true, "\(event.typeName)")
            }
        }
        #expect(try await hub.snapshot("start-a:1")?.customStatus?.isInEnvelope == true)
        try await second.stop()
    }

    @Test("Plain instances go on under workers that encrypt") func readsWhatWasPlain() async throws {
        let hub = try await EngineHarness()
        let plain = try hub.startWorker("w1", all)
        try await start(hub, "Flow", id: "a", "plain", PlainPayloads())
        try await hub.eventually("the child's end") { try await hub.snapshot("a")?.historyCount == 8 }
        try await plain.stop()
        let access = try access("k1")
        let sealing = try hub.startWorker("w2", all, payloads: access)
        try await raise(hub, "go", to: "a", "plain", PlainPayloads())
        #expect(try await output(hub, "a", access) == "\"plain echoed by a child, plain\"")
        try await sealing.stop()
    }

    @Test("An owner without the key holds the instance, and one that has it goes on") func holdsWithoutKey()
        async throws
    {
        let hub = try await EngineHarness()
        let old = try access("k1")
        let first = try hub.startWorker("w1", all, payloads: old)
        try await start(hub, "Flow", id: "a", "x", old)
        try await hub.eventually("the child's end") { try await hub.snapshot("a")?.historyCount == 8 }
        try await first.stop()

        for (name, access) in [("w2", PlainPayloads() as any PayloadAccess), ("w3", try access("k2"))] {
            let worker = try hub.startWorker(name, all, payloads: access)
            try await raise(hub, "go", to: "a", "y", old)
            try await hub.eventually("the hold") { try await isHeld(hub, "a", "DTQ2018") }
            let held = try #require(try await hub.snapshot("a"))
            #expect(held.status == .running && held.historyCount == 8 && held.inboxCount == 1)
            #expect(held.holdText?.contains("encrypted with key \"k1\"") == true)
            // Neighbours go on.
            try await start(hub, "Child", id: "b-\(name)", "n", access)
            #expect(try await output(hub, "b-\(name)", access) == "\"n by a child\"")
            try await worker.stop()
        }

        let both = try access("k2", "k1")
        let last = try hub.startWorker("w4", all, payloads: both)
        #expect(try await output(hub, "a", both) == "\"x echoed by a child, y\"")
        #expect(
            try await hub.snapshot("a")?.output?.sealedDescription?.hasPrefix("encrypted with key \"k2\"") == true)
        try await last.stop()
    }

    @Test("A task that its worker cannot open goes to one that can") func givesTasksBack() async throws {
        let hub = try await EngineHarness()
        let access = try access("k1")
        let runs = Counter()
        let counted = Activity("Echo") { (text: String, _: ActivityContext) in
            runs.next()
            return text
        }
        let plain = try hub.startWorker("plain", [counted]) { $0.runsOrchestrations = false }
        let owner = try hub.startWorker("owner", all, payloads: access) { $0.runsActivities = false }
        try await start(hub, "Flow", id: "a", "x", access)
        try await hub.eventually("its delivery") {
            hub.broker.unacknowledgedCount(in: hub.topology.workQueue("Echo")) == 1
        }
        #expect(runs.count == 0)
        let able = try hub.startWorker("able", [counted], payloads: access) { $0.runsOrchestrations = false }
        try await hub.eventually("its run") { runs.count == 1 }
        try await raise(hub, "go", to: "a", "y", access)
        #expect(try await output(hub, "a", access) == "\"x by a child, y\"")
        #expect(runs.count == 1)
        for worker in [plain, owner, able] { try await worker.stop() }
    }

    @Test("A changed payload holds its instance and fails no other") func holdsWhatWasChanged() async throws {
        let hub = try await EngineHarness()
        let access = try access("k1")
        let worker = try hub.startWorker("w1", all, payloads: access)
        var payload = try #require(
            try await access.sealFully(Payload("\"x\""), for: PayloadOwner(InstanceID("a"))))
        payload.bytes[payload.count - 1] ^= 1
        try await hub.send(
            Message(
                id: MessageID("start-a"), instanceID: InstanceID("a"),
                event: HistoryEvent(
                    timestamp: hub.clock.now(),
                    kind: .executionStarted(
                        ExecutionStarted(
                            name: "Child", input: payload, instanceID: InstanceID("a"),
                            executionID: ExecutionID("start-a"))))))
        try await hub.eventually("the hold") { try await isHeld(hub, "a", "DTQ2018") }
        try await start(hub, "Child", id: "b", "n", access)
        #expect(try await output(hub, "b", access) == "\"n by a child\"")
        try await hub.terminate("a", message: "end")
        try await hub.wait(for: "a", .terminated)
        try await worker.stop()
    }

    @Test("Events that wait for the next execution are carried as they came") func carriesEventsOver() async throws {
        let hub = try await EngineHarness()
        let (access, store) = (try access("k1", store: GatedPayloadStore()), String(repeating: "long ", count: 50))
        let round = Orchestration("Round") { (number: Int, context: OrchestrationContext) async throws -> String in
            try await context.waitForExternalEvent("next")
            if number < 2 { try context.continueAsNew(number + 1) }
            return try await context.waitForExternalEvent("data", as: String.self)
        }
        let worker = try hub.startWorker("w1", [round], payloads: access)
        try await hub.start("Round", id: "a", input: "0")
        try await raise(hub, "data", to: "a", store, access)
        for number in 1...3 { try await hub.raise("next", to: "a", message: "next-\(number)") }
        #expect(try await output(hub, "a", access) == "\"\(store)\"")
        try await worker.stop()
    }

    // MARK: - Store

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
        try await access.remove(.instance(InstanceID("aa")))
        #expect(store.contents.count == 1)
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
        try await access.remove(.instance(InstanceID("aa")))
        #expect(store.contents.isEmpty)
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

    @Test("The owner deletes what is stored of an instance that is no more") func ownerDeletes() async throws {
        let hub = try await EngineHarness()
        let store = GatedPayloadStore()
        let access = try access(store: store)
        for id in ["aa", "bb"] {
            _ = try await access.sealFully(Payload(Self.long), for: PayloadOwner(InstanceID(id)))
        }
        let owner = try await hub.startLoneProcessor("w1", [child], epoch: 1, payloads: access)
        await owner.processor.removePayloads([.instance(InstanceID("aa"))])
        try await hub.eventually("its payloads to be gone") { store.contents.count == 1 }
        #expect(store.contents.keys.first?.hasPrefix("hub-1/bb/") == true)
        await owner.stop()
    }
}
