import Durable

/// One account under each key.
let account = Entity("Account", initial: 0)

struct Overdrawn: NonRetryableError {}

let deposit = account.operation("deposit") { (balance: inout Int, amount: Int) -> Int in
    balance += amount
    return balance
}

let withdraw = account.operation("withdraw") { (balance: inout Int, amount: Int) -> Int in
    if balance < amount { throw Overdrawn() }
    balance -= amount
    return balance
}

let balance = account.operation("balance") { (balance: inout Int) in balance }

struct Transfer: Codable, Sendable {
    var from: String
    var to: String
    var amount: Int
}

/// Moves money between two accounts. Nobody else gets at either of them meanwhile, so that what is read is still true
/// when it is acted on; and whatever crashes, both are let go in the end.
let transfer = Orchestration("Transfer") { (order: Transfer, context: OrchestrationContext) -> String in
    try await context.lock([account[order.from], account[order.to]]) {
        guard try await context.call(balance, on: order.from) >= order.amount else { return "refused" }
        _ = try await context.call(withdraw, on: order.from, order.amount)
        _ = try await context.call(deposit, on: order.to, order.amount)
        return "done"
    }
}

struct Opening: Codable, Sendable {
    var accounts: [String]
    var amount: Int
}

let open = Orchestration("Open") { (opening: Opening, context: OrchestrationContext) in
    for key in opening.accounts { _ = try await context.call(deposit, on: key, opening.amount) }
}

/// The sum over some accounts at one moment: no transfer is half done while they are all locked.
let sum = Orchestration("Sum") { (accounts: [String], context: OrchestrationContext) -> Int in
    try await context.lock(accounts.map { account[$0] }) {
        var sum = 0
        for key in accounts { sum += try await context.call(balance, on: key) }
        return sum
    }
}

@main struct BankTransferProgram {
    static func main() async { await Worker.main(deposit, withdraw, balance, transfer, open, sum) }
}
