import DurableTestKit
import FoundationEssentials

// What the tests of the kit run: small, but as people write them.

struct Order: Codable, Hashable, Sendable {
    var id: String
    var amount: Int
}

struct CardDeclined: Error, NonRetryableError {}

let charge = Activity("Charge") { (order: Order, _: ActivityContext) -> String in "receipt-\(order.id)" }
let ship = Activity("Ship") { (order: Order, _: ActivityContext) -> String in "parcel-\(order.id)" }
let refund = Activity("Refund") { (receipt: String, _: ActivityContext) in }
let ping = Activity("Ping") { (_: ActivityContext) in }
let roll = Activity("Roll") { (_: ActivityContext) -> Int in 4 }

/// One after the other; takes back what was done when the second step fails.
let fulfil = Orchestration("Fulfil") { (order: Order, context: OrchestrationContext) -> String in
    let receipt = try await context.callActivity(charge, order)
    do {
        return try await context.callActivity(ship, order)
    } catch is ActivityFailure {
        try await context.callActivity(refund, receipt)
        return "refunded"
    }
}

/// All at once.
let fulfilAll = Orchestration("FulfilAll") { (orders: [Order], context: OrchestrationContext) -> [String] in
    try await withThrowingTaskGroup(of: String.self) { group in
        for order in orders { group.addTask { try await context.callActivity(charge, order) } }
        var receipts: [String] = []
        for try await receipt in group { receipts.append(receipt) }
        return receipts
    }
}

let day = Duration.seconds(86_400)

/// Waits for a decision and reminds every day, for at most a month.
let longApproval = Orchestration("LongApproval") { (order: Order, context: OrchestrationContext) -> String in
    for number in 1...30 {
        do {
            let decision = try await context.waitForExternalEvent("decision", as: String.self, timeout: day)
            return "\(decision) after \(number - 1) reminders"
        } catch is ExternalEventTimeout {
            context.setCustomStatus("reminded \(number) times")
            try await context.callActivity(ping)
        }
    }
    return "nobody decided"
}

/// Calls a child for each order, and starts one that nobody waits for.
let parent = Orchestration("Parent") { (orders: [Order], context: OrchestrationContext) -> [String] in
    try context.startOrchestration(report, orders.count, instanceID: InstanceID("the-report"))
    return try await withThrowingTaskGroup(of: String.self) { group in
        for order in orders {
            group.addTask {
                try await context.callSubOrchestration(fulfil, order, instanceID: InstanceID("order-\(order.id)"))
            }
        }
        return try await group.reduce(into: []) { $0.append($1) }.sorted()
    }
}

let report = Orchestration("Report") { (count: Int, context: OrchestrationContext) -> Int in
    try await context.sleep(for: .seconds(60))
    return count
}

/// Waits for so many numbers.
let receiver = Orchestration("Receiver") { (count: Int, context: OrchestrationContext) -> [Int] in
    var numbers: [Int] = []
    for _ in 0..<count { numbers.append(try await context.waitForExternalEvent("number", as: Int.self)) }
    return numbers
}

/// Sends numbers to a receiver, an hour apart.
let sender = Orchestration("Sender") { (count: Int, context: OrchestrationContext) in
    for number in 0..<count {
        context.raiseEvent(to: InstanceID("receiver"), "number", number)
        try await context.sleep(for: .seconds(3600))
    }
}

/// Runs `body` and gives what it threw, or fails the test by throwing.
func thrown<Failure: Error>(_ type: Failure.Type, _ body: () async throws -> Void) async throws -> Failure {
    do {
        try await body()
    } catch let error as Failure {
        return error
    }
    throw NothingThrown()
}

struct NothingThrown: Error {}
