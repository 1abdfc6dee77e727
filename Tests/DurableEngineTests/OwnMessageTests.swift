import DurableBackend
import DurableCore
import DurableEngine
import DurableMemory
import DurableSQLite
import DurableTask
import DurableWorker
import Testing

@Suite("Messages of a partition to itself") struct OwnMessageTests {
    @Test("They stay in the log until they are applied, though the broker confirmed and then lost them")
    func survivesALostQueue() async throws {
        let hub = try await EngineHarness()
        let nobody = Activity("Nobody") { (_: ActivityContext) -> Int in 1 }
        let receiver = Orchestration("Receiver") { (context: OrchestrationContext) -> Int in
            try await context.waitForExternalEvent("tick", as: Int.self)
        }
        let sender = Orchestration("Sender") { (context: OrchestrationContext) -> Int in
            context.raiseEvent(to: InstanceID("r"), "tick", 7)
            return try await context.callActivity(nobody)
        }
        // Full as soon as one task waits for a queue: the message is delivered and not taken.
        let first = try hub.startWorker("w1", [receiver, sender]) { $0.engine.outboxBytes = 0 }
        try await hub.start("Receiver", id: "r")
        try await hub.wait(for: "r", .running)
        try await hub.start("Sender", id: "s")
        let control = hub.topology.queue(.control, PartitionID(0))
        try await hub.wait(for: "s", .running)
        try await hub.eventually("the delivery") { hub.broker.unacknowledgedCount(in: control) == 1 }
        try await first.stop()
        let lost = try await hub.client.get(queue: control, count: 10, peek: false)
        #expect(lost.contains { $0.properties.type == "EventRaised" })

        let second = try hub.startWorker("w2", [receiver, sender])
        #expect(try await hub.wait(for: "r", .completed).output == Payload("7"))
        try await second.stop()
        let outbox = try hub.storage.open(PartitionID(0)).store.recover().state.pendingOutbox
        #expect(outbox.count == 1)
    }
}
