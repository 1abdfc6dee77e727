import DurableTestKit
import Testing

@Suite("Rewinding under test") struct RewindTests {
    /// Charges, waits an hour, ships: what fails fails it.
    private let order = Orchestration("Order") { (order: Order, context: OrchestrationContext) -> String in
        let receipt = try await context.callActivity(charge, order)
        try await context.sleep(for: .seconds(3600))
        return try await "\(receipt), \(context.callActivity(ship, order))"
    }
    private var batch: Orchestration<[Order], [String]> {
        Orchestration("Batch") { [order] (orders: [Order], context: OrchestrationContext) in
            var done: [String] = []
            for one in orders { done.append(try await context.callSubOrchestration(order, one)) }
            return done
        }
    }

    @Test("What failed runs again when it is mended, what succeeded does not, in sub-orchestrations too")
    func goesOn() async throws {
        let environment = try TestOrchestrationEnvironment(charge, ship, order)
        let id = try environment.start(batch, input: [Order(id: "1", amount: 1), Order(id: "2", amount: 2)])
        environment.fail(ship)
        try await environment.runUntilIdle()
        #expect(try environment.status(of: id) == .failed)
        environment.fail(ship, next: 0)
        try environment.rewind(id, reason: "mended")
        #expect(
            try await environment.output(of: batch, id) == ["receipt-1, parcel-1", "receipt-2, parcel-2"])
        #expect(try environment.calls(of: charge).count == 2)
        #expect(try environment.calls(of: ship).count == 3)
        try environment.assertReplaySafe()
        let history = try environment.history(of: id)
        #expect(history.events.count { $0.typeName == "ExecutionRewound" } == 1)
        #expect(!history.events.contains { $0.typeName == "SubOrchestrationInstanceFailed" })
        try assertReplays(history, batch)
    }

    @Test("What has not failed, and code that asked for something as it failed, cannot be rewound")
    func refuses() async throws {
        let environment = try TestOrchestrationEnvironment(charge, ship)
        let id = try environment.start(order, input: Order(id: "1", amount: 1))
        let running = try await thrown(OrchestrationTestError.self) { try environment.rewind(id) }
        #expect(running.code == .notRewindable)
        let hasty = Orchestration("Hasty") { (context: OrchestrationContext) in
            context.raiseEvent(to: id, "sorry")
            throw CardDeclined()
        }
        let second = try environment.start(hasty)
        try await environment.runUntilIdle()
        #expect(try environment.status(of: second) == .failed)
        let refused = try await thrown(OrchestrationTestError.self) { try environment.rewind(second) }
        #expect(refused.code == .notRewindable)
        #expect(refused.description.contains("cannot be rewound"))
    }
}
