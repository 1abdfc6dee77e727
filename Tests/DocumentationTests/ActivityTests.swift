import Durable
import DurableTestKit
import Testing

// Code of the article "Call activities".

struct Payment: Codable, Sendable {
    var card: String
    var cents: Int
    /// So that the bank can tell a repetition.
    var key: String?
}

struct Clip: Codable, Sendable {
    var frameCount: Int
    func encode(_ frame: Int) throws {}
}

struct Bank: Sendable {
    func charge(_ payment: Payment) async throws -> String { "receipt for \(payment.cents)" }
}

func makeCharge(_ bank: Bank) -> Activity<Payment, String> {
    Activity("Charge") { payment, context in
        var payment = payment
        payment.key = context.idempotencyKey
        return try await bank.charge(payment)
    }
}

let encodeClip = Activity("EncodeClip") { (clip: Clip, context: ActivityContext) in
    for frame in try (context.lastHeartbeat() ?? 0)..<clip.frameCount {
        try clip.encode(frame)
        try context.heartbeat(frame + 1)
    }
}

let encodeInTime = Orchestration("EncodeInTime") { (clip: Clip, context: OrchestrationContext) -> Bool in
    try await withThrowingTaskGroup(of: Bool.self) { group in
        group.addTask {
            try await context.callActivity(encodeClip, clip)
            return true
        }
        group.addTask {
            try await context.sleep(for: .seconds(3600))
            return false
        }
        let isDone = try await group.next() ?? false
        group.cancelAll()
        return isDone
    }
}

@Suite("Article: call activities") struct ActivityTests {
    @Test("The idempotency key names the request")
    func key() async throws {
        let context = ActivityContext(
            name: "Charge", instanceID: InstanceID("o-1"), executionID: ExecutionID("e"), taskID: EventID(2))
        #expect(try await makeCharge(Bank())(Payment(card: "4", cents: 12), context) == "receipt for 12")
        #expect(context.idempotencyKey == "o-1/e/2")
    }

    @Test("A clip is encoded in time, or given up")
    func inTime() async throws {
        let environment = try TestOrchestrationEnvironment(encodeClip)
        #expect(try await environment.run(encodeInTime, input: Clip(frameCount: 3)))
        environment.mock(encodeClip, taking: .seconds(7200)) { _ in }
        #expect(try await !environment.run(encodeInTime, input: Clip(frameCount: 3)))
        try environment.assertReplaySafe()
    }
}
