import DurableBackend
import DurableCore
import DurableEngine
import DurableMemory
import DurableSQLite
import DurableTask
import DurableWire
import DurableWorker
import Testing

@Suite("Messages to other partitions") struct SentMessageTests {
    private let receiver = Orchestration("Receiver") { (context: OrchestrationContext) -> [Int] in
        var values: [Int] = []
        for _ in 0..<3 { values.append(try await context.waitForExternalEvent("tick", as: Int.self)) }
        return values
    }
    private let sender = Orchestration("Sender") { (values: [Int], context: OrchestrationContext) -> Int in
        for value in values { context.raiseEvent(to: InstanceID("receiver"), "tick", value) }
        return values.count
    }

    /// An ID of the given partition of two.
    private func id(_ prefix: String, in partition: PartitionID) -> String {
        for number in 0... {
            let id = "\(prefix)-\(number)"
            if InstanceID(id).partition(of: 2) == partition { return id }
        }
        preconditionFailure("some ID falls into each partition")
    }

    private var receiving: PartitionID { InstanceID("receiver").partition(of: 2) }
    private var sending: PartitionID { PartitionID(1 - receiving.index) }

    private func kept(_ hub: EngineHarness) throws -> Int {
        let store = try hub.storage.open(sending).store
        defer { store.close() }
        return try store.sent(after: nil, byteLimit: .max).count
    }

    private func redrive(_ hub: EngineHarness, _ partition: PartitionID) async throws -> Redriven? {
        if case .redriven(let redriven)? = try await hub.ask(.redrive, partition: partition.index) { return redriven }
        return nil
    }

    @Test("What a queue lost after its confirm comes again when asked, in order and once")
    func survivesALostQueue() async throws {
        let hub = try await EngineHarness(partitions: 2)
        let control = hub.topology.queue(.control, receiving)
        // Nobody can own the receiving partition.
        _ = try await hub.client.get(queue: hub.topology.queue(.own, receiving), count: 10, peek: false)
        let worker = try hub.startWorker("w1", [receiver, sender])
        try await hub.start("Sender", id: id("a", in: sending), input: "[1,2]")
        try await hub.eventually("the messages in the queue", moving: .milliseconds(1)) {
            hub.broker.readyMessages(in: control).count { $0.properties.type == "EventRaised" } == 2
        }
        try await hub.eventually("the confirm in the tables", moving: .milliseconds(10)) { try kept(hub) == 2 }
        hub.broker.purge(control)

        _ = try await hub.client.publish([hub.topology.baton(for: receiving, at: hub.clock.now())])
        try await hub.start("Receiver", id: "receiver")
        try await hub.wait(for: "receiver", .running)
        // What is sent later waits for what was lost.
        try await hub.start("Sender", id: id("b", in: sending), input: "[3]")
        try await hub.wait(for: id("b", in: sending), .completed)
        var redriven: Redriven?
        try await hub.eventually("the owner to send again") {
            redriven = try await redrive(hub, sending)
            return redriven != nil
        }
        #expect((redriven?.messages ?? 0) >= 2)
        #expect(try await hub.wait(for: "receiver", .completed).output == Payload("[1,2,3]"))
        try await hub.eventually("nothing to be kept") { try kept(hub) == 0 }
        try await worker.stop()
    }

    @Test("Word of what was applied that was lost with its owner is given again for a repeat")
    func repeatedMessageIsAnsweredAgain() async throws {
        let hub = try await EngineHarness(partitions: 2)
        let first = try hub.startWorker("w1", [receiver, sender])
        try await hub.start("Receiver", id: "receiver")
        try await hub.wait(for: "receiver", .running)
        try await hub.start("Sender", id: id("a", in: sending), input: "[1,2,3]")
        // The word waits for a second.
        try await hub.wait(for: "receiver", .completed, moving: .milliseconds(1))
        hub.kill(first)
        let second = try hub.startWorker("w2", [receiver, sender])
        try await hub.wait(for: id("a", in: sending), .completed)
        try await hub.eventually("what was sent in the tables") { try kept(hub) == 3 }
        var redriven: Redriven?
        try await hub.eventually("the owner to send again") {
            redriven = try await redrive(hub, sending)
            return redriven != nil
        }
        #expect(redriven?.messages == 3)
        try await hub.eventually("nothing to be kept") { try kept(hub) == 0 }
        #expect(try await hub.snapshot("receiver")?.output == Payload("[1,2,3]"))
        try await second.stop()
    }
}
