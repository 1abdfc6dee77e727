import DurableBackend
import DurableCore
import DurableEngine
import DurableMemory
import DurablePayloads
import DurableTask
import DurableWorker
import Testing

@Suite("Payloads of shipped episodes cross as histories hold them") struct ShippedPayloadTests: PayloadBench {
    private static let secret = "the secret of "
    private static let long = String(repeating: "long ", count: 60)

    @Test(
        "An owner that can open nothing goes on with what is encrypted, stored, or both: history and messages have nothing plain",
        arguments: [(true, true), (true, false), (false, true)], [256 << 10, 300])
    func ownerOpensNothing(_ options: (isEncrypted: Bool, isStored: Bool), shippedBytes: Int) async throws {
        let fleet = CodeFleet(try await EngineHarness())
        let hub = fleet.hub
        let store = GatedPayloadStore()
        let access =
            options.isEncrypted
            ? try access("k1", store: options.isStored ? store : nil) : try access(store: store)
        let owner = try await fleet.start("w1", []) {
            $0.runsActivities = false
            // Less than the history has: it is asked for in pages.
            $0.engine.shippedBytes = shippedBytes
        }
        let helper = try await fleet.start("w2", all, payloads: access)
        let text = Self.secret + Self.long
        try await start(hub, "Flow", id: "a", text, access)
        try await raise(hub, "go", to: "a", "\(Self.secret)b", access)
        #expect(try await output(hub, "a", access) == "\"\(text) echoed by a child, \(Self.secret)b\"")
        let statistics = try #require(await fleet.statistics(owner))
        #expect(statistics.shippedCount >= 4 && statistics.lateAnswerCount == 0)
        for id in ["a", "start-a:1"] {
            for event in try await hub.history(id) {
                guard let payload = event.payload else { continue }
                // Without a key what is short stays as it is.
                let isShort = !options.isEncrypted && payload.count <= 100
                #expect(payload.isSealed || isShort, "\(event.typeName)")
                #expect(!payload.text.contains(Self.secret) || isShort)
                #expect(try await access.openFully(payload)?.text.contains(Self.secret) == true)
            }
        }
        let status = try #require(try await hub.snapshot("start-a:1")?.customStatus)
        #expect(status.isSealed)
        if options.isStored {
            #expect(!store.contents.isEmpty)
            // Each belongs to whom it goes with: the child's result to its parent.
            for (id, execution) in [("a", "start-a"), ("start-a:1", "start-a/1")] {
                try await access.remove(.run(InstanceID(id), ExecutionID(execution)))
            }
            #expect(store.contents.keys.allSatisfy { $0.hasPrefix("hub-1/a~") && $0.contains("/-/") })
        }
        try await helper.stop()
        try await owner.stop()
    }

    @Test("A worker without the key that gets the episode: the instance is held, and goes on with one that has it")
    func withoutKey() async throws {
        let fleet = CodeFleet(try await EngineHarness())
        let hub = fleet.hub
        let access = try access("k1")
        let owner = try await fleet.start("w1", []) { $0.runsActivities = false }
        let wrong = try await fleet.start("w2", all, payloads: try self.access("k2"))
        try await start(hub, "Flow", id: "a", Self.secret, access)
        let held = try await fleet.waitForHold("a", "DTQ2018")
        #expect(held.holdText?.contains("encrypted with key \"k1\"") == true)
        #expect(held.historyCount == 0 && held.inboxCount == 1)
        let right = try await fleet.start("w3", all, payloads: access)
        try await wrong.stop()
        try await raise(hub, "go", to: "a", "b", access)
        #expect(try await output(hub, "a", access) == "\"\(Self.secret) echoed by a child, b\"")
        try await right.stop()
        try await owner.stop()
    }

    @Test("A store that fails, or does not answer: the instance is held and goes on by itself, others meanwhile")
    func storeTrouble() async throws {
        let fleet = CodeFleet(try await EngineHarness())
        let hub = fleet.hub
        let store = GatedPayloadStore()
        let access = try access(store: store)
        let owner = try await fleet.start("w1", []) { $0.engine.episodePatience = .seconds(100_000) }
        let grow = Orchestration("Grow") { (_: Int, context: OrchestrationContext) in Self.long }
        let helper = try await fleet.start("w2", all + [grow], payloads: access)
        for (id, prepare) in [
            ("failing", { store.fail("No space left on device") }), ("silent", { store.gate(puts: true) }),
        ] as [(String, () -> Void)] {
            prepare()
            try await hub.start("Grow", id: id, input: "1")
            var held: InstanceSnapshot?
            try await hub.eventually("\(id) held", moving: .milliseconds(500)) {
                held = try await hub.snapshot(id)
                return held?.holdCode == "DTQ2019"
            }
            #expect(held?.historyCount == 0 && held?.inboxCount == 1)
            try await start(hub, "Child", id: "child-\(id)", "n", access)
            #expect(try await output(hub, "child-\(id)", access) == "\"n by a child\"")
            store.fail(nil)
            store.open()
            #expect(try await output(hub, id, access) == "\"\(Self.long)\"")
        }
        try await helper.stop()
        try await owner.stop()
    }

    @Test("A stored input that does not come: the instance is held and goes on by itself") func fetchTrouble()
        async throws
    {
        let fleet = CodeFleet(try await EngineHarness())
        let hub = fleet.hub
        let store = GatedPayloadStore()
        let access = try access("k1", store: store)
        let owner = try await fleet.start("w1", [])
        try await start(hub, "Child", id: "c", Self.long, access)
        let taken = store.takeAll()
        let helper = try await fleet.start("w2", all, payloads: access)
        let held = try await fleet.waitForHold("c", "DTQ2019")
        #expect(held.historyCount == 0 && held.inboxCount == 1)
        store.bringBack(taken)
        #expect(try await output(hub, "c", access) == "\"\(Self.long) by a child\"")
        try await helper.stop()
        try await owner.stop()
    }

    @Test("Updates are shown to the code opened, and their results sealed; what cannot be opened is refused")
    func updates() async throws {
        let fleet = CodeFleet(try await EngineHarness())
        let hub = fleet.hub
        let store = GatedPayloadStore()
        let access = try access("k1", store: store)
        let collect = Orchestration("Collect") { (context: OrchestrationContext) -> [String] in
            let texts = context.state([String]())
            context.handle(Update<String, String>("add")) { text in
                texts.value.append(text)
                return "\(text) taken"
            }
            try await context.waitForExternalEvent("enough")
            try await context.waitForHandlers()
            return texts.value
        }
        let owner = try await fleet.start("w1", [])
        let helper = try await fleet.start("w2", [collect], payloads: access)
        try await hub.start("Collect", id: "a")
        try await hub.wait(for: "a", .running)
        let unreadable = try self.access("k2")
        for (id, text, access) in [
            ("u-1", Self.secret, access), ("u-2", "x", unreadable), ("u-3", Self.secret + Self.long, access),
        ] {
            let payload = try await access.sealFully(
                Payload("\"\(text)\""), for: PayloadOwner(InstanceID("a"), sentIn: MessageID(id)))
            let request = UpdateRequest(id: UpdateID(id), name: "add", input: payload)
            try await hub.send(.updateRequested(request), to: "a", message: id)
        }
        var results: [Payload] = []
        try await hub.eventually("both results") {
            results = try await hub.history("a").compactMap { event in
                if case .updateCompleted(_, let result?, nil) = event.kind { result } else { nil }
            }
            return results.count == 2
        }
        #expect(results.allSatisfy { $0.isSealed })
        #expect(try await access.openFully(results[0])?.text == "\"\(Self.secret) taken\"")
        #expect(try await access.openFully(results[1])?.text == "\"\(Self.secret + Self.long) taken\"")
        try await hub.eventually("none to wait") { try await hub.snapshot("a")?.openUpdateCount == 0 }
        let outcome = try await hub.ask(.update(InstanceID("a"), UpdateID("u-2")))
        guard case .update(.rejected(let reason))? = outcome else {
            Issue.record("the unreadable one was not refused: \(String(describing: outcome))")
            return
        }
        #expect(reason.errorType == "PayloadUnreadable")
        try await hub.raise("enough", to: "a", message: "enough")
        #expect(
            try await output(hub, "a", access) == "[\"\(Self.secret)\",\"\(Self.secret + Self.long)\"]")
        try await helper.stop()
        try await owner.stop()
    }
}
