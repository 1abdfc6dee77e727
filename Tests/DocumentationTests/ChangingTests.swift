import Durable
import DurableTestKit
import Testing

// Code of the article "Change code while instances run".

let reserve = Activity("Reserve") { (order: String, _: ActivityContext) in }
let charge = Activity("Charge") { (order: String, _: ActivityContext) in }

let sell = Orchestration("Sell") { (order: String, context: OrchestrationContext) in
    if context.isPatched("reserve first") {
        try await context.callActivity(reserve, order)
        try await context.callActivity(charge, order)
    } else {
        try await context.callActivity(charge, order)
        try await context.callActivity(reserve, order)
    }
}

let sellLater = Orchestration("Sell") { (order: String, context: OrchestrationContext) in
    context.deprecatePatch("reserve first")
    try await context.callActivity(reserve, order)
    try await context.callActivity(charge, order)
}

@Suite("Article: change code while instances run") struct ChangingTests {
    @Test("What the patched code recorded fits the code that deprecates the patch")
    func fits() async throws {
        let environment = try TestOrchestrationEnvironment(reserve, charge)
        let id = InstanceID("o-1")
        _ = try await environment.run(sell, input: "tea", id: id)
        let history = try environment.history(of: id)
        #expect(history.activities.map(\.name) == ["Reserve", "Charge"])
        #expect(history.patches == ["reserve first"])
        try assertReplays(history, sellLater)
    }
}
