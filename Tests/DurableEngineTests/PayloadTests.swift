import DurableBackend
import DurableCore
import DurableEngine
import DurableMemory
import DurablePayloads
import DurableTask
import DurableWorker
import Testing

@Suite("Payloads are encrypted and stored on their way, and code sees none of it") struct PayloadTests: PayloadBench {
    private static let secret = "the secret of "

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
            try await access.sealFully(Payload("\"x\""), for: PayloadOwner(InstanceID("a"), ExecutionID("x"))))
        payload.bytes[payload.count - 1] ^= 1
        try await hub.send(
            .executionStarted(
                ExecutionStarted(
                    name: "Child", input: payload, instanceID: InstanceID("a"),
                    executionID: ExecutionID("start-a"))), to: "a", message: "start-a")
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
}
