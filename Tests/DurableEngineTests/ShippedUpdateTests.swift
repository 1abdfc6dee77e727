import DurableClient
import DurableCore
import DurableEngine
import DurableMemory
import DurableTask
import DurableWorker
import Testing

private let total = Query<NoValue, Int>("total")
private let add = Update<Int, Int>("add")

private struct NegativeNumber: Error {}

@Suite("Queries, updates and cancellations of instances whose owner lacks their code") struct ShippedUpdateTests {
    /// Sums what it is told, from "open" to "enough".
    private func summing(_ validations: Counter) -> Orchestration<NoValue, Int> {
        Orchestration("Sum") { (context: OrchestrationContext) -> Int in
            let sum = context.state(0)
            context.handle(total) { sum.value }
            try await context.waitForExternalEvent("open")
            context.handle(
                add,
                validate: {
                    validations.next()
                    if $0 < 0 { throw NegativeNumber() }
                }
            ) { number in
                let _: String = try await context.callActivity("Work", "\(number)")
                sum.value += number
                return sum.value
            }
            try await context.waitForExternalEvent("enough")
            try await context.waitForHandlers()
            return sum.value
        }
    }

    @Test("An update begins where the code is, once that lets it in; what it refuses leaves nothing in the history")
    func updates() async throws {
        let fleet = CodeFleet(try await EngineHarness())
        let hub = fleet.hub
        let validations = Counter()
        let owner = try await fleet.start("w1", [])
        let helper = try await fleet.start("w2", [summing(validations)])
        let client = hub.connectedClient()
        try await hub.start("Sum", id: "a")
        try await hub.wait(for: "a", .running)
        // Nothing takes it yet: the code is asked, and then left alone.
        let early = Task { try await client.update(add, of: InstanceID("a"), 1, updateID: UpdateID("early")) }
        try await hub.eventually("the update to be passed over") {
            let (snapshot, statistics) = (try await hub.snapshot("a"), await fleet.statistics(owner))
            return snapshot?.openUpdateCount == 1 && snapshot?.holdCode == nil && statistics?.awayEpisodes == 0
                && statistics?.shippedCount == 2
        }
        try await hub.raise("open", to: "a", message: "open")
        #expect(try await hub.moving { try await early.value } == 1)
        let before = try await hub.history("a").count
        try await hub.moving { () async throws in
            let failure = await #expect(throws: UpdateFailure.self) {
                try await client.update(add, of: InstanceID("a"), -1, updateID: UpdateID("bad"))
            }
            #expect(failure?.reason == .rejected)
            #expect(failure?.details?.errorType == "NegativeNumber")
        }
        #expect(try await hub.history("a").count == before)
        let sums = try await hub.moving {
            try await withThrowingTaskGroup(of: Int.self) { group in
                for number in 1...5 {
                    group.addTask {
                        try await client.update(add, of: InstanceID("a"), number, updateID: UpdateID("u-\(number)"))
                    }
                }
                return try await group.reduce(into: [Int]()) { $0.append($1) }
            }
        }
        #expect(sums.max() == 16)
        try await hub.raise("enough", to: "a", message: "enough")
        #expect(try await hub.wait(for: "a", .completed).output == Payload("16"))
        #expect(fleet.runs.count == 6)
        let history = try await hub.history("a")
        #expect(history.count { $0.typeName == "UpdateRequested" } == 6)
        #expect(history.first?.author == EpisodeAuthor(build: "w2"))
        let statistics = try #require(await fleet.statistics(owner))
        #expect(statistics.awayEpisodes == 0 && statistics.heldInstances == 0)
        await client.close()
        try await helper.stop()
        try await owner.stop()
    }

    @Test("An update that arrives while nobody has the code waits for it, over owners") func nobody() async throws {
        let fleet = CodeFleet(try await EngineHarness())
        let hub = fleet.hub
        let code = summing(Counter())
        let owner = try await fleet.start("w1", [])
        let helper = try await fleet.start("w2", [code])
        let client = hub.connectedClient()
        try await hub.start("Sum", id: "a")
        try await hub.raise("open", to: "a", message: "open")
        try await hub.eventually("the event") { try await hub.history("a").contains { $0.typeName == "EventRaised" } }
        try await helper.stop()
        let update = Task { try await client.update(add, of: InstanceID("a"), 2, updateID: UpdateID("u")) }
        try await hub.eventually("the request") { try await hub.snapshot("a")?.openUpdateCount == 1 }
        try await owner.stop()
        let second = try await fleet.start("w3", [])
        let third = try await fleet.start("w4", [code])
        #expect(try await hub.moving { try await update.value } == 2)
        try await hub.raise("enough", to: "a", message: "enough")
        #expect(try await hub.wait(for: "a", .completed).output == Payload("2"))
        await client.close()
        try await third.stop()
        try await second.stop()
    }

    @Test("A query that the owner has no code for says so") func queries() async throws {
        let fleet = CodeFleet(try await EngineHarness())
        let hub = fleet.hub
        let owner = try await fleet.start("w1", [])
        let helper = try await fleet.start("w2", [summing(Counter())])
        let client = hub.connectedClient()
        try await hub.start("Sum", id: "a")
        try await hub.wait(for: "a", .running)
        try await hub.moving { () async throws in
            let error = await #expect(throws: ClientError.self) {
                _ = try await client.query(total, of: InstanceID("a"))
            }
            #expect(error?.code.value == "DTQ2005")
            #expect(error?.text.contains("runs on other workers") == true)
        }
        try await helper.stop()
        try await hub.moving { () async throws in
            let error = await #expect(throws: ClientError.self) {
                _ = try await client.query(total, of: InstanceID("a"))
            }
            #expect(error?.code.value == "DTQ2005")
            #expect(error?.text.contains("no worker has orchestration \"Sum\"") == true)
        }
        #expect(try await hub.snapshot("a")?.status == .running)
        await client.close()
        try await owner.stop()
    }

    @Test("A cancellation reaches code that runs elsewhere, and what that waits for") func cancellation() async throws {
        let fleet = CodeFleet(try await EngineHarness())
        let hub = fleet.hub
        let owner = try await fleet.start("w1", [])
        let parent = Orchestration("Parent") { (context: OrchestrationContext) -> Int in
            try await context.callSubOrchestration("Sum", as: Int.self)
        }
        let helper = try await fleet.start("w2", [parent, summing(Counter())])
        let client = hub.connectedClient()
        try await hub.start("Parent", id: "a")
        try await hub.eventually("the child") { try await hub.snapshot("a")?.openChildCount == 1 }
        try await hub.moving { () async throws in _ = try await client.cancel(InstanceID("a")) }
        try await hub.wait(for: "a", .canceled)
        let statistics = try #require(await fleet.statistics(owner))
        #expect(statistics.shippedCount >= 3)
        await client.close()
        try await helper.stop()
        try await owner.stop()
    }
}
