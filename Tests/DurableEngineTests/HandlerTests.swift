import DurableClient
import DurableCore
import DurableEngine
import DurableMemory
import DurableTask
import DurableWorker
import Testing

private let total = Query<NoValue, Int>("total")
private let times = Query<Int, Int>("times")
private let add = Update<Int, Int>("add")

private struct NegativeNumber: Error {}

@Suite("Queries and updates on the engine") struct HandlerTests {
    private let runs = Counter()

    private var check: Activity<Int, Int> {
        Activity("Check") { [runs] (number: Int, _: ActivityContext) in
            runs.next()
            return number
        }
    }

    /// Sums what it is told until somebody says that it is enough.
    private var summing: Orchestration<NoValue, Int> {
        let check = check
        return Orchestration("Sum") { context in
            let sum = context.state(0)
            context.handle(total) { sum.value }
            context.handle(times) { factor in
                if factor < 0 { throw NegativeNumber() }
                return factor * sum.value
            }
            context.handle(Query<NoValue, Int>("spoil")) {
                sum.value = 1000
                return 0
            }
            context.handle(add, validate: { if $0 < 0 { throw NegativeNumber() } }) { number in
                let checked = try await context.callActivity(check, number)
                sum.value += checked
                return sum.value
            }
            try await context.waitForExternalEvent("enough")
            try await context.waitForHandlers()
            return sum.value
        }
    }

    private func start(
        _ hub: EngineHarness, _ name: String, cacheBytes: Int = 64 << 20, _ items: [any Registrable]? = nil
    ) throws -> RunningWorker {
        try hub.startWorker(name, items ?? [check, summing]) { $0.engine.cacheBytes = cacheBytes }
    }

    private func code(_ body: () async throws -> Void) async -> ClientError? {
        await #expect(throws: ClientError.self) { try await body() }
    }

    // MARK: - Queries

    @Test(
        "A query is answered from the state there is, in memory or replayed, and leaves nothing behind",
        arguments: [0, 64 << 20])
    func queries(cacheBytes: Int) async throws {
        let hub = try await EngineHarness()
        let worker = try start(hub, "w1", cacheBytes: cacheBytes)
        let client = hub.connectedClient()
        try await hub.start("Sum", id: "a")
        try await hub.wait(for: "a", .running)
        try await hub.moving { () async throws in
            #expect(try await client.query(total, of: InstanceID("a")) == 0)
            #expect(try await client.update(add, of: InstanceID("a"), 4) == 4)
        }
        let before = try await hub.history("a").count
        try await hub.moving { () async throws in
            #expect(try await client.query(total, of: InstanceID("a")) == 4)
            #expect(try await client.query(times, of: InstanceID("a"), 3) == 12)
            let failure = await #expect(throws: FailureDetails.self) {
                try await client.query(times, of: InstanceID("a"), -1)
            }
            #expect(failure?.errorType == "NegativeNumber")
        }
        #expect(try await hub.history("a").count == before)
        try await hub.raise("enough", to: "a", message: "enough")
        #expect(try await hub.wait(for: "a", .completed).output == Payload("4"))
        try await hub.moving { () async throws in #expect(try await client.query(total, of: InstanceID("a")) == 4) }
        #expect(try await hub.history("a").count == before + 3)
        await client.close()
        try await worker.stop()
    }

    @Test("What a query may not do, or nobody can answer, gives an error that says so") func refusals() async throws {
        let hub = try await EngineHarness()
        let worker = try start(hub, "w1")
        let client = hub.connectedClient()
        try await hub.start("Sum", id: "a")
        try await hub.start("Sum", id: "later", startAt: hub.clock.now() + .seconds(3600))
        try await hub.start("Gone", id: "held")
        try await hub.wait(for: "a", .running)
        try await hub.eventually("the hold") { try await hub.snapshot("held")?.holdCode == "DTQ2005" }
        try await hub.moving { () async throws in
            let unknown = await code { _ = try await client.query(Query<NoValue, Int>("sum"), of: InstanceID("a")) }
            #expect(unknown?.code == .noHandler)
            #expect(unknown?.text.contains(#""spoil", "times", "total""#) == true)
            let misuse = await code { _ = try await client.query(Query<NoValue, Int>("spoil"), of: InstanceID("a")) }
            #expect(misuse?.code == .handlerMisuse)
            #expect(misuse?.text.contains("changed a state") == true)
            #expect(try await client.query(total, of: InstanceID("a")) == 0)
            #expect(await code { _ = try await client.query(total, of: InstanceID("later")) }?.code == .noHandler)
            #expect(await code { _ = try await client.query(total, of: InstanceID("held")) }?.code.value == "DTQ2005")
            #expect(await code { _ = try await client.query(total, of: InstanceID("none")) }?.code == .instanceNotFound)
        }
        await client.close()
        try await worker.stop()
    }

    @Test("An instance that was terminated is asked about the state its code was in") func terminated() async throws {
        let hub = try await EngineHarness()
        let worker = try start(hub, "w1")
        let client = hub.connectedClient()
        try await hub.start("Sum", id: "a")
        try await hub.wait(for: "a", .running)
        try await hub.moving { try await client.update(add, of: InstanceID("a"), 7) }
        try await hub.terminate("a", message: "end")
        try await hub.wait(for: "a", .terminated)
        try await hub.moving { () async throws in #expect(try await client.query(total, of: InstanceID("a")) == 7) }
        await client.close()
        try await worker.stop()
    }

    // MARK: - Updates

    @Test("A rejected update says why, is remembered, and leaves nothing in the history") func rejected() async throws {
        let hub = try await EngineHarness()
        let worker = try start(hub, "w1")
        let client = hub.connectedClient()
        try await hub.start("Sum", id: "a")
        try await hub.wait(for: "a", .running)
        let before = try await hub.history("a").count
        for _ in 1...2 {
            try await hub.moving { () async throws in
                let failure = await #expect(throws: UpdateFailure.self) {
                    try await client.update(add, of: InstanceID("a"), -1, updateID: UpdateID("u"))
                }
                #expect(failure?.reason == .rejected)
                #expect(failure?.details?.errorType == "NegativeNumber")
            }
        }
        #expect(try await hub.history("a").count == before)
        await client.close()
        try await worker.stop()
    }

    @Test(
        "An update runs once for its ID: asked again it gives the same answer, over owners and after the end",
        arguments: [0, 64 << 20])
    func once(cacheBytes: Int) async throws {
        let hub = try await EngineHarness()
        let first = try start(hub, "w1", cacheBytes: cacheBytes)
        let client = hub.connectedClient()
        try await hub.start("Sum", id: "a")
        @Sendable func ask() async throws -> Int {
            try await client.update(add, of: InstanceID("a"), 5, updateID: UpdateID("u"))
        }
        try await hub.moving { () async throws in
            #expect(try await ask() == 5)
            #expect(try await ask() == 5)
        }
        hub.kill(first)
        let second = try start(hub, "w2", cacheBytes: cacheBytes)
        try await hub.moving { () async throws in
            #expect(try await ask() == 5)
            #expect(try await client.update(add, of: InstanceID("a"), 1, updateID: UpdateID("v")) == 6)
        }
        try await hub.raise("enough", to: "a", message: "enough")
        #expect(try await hub.wait(for: "a", .completed).output == Payload("6"))
        try await hub.moving { () async throws in #expect(try await ask() == 5) }
        #expect(runs.count == 2)
        try await hub.moving { () async throws in
            let failure = await #expect(throws: UpdateFailure.self) {
                try await client.update(add, of: InstanceID("a"), 5, updateID: UpdateID("late"))
            }
            #expect(failure?.reason == .notBegun)
        }
        await client.close()
        try await second.stop()
    }

    @Test("An owner that is killed while a handler runs: the next one goes on with it, and the caller hears of its end")
    func killed() async throws {
        let hub = try await EngineHarness()
        let slow = Orchestration("Slow") { (context: OrchestrationContext) -> Int in
            let done = context.state(0)
            context.handle(add) { number in
                try await context.sleep(for: .seconds(60))
                done.value += number
                return done.value
            }
            try await context.wait { done.value > 0 }
            return done.value
        }
        let first = try hub.startWorker("w1", [slow])
        let client = hub.connectedClient()
        try await hub.start("Slow", id: "a")
        try await hub.wait(for: "a", .running)
        let caller = Task { try await client.update(add, of: InstanceID("a"), 3, updateID: UpdateID("u")) }
        try await hub.eventually("the handler to run") { try await hub.snapshot("a")?.openTimerCount == 1 }
        hub.kill(first)
        let second = try hub.startWorker("w2", [slow])
        #expect(try await hub.moving(.milliseconds(200)) { try await caller.value } == 3)
        #expect(try await hub.wait(for: "a", .completed).output == Payload("3"))
        await client.close()
        try await second.stop()
    }

    @Test("An update waits for its handler to be registered, and for a suspended instance to be resumed")
    func waits() async throws {
        let hub = try await EngineHarness()
        let late = Orchestration("Late") { (context: OrchestrationContext) -> Int in
            let sum = context.state(0)
            try await context.waitForExternalEvent("open")
            context.handle(add) { number in
                sum.value += number
                return sum.value
            }
            try await context.wait { sum.value > 0 }
            return sum.value
        }
        let worker = try hub.startWorker("w1", [late])
        let client = hub.connectedClient()
        try await hub.start("Late", id: "a")
        let caller = Task { try await client.update(add, of: InstanceID("a"), 3) }
        try await hub.eventually("the request") { try await hub.snapshot("a")?.openUpdateCount == 1 }
        try await hub.send(.executionSuspended(reason: nil), to: "a", message: "s-1")
        try await hub.wait(for: "a", .suspended)
        try await hub.raise("open", to: "a", message: "open")
        try await hub.eventually("the event") { try await hub.snapshot("a")?.inboxCount == 2 }
        #expect(try await hub.snapshot("a")?.openUpdateCount == 1)
        try await hub.send(.executionResumed(reason: nil), to: "a", message: "s-2")
        #expect(try await hub.moving { try await caller.value } == 3)
        #expect(try await hub.wait(for: "a", .completed).output == Payload("3"))
        await client.close()
        try await worker.stop()
    }

    @Test("Code that has no handler yet leaves an update waiting; the next worker's has, and whoever waits is answered")
    func deployed() async throws {
        let hub = try await EngineHarness()
        let deaf = Orchestration("Sum") { (context: OrchestrationContext) -> Int in
            try await context.waitForExternalEvent("enough")
            return 0
        }
        let first = try hub.startWorker("w1", [check, deaf])
        let client = hub.connectedClient()
        try await hub.start("Sum", id: "a")
        let caller = Task { try await client.update(add, of: InstanceID("a"), 3) }
        try await hub.eventually("the request") { try await hub.snapshot("a")?.openUpdateCount == 1 }
        try await first.stop()
        let second = try start(hub, "w2")
        #expect(try await hub.moving { try await caller.value } == 3)
        await client.close()
        try await second.stop()
    }

    @Test("Continue-as-new carries on what has not begun; callers of what runs are told") func continuesAsNew()
        async throws
    {
        let hub = try await EngineHarness()
        let rounds = Orchestration("Rounds") { (round: Int, context: OrchestrationContext) -> Int in
            let sum = context.state(round)
            context.handle(Update<NoValue, NoValue>("hang")) { try await context.sleep(for: .seconds(86_400)) }
            if round == 0 {
                try await context.waitForExternalEvent("next")
                try context.continueAsNew(1)
            }
            context.handle(add) { number in
                sum.value += number
                return sum.value
            }
            try await context.wait { sum.value > 1 }
            return sum.value
        }
        let worker = try hub.startWorker("w1", [rounds])
        let client = hub.connectedClient()
        try await hub.start("Rounds", id: "a", input: "0")
        let waiting = Task { try await client.update(add, of: InstanceID("a"), 3) }
        let hanging = Task { try await client.update(Update<NoValue, NoValue>("hang"), of: InstanceID("a")) }
        try await hub.eventually("both") {
            guard let snapshot = try await hub.snapshot("a") else { return false }
            return snapshot.openUpdateCount == 2 && snapshot.openTimerCount == 1
        }
        try await hub.raise("next", to: "a", message: "next")
        #expect(try await hub.moving { try await waiting.value } == 4)
        let failure = await #expect(throws: UpdateFailure.self) { try await hub.moving { try await hanging.value } }
        #expect(failure?.reason == .notFinished)
        #expect(try await hub.wait(for: "a", .completed).output == Payload("4"))
        await client.close()
        try await worker.stop()
    }

    @Test("A result over the limit fails its update, not the instance") func tooLarge() async throws {
        let hub = try await EngineHarness()
        let verbose = Orchestration("Verbose") { (context: OrchestrationContext) -> Int in
            context.handle(Update<Int, String>("text")) { String(repeating: "x", count: $0) }
            try await context.waitForExternalEvent("enough")
            return 1
        }
        let worker = try hub.startWorker("w1", [verbose]) { $0.engine.payloadLimit = 1000 }
        let client = hub.connectedClient()
        try await hub.start("Verbose", id: "a")
        try await hub.moving { () async throws in
            let failure = await #expect(throws: UpdateFailure.self) {
                try await client.update(Update<Int, String>("text"), of: InstanceID("a"), 2000)
            }
            #expect(failure?.details?.errorType == "PayloadTooLarge")
            #expect(try await client.update(Update<Int, String>("text"), of: InstanceID("a"), 3) == "xxx")
        }
        try await hub.raise("enough", to: "a", message: "enough")
        try await hub.wait(for: "a", .completed)
        await client.close()
        try await worker.stop()
    }
}
