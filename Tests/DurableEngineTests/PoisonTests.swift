import DurableBackend
import DurableCore
import DurableEngine
import DurableMemory
import DurableTask
import DurableWorker
import Testing

@Suite("An instance whose code ends workers is set aside, and nobody else") struct PoisonTests {
    @Test func aDeliveryThatEndsWorkersIsHeldWithItsMessage() async throws {
        let fleet = Graveyard(try await EngineHarness())
        for number in 0..<4 { try await fleet.hub.start("Fine", id: "before-\(number)") }
        try await fleet.hub.start("Trap", id: "poison")
        for number in 0..<4 { try await fleet.hub.start("Fine", id: "after-\(number)") }
        try fleet.startWorker()
        try await fleet.waitForHold()
        // The first death is known to nobody; three attempts are.
        #expect(fleet.deaths == 4)
        #expect(fleet.attempts(of: "poison") == 3)
        let held = try #require(try await fleet.hub.snapshot("poison"))
        #expect(held.status == .pending)
        #expect(held.inboxCount == 1)
        #expect(held.holdText?.contains("began to run 3 times") == true)
        for number in 0..<4 {
            try await fleet.hub.wait(for: "before-\(number)", .completed)
            try await fleet.hub.wait(for: "after-\(number)", .completed)
        }
        // Nothing of it is in the queue any more: the next owners of the same code stay alive.
        for _ in 0..<3 {
            try fleet.killAlive()
            try await fleet.hub.eventually("the hold, recovered") {
                try fleet.replaceDead()
                return try await fleet.hub.snapshot("poison")?.holdCode == "DTQ2008"
            }
        }
        try await fleet.hub.start("Fine", id: "later")
        try await fleet.hub.wait(for: "later", .completed)
        #expect(fleet.deaths == 4)
        try await fleet.stop()
        #expect(
            try await RecoveredHub(fleet.hub).partitions[PartitionID(0)]?.evidence == CrashEvidence(isReleased: true))
    }

    @Test func aTimerThatEndsWorkersIsHeldToo() async throws {
        let fleet = Graveyard(try await EngineHarness())
        try fleet.startWorker()
        try await fleet.hub.start("LateTrap", id: "poison")
        for number in 0..<3 { try await fleet.hub.start("Nap", id: "nap-\(number)") }
        try await fleet.waitForHold()
        #expect(fleet.deaths == 4)
        #expect(try await fleet.hub.snapshot("poison")?.status == .running)
        for number in 0..<3 { try await fleet.hub.wait(for: "nap-\(number)", .completed) }
        #expect(fleet.deaths == 4)
        try await fleet.stop()
    }

    @Test func anotherBuildTriesAgain() async throws {
        let fleet = Graveyard(try await EngineHarness())
        try await fleet.hub.start("Trap", id: "poison")
        try fleet.startWorker()
        try await fleet.waitForHold()
        try await fleet.stop()
        try fleet.startWorker(build: "mended", isMended: true)
        try await fleet.hub.wait(for: "poison", .completed)
        #expect(fleet.deaths == 4)
        try await fleet.stop()
    }

    @Test func deathsUnderAnotherBuildAreNotCharged() async throws {
        let fleet = Graveyard(try await EngineHarness())
        try await fleet.hub.start("Trap", id: "poison")
        try fleet.startWorker()
        // One more worker of that build would hold it.
        try await fleet.hub.eventually("four deaths") {
            if fleet.deaths < 4 { try fleet.replaceDead() }
            return fleet.deaths == 4
        }
        try fleet.startWorker(build: "mended", isMended: true)
        try await fleet.hub.wait(for: "poison", .completed)
        try await fleet.stop()
    }

    @Test func aReleasedInstanceTriesAgainWithTheSameBuild() async throws {
        let fleet = Graveyard(try await EngineHarness())
        try await fleet.hub.start("Trap", id: "poison")
        try fleet.startWorker()
        try await fleet.waitForHold()
        #expect(fleet.deaths == 4)
        func release() async throws {
            try await fleet.hub.eventually("the release") {
                guard case .released(let hold?)? = try await fleet.hub.ask(.release(InstanceID("poison"))) else {
                    return false
                }
                return hold.code == "DTQ2008"
            }
        }
        // Not mended yet: one more death, and it is still held.
        #expect(try await fleet.hub.ask(.release(InstanceID("poison"))) == nil)
        #expect(fleet.deaths == 5)
        try fleet.replaceDead()
        try await fleet.hub.start("Fine", id: "fine")
        try await fleet.hub.wait(for: "fine", .completed)
        #expect(try await fleet.hub.snapshot("poison")?.holdCode == "DTQ2008")
        #expect(fleet.deaths == 5)
        try await fleet.stop()
        // What it needs was mended from outside: the same build.
        try fleet.startWorker(isMended: true)
        try await fleet.hub.eventually("the hold, recovered") {
            try await fleet.hub.snapshot("poison")?.holdCode == "DTQ2008"
        }
        try await release()
        try await fleet.hub.wait(for: "poison", .completed)
        #expect(try await fleet.hub.ask(.release(InstanceID("poison"))) == .released(nil))
        #expect(fleet.deaths == 5)
        try await fleet.stop()
    }

    @Test func aReleaseThatComesAgainIsRefused() async throws {
        let fleet = Graveyard(try await EngineHarness())
        try await fleet.hub.start("Trap", id: "poison")
        try fleet.startWorker()
        try await fleet.waitForHold()
        try await fleet.stop()
        let (broker, queue) = (fleet.hub.broker, fleet.hub.topology.queue(.query, PartitionID(0)))
        #expect(try await fleet.hub.ask(.release(InstanceID("poison"))) == nil)
        // Somebody takes it and is gone before the broker hears that it was taken.
        let channel = try await fleet.hub.client.openChannel()
        try await channel.consume(queue: queue, consumerTag: "gone", prefetch: 8, from: nil, exclusive: false)
        var deliveries = channel.deliveries.makeAsyncIterator()
        #expect(try await deliveries.next()?.isEmpty == false)
        await channel.close()
        #expect(broker.readyMessages(in: queue).map(\.isRedelivered) == [true])
        try fleet.startWorker()
        try await fleet.hub.eventually("the answer", moving: .milliseconds(1)) {
            broker.readyMessages(in: queue).isEmpty && broker.unacknowledgedCount(in: queue) == 0
        }
        try await fleet.waitForHold()
        #expect(fleet.deaths == 4)
        try await fleet.stop()
    }

    @Test func aHeldInstanceCanBeTerminated() async throws {
        let fleet = Graveyard(try await EngineHarness())
        try await fleet.hub.start("Trap", id: "poison")
        try fleet.startWorker()
        try await fleet.waitForHold()
        try await fleet.hub.terminate("poison", message: "t")
        try await fleet.hub.wait(for: "poison", .terminated)
        #expect(fleet.deaths == 4)
        try await fleet.stop()
    }

    @Test func aDrainChargesNothing() async throws {
        let fleet = Graveyard(try await EngineHarness())
        for round in 0..<4 {
            for number in 0..<8 { try await fleet.hub.start("Fine", id: "\(round)-\(number)") }
            try fleet.startWorker()
            try await fleet.hub.wait(for: "\(round)-0", .completed)
            try await fleet.stop()
        }
        #expect(fleet.attempts == 0)
        #expect(
            try await RecoveredHub(fleet.hub).partitions[PartitionID(0)]?.evidence == CrashEvidence(isReleased: true))
    }

    @Test func workersKilledFromOutsideChargeNobodyForLong() async throws {
        let fleet = Graveyard(try await EngineHarness())
        for number in 0..<12 { try await fleet.hub.start("Nap", id: "nap-\(number)") }
        for _ in 0..<6 {
            try fleet.startWorker()
            try await fleet.hub.eventually("somebody serves") { try await fleet.hub.snapshot("nap-11") != nil }
            try fleet.killAlive()
        }
        try fleet.startWorker()
        for number in 0..<12 { try await fleet.hub.wait(for: "nap-\(number)", .completed) }
        try await fleet.stop()
        #expect(
            try await RecoveredHub(fleet.hub).partitions[PartitionID(0)]?.evidence == CrashEvidence(isReleased: true))
    }
}

/// Workers one after the other, each of which dies when its code says so.
private final class Graveyard: Sendable {
    let hub: EngineHarness
    private let ledger = DurableLedger()
    private let state = PlatformLock(State())

    private struct State {
        var number = 0
        var alive: (worker: RunningWorker, storage: CrashStorage)?
        var deaths = 0
        var attempts: [InstanceID] = []
    }

    init(_ hub: EngineHarness) {
        self.hub = hub
        ledger.plan { [state] _, call in
            if case .append(let records) = call {
                for case .attempt(let attempt) in records {
                    state.withLock { $0.attempts.append(attempt.instanceID) }
                }
            }
            return .none
        }
    }

    var deaths: Int { state.withLock(\.deaths) }
    var attempts: Int { state.withLock { $0.attempts.count } }
    func attempts(of id: String) -> Int { state.withLock { $0.attempts.count { $0 == InstanceID(id) } } }

    /// Starts a worker for each that dies until the instance `poison` is held.
    func waitForHold() async throws {
        try await hub.eventually("the hold") {
            try replaceDead()
            return try await hub.snapshot("poison")?.holdCode == "DTQ2008"
        }
    }

    func startWorker(build: String = "dev", isMended: Bool = false) throws {
        let number = state.withLock { state in
            state.number += 1
            return state.number
        }
        let storage = CrashStorage(hub.storage, ledger)
        let name = "w\(number)"
        let worker = try hub.startWorker(name, items(isMended: isMended) { self.die(name, storage) }, storage: storage)
        {
            $0.engine.checksReplay = false
            $0.engine.build = build
        }
        state.withLock { $0.alive = (worker, storage) }
    }

    /// What a trap does to its own process: nothing it does afterwards reaches anything.
    private func die(_ name: String, _ storage: CrashStorage) {
        storage.kill()
        hub.broker.kill(name)
        state.withLock { state in
            state.deaths += 1
            if state.alive?.worker.name == name {
                state.alive?.worker.task.cancel()
                state.alive = nil
            }
        }
    }

    func replaceDead() throws {
        if state.withLock({ $0.alive == nil }) { try startWorker() }
    }

    /// kill -9 from outside.
    func killAlive() throws {
        let alive = state.withLock { state in
            defer { state.alive = nil }
            return state.alive
        }
        guard let alive else { return }
        alive.storage.kill()
        hub.kill(alive.worker)
    }

    func stop() async throws {
        let alive = state.withLock { state in
            defer { state.alive = nil }
            return state.alive
        }
        try await alive?.worker.stop()
    }

    private func items(isMended: Bool, die: @escaping @Sendable () -> Void) -> [any Registrable] {
        let fine = Orchestration("Fine") { (context: OrchestrationContext) -> Int in 1 }
        let nap = Orchestration("Nap") { (context: OrchestrationContext) -> Int in
            try await context.sleep(for: .seconds(2))
            return 1
        }
        let trap = Orchestration("Trap") { (context: OrchestrationContext) -> Int in
            if !isMended { die() }
            return 2
        }
        let late = Orchestration("LateTrap") { (context: OrchestrationContext) -> Int in
            try await context.sleep(for: .seconds(2))
            die()
            return 3
        }
        return [fine, nap, trap, late]
    }
}
