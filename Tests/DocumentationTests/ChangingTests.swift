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

let parcel = Orchestration("Parcel", version: "1") { (order: String, context: OrchestrationContext) in
    try await context.callActivity(charge, order)
}

let insuredParcel = Orchestration("Parcel", version: "2") { (order: String, context: OrchestrationContext) in
    try await context.callActivity(reserve, order)
    try await context.callActivity(charge, order)
}

func sendParcels(_ client: TaskHubClient) async throws {
    try await client.start(insuredParcel, input: "tea", id: InstanceID("parcel-7"))
    try await client.start("Parcel", input: "tea", id: InstanceID("parcel-6"), version: "1")
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
    @Test("An instance runs on the code of its version")
    func versions() async throws {
        let environment = try TestOrchestrationEnvironment(reserve, charge)
        for (code, calls) in [(parcel, ["Charge"]), (insuredParcel, ["Reserve", "Charge"])] {
            let id = InstanceID("parcel-\(calls.count)")
            _ = try await environment.run(code, input: "tea", id: id)
            #expect(try environment.history(of: id).activities.map(\.name) == calls)
        }
    }
}
