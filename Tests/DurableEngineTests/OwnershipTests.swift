import DurableBackend
import DurableCore
import DurableMemory
import DurableTask
import DurableWorker
import Testing

@Suite("Ownership", .timeLimit(.minutes(5))) struct OwnershipTests {
    @Test("After a kill a third worker stands by before the dead one is missed, so that a second kill does no harm")
    func secondKill() async throws {
        let hub = try await EngineHarness()
        let flow = Orchestration("Flow") { (_: OrchestrationContext) in }
        let heartbeatInterval = Duration.seconds(600)
        var workers: [RunningWorker] = []
        for number in 1...4 {
            workers.append(
                try hub.startWorker("w\(number)", [flow]) { $0.heartbeatInterval = heartbeatInterval })
        }
        func candidates() -> Int { hub.broker.consumerCount(of: hub.topology.queue(.own, PartitionID(0))) }
        try await hub.eventually("owner and stand-by", moving: heartbeatInterval / 10) { candidates() > 1 }
        let begin = hub.clock.now()
        for kill in 1...3 {
            var owner: RunningWorker?
            try await hub.eventually("owner \(kill) and one that stands by", moving: .milliseconds(5)) {
                for worker in workers where await worker.host.statistics().count == 1 { owner = worker }
                return owner != nil && (candidates() > 1 || workers.count == 1)
            }
            hub.kill(try #require(owner))
            workers.removeAll { $0.name == owner?.name }
        }
        try await hub.start("Flow", id: "a")
        try await hub.eventually("the last one to serve", moving: .milliseconds(5)) {
            try await hub.snapshot("a")?.status == .completed
        }
        #expect(hub.clock.now().since(begin) < heartbeatInterval)
        try await workers[0].stop()
    }
}
