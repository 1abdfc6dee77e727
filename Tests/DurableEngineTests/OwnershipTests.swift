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
        let fleet = try await SharingFleet()
        for name in ["w1", "w2", "w3"] { try fleet.start(name) }
        try await fleet.settle()
        let before = try fleet.claims()
        try fleet.start("w4")
        try await fleet.settle()
        #expect(try fleet.claims() - before == 3)
        try await fleet.workers.removeFirst().stop()
        try await fleet.settle()
        // One more where the stand-by of a partition was just another one.
        #expect(try (6...7).contains(fleet.claims() - before))
        for worker in fleet.workers { try await worker.stop() }
    }

    @Test("A dead worker is given nothing, and is missed as soon as others have what was its own")
    func dead() async throws {
        let fleet = try await SharingFleet(heartbeatInterval: .seconds(600))
        for name in ["w1", "w2", "w3"] { try fleet.start(name) }
        try await fleet.settle(moving: .seconds(2))
        let (before, begin) = (try fleet.claims(), fleet.hub.clock.now())
        fleet.hub.kill(fleet.workers.removeFirst())
        try await fleet.settle()
        #expect(fleet.hub.clock.now().since(begin) < .seconds(600))
        #expect(try fleet.claims() - before == 4)
        for worker in fleet.workers { try await worker.stop() }
    }
}

/// Workers that share 12 partitions.
private final class SharingFleet {
    let hub: EngineHarness
    var workers: [RunningWorker] = []
    private let heartbeatInterval: Duration
    private let flow = Orchestration("Flow") { (_: OrchestrationContext) in }

    init(heartbeatInterval: Duration = .seconds(5)) async throws {
        self.heartbeatInterval = heartbeatInterval
        hub = try await EngineHarness(partitions: 12)
    }

    func start(_ name: String) throws {
        let interval = heartbeatInterval
        workers.append(
            try hub.startWorker(name, [flow]) {
                $0.settlingTime = .seconds(2)
                $0.minimumTenure = .seconds(1)
                $0.heartbeatInterval = interval
            })
    }

    /// Epochs begun so far.
    func claims() throws -> Int {
        try hub.broker.readyMessages(in: hub.topology.name(.journal)).count { delivery in
            if case .claim = try JournalRecord(wire: delivery.body) { true } else { false }
        }
    }

    /// Waits until the shares are even, and owner and stand-by of each partition the only ones that wait, for long.
    func settle(moving step: Duration = .milliseconds(4)) async throws {
        var looks = 0
        try await hub.eventually("\(workers.count) workers to share", moving: step) {
            var isSettled = hub.topology.partitions.allSatisfy {
                hub.broker.consumerCount(of: hub.topology.queue(.own, $0)) == 2
            }
            for worker in workers {
                if await worker.host.statistics().count != 12 / workers.count { isSettled = false }
            }
            looks = isSettled ? looks + 1 : 0
            return looks == 200
        }
    }
}
