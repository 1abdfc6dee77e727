import DurableTestKit
import Testing

@Suite("Continue as new") struct ContinueAsNewTests {
    /// Adds a number for each event, an execution each.
    private let adding = Orchestration("Adding") { (sum: Int, context: OrchestrationContext) -> Int in
        let number = try await context.waitForExternalEvent("number", as: Int.self)
        if number == 0 { return sum }
        try await context.callActivity(ping)
        try context.continueAsNew(sum + number)
    }

    @Test("Events that nobody has taken go to the next execution, and the last one's output counts")
    func carriesOver() async throws {
        let environment = try TestOrchestrationEnvironment(ping)
        let id = try environment.start(adding, input: 0)
        for number in [1, 2, 3, 0] { try environment.raiseEvent("number", to: id, number) }
        #expect(try await environment.output(of: adding, id) == 6)
        #expect(try environment.calls(of: ping).count == 3)
        #expect(try environment.history(of: id).start?.input == Payload("6"))
        try environment.assertReplaySafe()
    }

    @Test("Every execution is checked for replay, and is a fixture of its own")
    func replay() async throws {
        let environment = try TestOrchestrationEnvironment(ping)
        let id = try environment.start(adding, input: 0)
        try environment.raiseEvent("number", to: id, 5)
        try await environment.runUntilIdle()
        #expect(try environment.status(of: id) == .running)
        try assertReplays(try environment.history(of: id), adding)
        try environment.raiseEvent("number", to: id, 0)
        #expect(try await environment.output(of: adding, id) == 5)
    }

    @Test("A monitor that goes on for ever is run as long as is wanted, and its code is checked in every execution")
    func monitor() async throws {
        let monitor = Orchestration("Monitor") { (round: Int, context: OrchestrationContext) in
            try await context.callActivity(ping)
            try await context.sleep(for: .seconds(3600))
            context.setCustomStatus(round)
            try context.continueAsNew(round + 1)
        }
        let environment = try TestOrchestrationEnvironment(ping)
        let id = try environment.start(monitor, input: 1)
        try await environment.advance(by: .seconds(100 * 3600))
        #expect(try environment.customStatus(of: id, as: Int.self) == 100)
        #expect(try environment.calls(of: ping).count == 101)
        try environment.assertReplaySafe()
    }
}
