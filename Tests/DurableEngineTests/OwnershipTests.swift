import DurableBackend
import DurableCore
import DurableMemory
import DurableTask
import DurableWire
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

    @Test("A worker that joins gets its share of what others own, each partition at once and nothing else moves")
    func joining() async throws {
        let hub = try await EngineHarness(partitions: 12)
        let flow = Orchestration("Flow") { (_: OrchestrationContext) in }
        func start(_ name: String) throws -> RunningWorker {
            try hub.startWorker(name, [flow]) {
                $0.settlingTime = .seconds(2)
                $0.minimumTenure = .seconds(1)
            }
        }
        /// Epochs begun so far.
        func claims() throws -> Int {
            try hub.broker.readyMessages(in: hub.topology.name(.journal)).count { delivery in
                if case .claim = try JournalRecord(wire: delivery.body) { true } else { false }
            }
        }
        func loads(_ workers: [RunningWorker]) async -> [Int] {
            var loads: [Int] = []
            for worker in workers { loads.append(await worker.host.statistics().count) }
            return loads
        }
        /// Waits until the shares are even, and owner and stand-by of each partition the only ones that wait, for long.
        func settle(_ workers: [RunningWorker]) async throws {
            var looks = 0
            try await hub.eventually("\(workers.count) workers to share") {
                let isEven = await Set(loads(workers)) == [12 / workers.count]
                let isSettled = hub.topology.partitions.allSatisfy {
                    hub.broker.consumerCount(of: hub.topology.queue(.own, $0)) == 2
                }
                looks = isEven && isSettled ? looks + 1 : 0
                return looks == 200
            }
        }
        var workers = try (1...3).map { try start("w\($0)") }
        try await settle(workers)
        let before = try claims()
        workers.append(try start("w4"))
        try await settle(workers)
        #expect(try claims() - before == 3)
        try await workers[0].stop()
        workers.removeFirst()
        try await settle(workers)
        #expect(try claims() - before == 6)
        for worker in workers { try await worker.stop() }
    }
}
