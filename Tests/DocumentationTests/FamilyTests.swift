import Durable
import DurableTestKit
import Testing

// Code of the articles "Call other orchestrations" and "Continue as new".

let shipParcel = Orchestration("ShipParcel") { (parcel: String, context: OrchestrationContext) -> String in
    try await context.sleep(for: .seconds(86_400))
    return "\(parcel) delivered"
}

let askForReview = Orchestration("AskForReview") { (order: String, context: OrchestrationContext) in
    try await context.sleep(for: .seconds(7 * 86_400))
}

let shipOrder = Orchestration("ShipOrder") { (parcels: [String], context: OrchestrationContext) -> [String] in
    var delivered: [String] = []
    for (number, parcel) in parcels.enumerated() {
        let id = InstanceID("\(context.instanceID)-parcel-\(number)")
        delivered.append(try await context.callSubOrchestration(shipParcel, parcel, instanceID: id))
    }
    try context.startOrchestration(askForReview, context.instanceID.value)
    return delivered
}

let isUp = Activity("IsUp") { (service: String, _: ActivityContext) -> Bool in true }

struct Watch: Codable, Sendable {
    var service: String
    var looks = 0
}

let watch = Orchestration("Watch") { (watch: Watch, context: OrchestrationContext) in
    var next = watch
    while context.historyEventCount < 1000 {
        guard try await context.callActivity(isUp, watch.service) else { return }
        next.looks += 1
        try await context.sleep(for: .seconds(60))
    }
    try context.continueAsNew(next)
}

@Suite("Articles: call other orchestrations, continue as new") struct FamilyTests {
    @Test("An order is delivered parcel by parcel, then a review is asked for")
    func children() async throws {
        let environment = try TestOrchestrationEnvironment(shipParcel, askForReview)
        let id = InstanceID("o-1")
        #expect(try await environment.run(shipOrder, input: ["a", "b"], id: id) == ["a delivered", "b delivered"])
        #expect(
            try environment.history(of: id).children.map(\.instanceID.value).prefix(2) == [
                "o-1-parcel-0", "o-1-parcel-1",
            ])
        try await environment.runUntilIdle()
        try environment.assertReplaySafe()
    }

    @Test("A watch goes on over many executions, and ends with the service")
    func watching() async throws {
        let environment = try TestOrchestrationEnvironment(isUp)
        environment.mock(isUp) { _, _ in
            environment.now < Timestamp(millisecondsSinceEpoch: 1_767_225_600_000 + 86_400_000)
        }
        let id = InstanceID("watch")
        _ = try await environment.run(watch, input: Watch(service: "shop"), id: id)
        #expect(try environment.history(of: id).events.count < 1100)
        #expect(try environment.calls(of: isUp).count == 1441)
    }
}
