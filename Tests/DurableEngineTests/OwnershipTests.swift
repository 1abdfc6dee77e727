import DurableBackend
import DurableCore
import DurableMemory
import DurableTask
import DurableWire
import DurableWorker
import Testing

@Suite("Ownership", .timeLimit(.minutes(5))) struct OwnershipTests {
    private let flow = Orchestration("Flow") { (_: OrchestrationContext) in }

    @Test("After a kill a third worker stands by before the dead one is missed, so that a second kill does no harm")
    func secondKill() async throws {
        let hub = try await EngineHarness()
        let heartbeatInterval = Duration.seconds(600)
        var workers: [RunningWorker] = []
        for number in 1...4 {
            workers.append(
                try hub.startWorker("w\(number)", [flow]) { $0.heartbeatInterval = heartbeatInterval })
        }
        func candidates() -> Int { hub.broker.consumerCount(of: hub.topology.queue(.own, PartitionID(0))) }
        // Who has just come does not stand by yet.
        let settled = hub.clock.now() + heartbeatInterval * 2
        try await hub.eventually("owner and stand-by", moving: .seconds(1)) {
            hub.clock.now() >= settled && candidates() == 2
        }
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

    @Test("Who takes a partition over says that it stands by for it until it owns it: dying in between, it is missed")
    func takingOver() async throws {
        let hub = try await EngineHarness()
        let owner = try hub.startWorker("w1", [flow])
        try await hub.eventually("an owner") { await owner.host.statistics().count == 1 }
        let heir = try hub.startWorker("w2", [flow])
        let own = hub.topology.queue(.own, PartitionID(0))
        try await hub.eventually("a stand-by") { hub.broker.consumerCount(of: own) == 2 }

        let channel = try await hub.client.openChannel()
        try await channel.declarePrivateQueue(
            name: "listener", bindings: [PrivateBinding(exchange: hub.topology.name(.fleet), routingKey: "")])
        try await channel.consume(queue: "listener", consumerTag: "listener", prefetch: 256, from: nil, exclusive: true)
        let said = PlatformLock<WorkerHeartbeat?>(nil)
        let listening = Task {
            for try await batch in channel.deliveries {
                for delivery in batch {
                    guard let heartbeat = try? WorkerHeartbeat(wire: delivery.body), heartbeat.worker == WorkerID("w2")
                    else { continue }
                    said.withLock { $0 = heartbeat }
                }
            }
        }
        defer { listening.cancel() }
        let claims = Counter()
        let journal = hub.topology.name(.journal)
        hub.broker.setFaults(
            FaultPlan { point in
                guard point.transport == "w2", case .publish(let messages) = point.call,
                    messages.contains(where: { $0.exchange == journal })
                else { return .none }
                _ = claims.next()
                return .delay(.seconds(60))
            })
        hub.kill(owner)
        try await hub.eventually("the stand-by to claim the partition") { claims.count == 1 }
        let claimed = hub.clock.now()
        try await hub.eventually("its next heartbeats") {
            said.withLock { $0.map { $0.time.since(claimed) > .seconds(6) } ?? false }
        }
        let last = said.withLock { $0 }
        #expect(last?.standBy == [PartitionID(0)])
        #expect(last?.partitions.isEmpty == true)
        hub.broker.setFaults(.none)
        try await hub.eventually("the stand-by to own it") { await heir.host.statistics().count == 1 }
        try await heir.stop()
    }

    @Test("A worker that joins gets its share of what others own, each partition at once and nothing else moves")
    func joining() async throws {
        let fleet = try await SharingFleet()
        for name in ["w1", "w2", "w3"] { try fleet.start(name) }
        try await fleet.settle()
        let before = try fleet.claims().count
        try fleet.start("w4")
        try await fleet.settle()
        #expect(try fleet.claims().dropFirst(before).count == 3)
        try await fleet.workers.removeFirst().stop()
        try await fleet.settle()
        let claims = try fleet.claims().dropFirst(before)
        #expect(claims.count == 6, "\(claims)")
        for worker in fleet.workers { try await worker.stop() }
    }

    @Test("A dead worker is given nothing, and is missed as soon as others have what was its own")
    func dead() async throws {
        let fleet = try await SharingFleet(heartbeatInterval: .seconds(600))
        for name in ["w1", "w2", "w3"] { try fleet.start(name) }
        try await fleet.settle(for: .seconds(700), moving: .seconds(2))
        let (before, begin) = (try fleet.claims().count, fleet.hub.clock.now())
        fleet.hub.kill(fleet.workers.removeFirst())
        try await fleet.settle(for: .seconds(1))
        #expect(fleet.hub.clock.now().since(begin) < .seconds(600))
        #expect(try fleet.claims().dropFirst(before).count == 4)
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

    /// Epochs claimed so far: which partition, by whom.
    func claims() throws -> [String] {
        try hub.broker.readyMessages(in: hub.topology.name(.journal)).compactMap { delivery in
            guard case .claim(let partition, let worker, _) = try JournalRecord(wire: delivery.body) else { return nil }
            return "\(partition) by \(worker)"
        }
    }

    /// Waits until the shares are even, and owner and stand-by of each partition the only ones that wait.
    ///
    /// - Parameter span: How long that must last: a worker stands by for nothing new in its first seven seconds here.
    func settle(for span: Duration = .seconds(8), moving step: Duration = .milliseconds(4)) async throws {
        var since: Timestamp?
        try await hub.eventually("\(workers.count) workers to share", moving: step) {
            let now = hub.clock.now()
            var isSettled = hub.topology.partitions.allSatisfy {
                hub.broker.consumerCount(of: hub.topology.queue(.own, $0)) == 2
            }
            for worker in workers {
                if await worker.host.statistics().count != 12 / workers.count { isSettled = false }
            }
            since = isSettled ? since ?? now : nil
            return since.map { now.since($0) >= span } ?? false
        }
    }
}
