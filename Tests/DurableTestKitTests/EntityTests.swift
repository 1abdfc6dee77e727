import DurableTestKit
import Testing

private let account = Entity("Account", initial: 0)
private let deposit = account.operation("deposit") { (balance: inout Int, amount: Int) -> Int in
    balance += amount
    return balance
}
private let withdraw = account.operation("withdraw") { (balance: inout Int, amount: Int) -> Int in
    if balance < amount { throw Overdrawn() }
    balance -= amount
    return balance
}

private struct Overdrawn: Error {}

@Suite("Entities under test") struct EntityTests {
    /// Takes from one, waits, gives to the other.
    private let transfer = Orchestration("Transfer") { (amount: Int, context: OrchestrationContext) -> String in
        try await context.lock([account["b"], account["a"]]) {
            do {
                _ = try await context.call(withdraw, on: "a", amount)
            } catch is EntityOperationFailure {
                return "refused"
            }
            try await context.sleep(for: .seconds(60))
            _ = try await context.call(deposit, on: "b", amount)
            return "done"
        }
    }

    @Test("Sections have entities for themselves while virtual time passes, through a crash at any await")
    func section()
        async throws
    {
        let environment = try TestOrchestrationEnvironment(deposit, withdraw)
        try environment.signal(deposit, on: "a", 100)
        let first = try environment.start(transfer, input: 70)
        let second = try environment.start(transfer, input: 70)
        try await environment.advance(by: .seconds(30))
        #expect(environment.holder(of: account, "a") == first)
        #expect(environment.holder(of: account, "b") == first)
        try environment.signal(deposit, on: "b", 1)
        try await environment.advance(by: .seconds(10))
        #expect(try environment.state(of: account, "b") == nil)
        #expect(try await environment.output(of: transfer, first) == "done")
        #expect(try await environment.output(of: transfer, second) == "refused")
        try await environment.runUntilIdle()
        #expect(try environment.state(of: account, "a") == 30)
        #expect(try environment.state(of: account, "b") == 71)
        #expect(environment.holder(of: account, "a") == nil)
        #expect(environment.instances == [first, second])
        let history = try environment.history(of: first)
        try environment.assertReplaySafe()
        #expect(try OrchestrationHistory(json: history.json) == history)
    }

    @Test("An entity that was emptied begins anew") func empty() async throws {
        let environment = try TestOrchestrationEnvironment(deposit)
        try environment.signal(deposit, on: "a", 100)
        try environment.signal(account.deletion, on: "a")
        try await environment.runUntilIdle()
        #expect(try environment.state(of: account, "a") == nil)
        try environment.signal(deposit, on: "a", 5)
        try await environment.runUntilIdle()
        #expect(try environment.state(of: account, "a") == 5)
    }

    @Test("Who waits for a section that never comes is told of it, and so is who forgot to register") func stuck()
        async throws
    {
        let keeper = Orchestration("Keeper") { (context: OrchestrationContext) in
            try await context.lock([account["a"]]) { try await context.waitForExternalEvent("never") }
        }
        let environment = try TestOrchestrationEnvironment(deposit, withdraw)
        let holder = try environment.start(keeper)
        try await environment.runUntilIdle()
        let error = await #expect(throws: OrchestrationTestError.self) {
            try await environment.run(transfer, input: 1)
        }
        #expect(error?.description.contains(holder.value) == true)
        let other = try TestOrchestrationEnvironment()
        try other.signal(deposit, on: "a", 1)
        let missing = await #expect(throws: OrchestrationTestError.self) { try await other.runUntilIdle() }
        #expect(missing?.description.contains("deposit") == true)
    }
}
