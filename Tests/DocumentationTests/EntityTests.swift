import Durable
import DurableTestKit
import Testing

// Code of the article "Keep state in entities".

struct Overdrawn: NonRetryableError {}

struct Prize: Codable, Sendable {
    var winner: String
    var amount: Int
}

struct Transfer: Codable, Sendable {
    var from: String
    var to: String
    var amount: Int
}

let account = Entity("Account", initial: 0)

let balance = account.operation("balance") { (balance: inout Int) in balance }

let deposit = account.operation("deposit") { (balance: inout Int, amount: Int) -> Int in
    balance += amount
    return balance
}

let withdraw = account.operation("withdraw") { (balance: inout Int, amount: Int) -> Int in
    if balance < amount { throw Overdrawn() }
    balance -= amount
    return balance
}

let payOut = Orchestration("PayOut") { (prize: Prize, context: OrchestrationContext) -> Bool in
    context.signal(deposit, on: "\(prize.winner)/points", 1)
    do {
        _ = try await context.call(withdraw, on: "treasury", prize.amount)
    } catch is EntityOperationFailure {
        return false
    }
    _ = try await context.call(deposit, on: prize.winner, prize.amount)
    return true
}

func donate(_ client: TaskHubClient, _ amount: Int, receipt: String) async throws -> Int? {
    try await client.signal(deposit, on: "treasury", amount, requestID: receipt)
    return try await client.state(of: account, "treasury")
}

let close = account.operation("close") { (balance: inout Int, heir: String, context: EntityContext) in
    context.signal(deposit, on: heir, balance)
    context.removeState()
    return NoValue()
}

let transfer = Orchestration("Transfer") { (order: Transfer, context: OrchestrationContext) -> String in
    try await context.lock([account[order.from], account[order.to]]) {
        guard try await context.call(balance, on: order.from) >= order.amount else { return "refused" }
        _ = try await context.call(withdraw, on: order.from, order.amount)
        _ = try await context.call(deposit, on: order.to, order.amount)
        return "done"
    }
}

@Suite("Article: keep state in entities") struct EntityTests {
    @Test("A prize is paid out of the treasury as far as it goes")
    func prizes() async throws {
        let environment = try TestOrchestrationEnvironment(balance, deposit, withdraw)
        try environment.signal(deposit, on: "treasury", 10)
        #expect(try await environment.run(payOut, input: Prize(winner: "eve", amount: 8)))
        #expect(try await environment.run(payOut, input: Prize(winner: "eve", amount: 8)) == false)
        try await environment.runUntilIdle()
        #expect(try environment.state(of: account, "treasury") == 2)
        #expect(try environment.state(of: account, "eve") == 8)
        #expect(try environment.state(of: account, "eve/points") == 2)
        try environment.assertReplaySafe()
    }

    @Test("A transfer moves what is there, and an account that is closed leaves it to its heir")
    func transfers() async throws {
        let environment = try TestOrchestrationEnvironment(balance, deposit, withdraw, close)
        try environment.signal(deposit, on: "eve", 5)
        #expect(try await environment.run(transfer, input: Transfer(from: "eve", to: "bob", amount: 3)) == "done")
        #expect(try await environment.run(transfer, input: Transfer(from: "eve", to: "bob", amount: 3)) == "refused")
        try environment.signal(close, on: "eve", "bob")
        try await environment.runUntilIdle()
        #expect(try environment.state(of: account, "eve") == nil)
        #expect(try environment.state(of: account, "bob") == 5)
        #expect(environment.holder(of: account, "bob") == nil)
        try environment.assertReplaySafe()
    }
}
