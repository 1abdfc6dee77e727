import DurableBackend
import DurableCore
import DurableEngine
import DurableMemory
import DurableSQLite
import DurableTask
import DurableWire
import DurableWorker
import Testing

@Suite("Messages that must not be applied are set aside with their reason") struct BadMessageTests {
    private let flow = Orchestration("Flow") { (context: OrchestrationContext) -> Int in 1 }

    private func code(_ delivery: Delivery) -> String? {
        if case .string(let code)? = delivery.properties.header("dtq-code") { code } else { nil }
    }

    @Test func bytesThatCannotBeDecodedGoToTheDeadLetters() async throws {
        let hub = try await EngineHarness()
        let worker = try hub.startWorker("w1", [flow])
        let garbage = OutgoingMessage(
            exchange: hub.topology.name(.client), routingKey: "0",
            properties: MessageProperties(messageID: "bad", type: "ExecutionStarted"), body: [0xff, 0xff, 0xff, 1, 2])
        _ = try await hub.client.publish([garbage])
        try await hub.start("Flow", id: "a")
        try await hub.wait(for: "a", .completed)
        try await hub.eventually("the dead letter") { hub.deadLetters().count == 1 }
        let dead = hub.deadLetters()[0]
        #expect(dead.body == garbage.body)
        #expect(dead.properties.messageID == "bad")
        #expect(code(dead) == "DTQ3001")
        #expect(dead.properties.header("dtq-queue") == .string("dtq.test.control.0"))
        try await hub.eventually("the acknowledgement") {
            hub.broker.unacknowledgedCount(in: hub.topology.queue(.control, PartitionID(0))) == 0
        }
        try await worker.stop()
    }

    @Test func clientsCannotForgeCompletions() async throws {
        let hub = try await EngineHarness()
        let worker = try hub.startWorker("w1", [flow])
        try await hub.send(
            Message(
                id: MessageID("forged"), instanceID: InstanceID("a"), executionID: ExecutionID("x"), dispatch: 1,
                event: HistoryEvent(
                    timestamp: hub.clock.now(), kind: .taskCompleted(taskID: EventID(0), result: Payload("1")))))
        try await hub.eventually("the dead letter") { hub.deadLetters().first.flatMap(code) == "DTQ3002" }
        try await worker.stop()
    }

    @Test func payloadsOverTheLimitAreRefused() async throws {
        let hub = try await EngineHarness()
        let big = Activity("Big") { (bytes: Int, _: ActivityContext) in String(repeating: "x", count: bytes) }
        let caller = Orchestration("Caller") { (bytes: Int, context: OrchestrationContext) -> Int in
            try await context.callActivity(big, bytes).count
        }
        let returner = Orchestration("Returner") { (bytes: Int, context: OrchestrationContext) -> String in
            String(repeating: "x", count: bytes)
        }
        let worker = try hub.startWorker("w1", [big, caller, returner]) { $0.engine.payloadLimit = 1000 }
        try await hub.start("Caller", id: "a", input: "2000")
        try await hub.start("Returner", id: "b", input: "2000")
        try await hub.start("Caller", id: "c", input: "500")
        #expect(try await hub.wait(for: "a", .failed).failure?.message.contains("DTQ2007") == true)
        #expect(try await hub.wait(for: "b", .failed).failure?.message.contains("DTQ2007") == true)
        #expect(try await hub.wait(for: "c", .completed).output == Payload("500"))
        // The one has asked for its end, the other one for what was refused.
        #expect(try await hub.history("a").last?.isImposedEnd == false)
        #expect(try await hub.history("b").last?.isImposedEnd == true)
        try await hub.start("Caller", id: "d", input: "\"" + String(repeating: "y", count: 2000) + "\"")
        try await hub.eventually("the dead letter") { hub.deadLetters().first.flatMap(code) == "DTQ2007" }
        try await worker.stop()
    }

    @Test func activityThatNobodyRunsStaysInTheOutboxAndRunsWhenAWorkerComes() async throws {
        let hub = try await EngineHarness()
        let late = Activity("Late") { (value: Int, _: ActivityContext) in value + 1 }
        let caller = Orchestration("Caller") { (value: Int, context: OrchestrationContext) -> Int in
            try await context.callActivity(late, value)
        }
        let first = try hub.startWorker("w1", [caller])
        try await hub.start("Caller", id: "a", input: "1")
        try await hub.wait(for: "a", .running)
        let second = try hub.startWorker("w2", [late]) { $0.runsOrchestrations = false }
        #expect(try await hub.wait(for: "a", .completed).output == Payload("2"))
        try await first.stop()
        try await second.stop()
    }
}
