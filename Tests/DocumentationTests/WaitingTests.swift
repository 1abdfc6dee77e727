import Durable
import DurableTestKit
import Testing

// Code of the article "Wait for time and people".

struct Item: Codable, Sendable {
    var name: String
    var cents: Int
}

struct Cart: Sendable {
    var items: [Item] = []
    var isPaid = false
    var total: Int { items.reduce(0) { $0 + $1.cents } }
}

struct NoSuchPrice: Error {}

let askForLeave = Orchestration("AskForLeave") { (days: Int, context: OrchestrationContext) -> String in
    do {
        let isGranted = try await context.waitForExternalEvent("decision", as: Bool.self, timeout: .seconds(3 * 86_400))
        return isGranted ? "granted" : "refused"
    } catch is ExternalEventTimeout {
        return "nobody decided"
    }
}

func decide(_ client: TaskHubClient) async throws {
    try await client.raiseEvent("decision", to: InstanceID("leave-eve"), true)
}

let cartTotal = Query<NoValue, Int>("total")
let addItem = Update<Item, Int>("addItem")
let pay = Update<NoValue, NoValue>("pay")

let shopping = Orchestration("Shopping") { (context: OrchestrationContext) -> Int in
    let cart = context.state(Cart())
    context.handle(cartTotal) { cart.value.total }
    context.handle(addItem, validate: { item in if item.cents < 0 { throw NoSuchPrice() } }) { item in
        cart.items.append(item)
        return cart.items.count
    }
    context.handle(pay) { cart.isPaid = true }
    try await context.wait { cart.isPaid }
    try await context.waitForHandlers()
    return cart.value.total
}

func shop(_ client: TaskHubClient, _ id: InstanceID) async throws -> Int {
    try await client.update(addItem, of: id, Item(name: "tea", cents: 450), updateID: UpdateID("click-17"))
    return try await client.query(cartTotal, of: id)
}

@Suite("Article: wait for time and people") struct WaitingTests {
    @Test("A decision in time counts")
    func decision() async throws {
        let environment = try TestOrchestrationEnvironment()
        let id = try environment.start(askForLeave, input: 3)
        environment.schedule(after: .seconds(60)) { try $0.raiseEvent("decision", to: id, true) }
        #expect(try await environment.output(of: askForLeave, id) == "granted")
        #expect(try await environment.run(askForLeave, input: 3) == "nobody decided")
        try environment.assertReplaySafe()
    }

    @Test("A cart is asked and changed until it is paid")
    func cart() async throws {
        let environment = try TestOrchestrationEnvironment()
        let id = try environment.start(shopping)
        #expect(try await environment.update(addItem, of: id, Item(name: "tea", cents: 450)) == 1)
        await #expect(throws: UpdateTestFailure.self) {
            try await environment.update(addItem, of: id, Item(name: "tea", cents: -1))
        }
        #expect(try environment.query(cartTotal, of: id) == 450)
        try await environment.update(pay, of: id)
        #expect(try await environment.output(of: shopping, id) == 450)
        try environment.assertReplaySafe()
    }
}
