import DurableCore
import DurableEngine
import DurableTask
import DurableWorker
import Testing

@Suite("Patched code on the engine") struct PatchTests {
    private let activities = ["Old", "New"].map { name in
        Activity(name) { (_: ActivityContext) -> String in name }
    }

    private let before = Orchestration("Flow") { (context: OrchestrationContext) -> String in
        let way: String = try await context.callActivity("Old")
        try await context.waitForExternalEvent("go")
        return try await way + context.callActivity("Old", as: String.self)
    }

    private let after = Orchestration("Flow") { (context: OrchestrationContext) -> String in
        let way: String = try await context.callActivity(context.isPatched("new way") ? "New" : "Old")
        try await context.waitForExternalEvent("go")
        return try await way + context.callActivity(context.isPatched("new way") ? "New" : "Old", as: String.self)
    }

    private func start(
        _ hub: EngineHarness, _ name: String, _ flow: any Registrable, cacheBytes: Int = 64 << 20
    ) throws -> RunningWorker {
        try hub.startWorker(name, activities + [flow]) { configuration in
            configuration.engine.cacheBytes = cacheBytes
        }
    }

    private func waitsForGo(_ hub: EngineHarness, _ id: String) async throws {
        try await hub.eventually("\(id) to wait") {
            guard let snapshot = try await hub.snapshot(id) else { return false }
            return snapshot.openTaskCount == 0 && snapshot.inboxCount == 0 && snapshot.historyCount >= 5
        }
    }

    private func patches(_ hub: EngineHarness, _ id: String) async throws -> Int {
        try await hub.history(id).count { if case .patchRecorded = $0.kind { true } else { false } }
    }

    @Test(
        "What was under way keeps to the old way, what starts later goes the new one, over restarts of the worker",
        arguments: [0, 64 << 20])
    func deployment(cacheBytes: Int) async throws {
        let hub = try await EngineHarness()
        let first = try start(hub, "w1", before)
        try await hub.start("Flow", id: "a")
        try await waitsForGo(hub, "a")
        try await first.stop()

        let second = try start(hub, "w2", after, cacheBytes: cacheBytes)
        try await hub.start("Flow", id: "b")
        try await waitsForGo(hub, "b")
        try await second.stop()

        let third = try start(hub, "w3", after, cacheBytes: cacheBytes)
        for id in ["a", "b"] { try await hub.raise("go", to: id, message: "go-\(id)") }
        #expect(try await hub.wait(for: "a", .completed).output == Payload(#""OldOld""#))
        #expect(try await hub.wait(for: "b", .completed).output == Payload(#""NewNew""#))
        #expect(try await patches(hub, "a") == 0)
        #expect(try await patches(hub, "b") == 1)
        try await third.stop()
    }

    @Test("A worker killed after the episode that recorded the patch: the next one goes on the same way")
    func killed() async throws {
        let hub = try await EngineHarness()
        let first = try start(hub, "w1", after)
        try await hub.start("Flow", id: "a")
        try await hub.eventually("the patch") { try await (hub.snapshot("a")?.historyCount ?? 0) >= 4 }
        hub.kill(first)
        let second = try start(hub, "w2", after)
        try await hub.raise("go", to: "a", message: "go")
        #expect(try await hub.wait(for: "a", .completed).output == Payload(#""NewNew""#))
        #expect(try await patches(hub, "a") == 1)
        try await second.stop()
    }

    @Test("Code without the patch holds what recorded it, until code with it comes back")
    func rolledBack() async throws {
        let hub = try await EngineHarness()
        let first = try start(hub, "w1", after)
        try await hub.start("Flow", id: "a")
        try await waitsForGo(hub, "a")
        try await first.stop()
        let second = try start(hub, "w2", before)
        try await hub.raise("go", to: "a", message: "go")
        try await hub.eventually("the hold") { try await hub.snapshot("a")?.holdCode == "DTQ2003" }
        #expect(try await hub.snapshot("a")?.holdText?.contains(#"PatchRecorded "new way""#) == true)
        try await second.stop()
        let third = try start(hub, "w3", after)
        #expect(try await hub.wait(for: "a", .completed).output == Payload(#""NewNew""#))
        try await third.stop()
    }

    @Test("The next execution of one on the old way is patched anew") func continuesAsNew() async throws {
        func rounds(_ way: @escaping @Sendable (OrchestrationContext) -> String) -> Orchestration<[String], [String]> {
            Orchestration("Flow") { (ways: [String], context: OrchestrationContext) in
                let taken = try await ways + [context.callActivity(way(context), as: String.self)]
                try await context.waitForExternalEvent("go")
                if taken.count == 2 { return taken }
                try context.continueAsNew(taken)
            }
        }
        let hub = try await EngineHarness()
        let first = try start(hub, "w1", rounds { _ in "Old" })
        try await hub.start("Flow", id: "a", input: "[]")
        try await waitsForGo(hub, "a")
        try await first.stop()
        let second = try start(hub, "w2", rounds { $0.isPatched("new way") ? "New" : "Old" })
        try await hub.raise("go", to: "a", message: "go-1")
        try await hub.raise("go", to: "a", message: "go-2")
        #expect(try await hub.wait(for: "a", .completed).output == Payload(#"["Old","New"]"#))
        try await second.stop()
    }
}
