import DurableBackend
import DurableCore
import DurableEngine
import DurableMemory
import DurableSQLite
import DurableTask
import DurableWire
import DurableWorker
import Foundation
import Testing

@Suite("Memory is bounded by configuration") struct InvariantMemoryTests {
    @Test("5,000 waiting instances, and questions about all of them, stay within the cache's bound")
    func waitingInstances() async throws {
        let hub = try await EngineHarness()
        let wait = Orchestration("Wait") { (context: OrchestrationContext) -> Int in
            try await context.waitForExternalEvent("go", as: Int.self)
        }
        let bound = 1 << 20
        let owner = try await hub.startLoneProcessor("w", [wait], epoch: 1) {
            $0.cacheBytes = bound
            $0.batchLimit = 64
        }
        // What a batch and its questions may add before the bound is seen to.
        let slack = 1 << 20
        var peak = 0
        func settle(_ condition: () async throws -> Bool) async throws {
            try await hub.eventually("the owner's work") {
                peak = max(peak, owner.processor.statistics.cachedBytes)
                return try await condition()
            }
        }
        let control = hub.topology.queue(.control, PartitionID(0))
        func isIdle() -> Bool {
            hub.broker.readyMessages(in: control).isEmpty && hub.broker.unacknowledgedCount(in: control) == 0
        }
        for number in 0..<5000 { try await hub.start("Wait", id: "i-\(number)") }
        try await settle { owner.processor.statistics.episodeCount == 5000 && isIdle() }
        let cached = owner.processor.statistics.cachedInstances
        #expect(cached > 0 && cached < 5000)

        let query = hub.topology.queue(.query, PartitionID(0))
        for number in 0..<5000 {
            let properties = MessageProperties(type: "Query", correlationID: "\(number)", replyTo: "nobody")
            _ = try await hub.client.publish([
                OutgoingMessage(
                    exchange: hub.topology.name(.client), routingKey: hub.topology.queryKey(PartitionID(0)),
                    properties: properties, body: Question.status(InstanceID("i-\(number)")).wireBytes)
            ])
        }
        try await settle {
            hub.broker.readyMessages(in: query).isEmpty && hub.broker.unacknowledgedCount(in: query) == 0
        }
        try await settle { owner.processor.statistics.cachedBytes <= bound }

        for number in 0..<5000 { try await hub.raise("go", to: "i-\(number)", "\(number)", message: "m-\(number)") }
        try await settle { owner.processor.statistics.episodeCount == 10_000 && isIdle() }
        #expect(peak <= bound + slack)
        #expect(await owner.stop() == nil)
        let store = try hub.openFirstPartition().store
        #expect(try store.counts() == [.init(status: .completed, count: 5000)])
        for number in [0, 17, 4999] {
            #expect(try store.instance(InstanceID("i-\(number)"))?.output == Payload("\(number)"))
        }
    }
}
