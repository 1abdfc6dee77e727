import DurableBackend
import DurableClient
import DurableCore
import DurableEngine
import DurableMemory
import DurableSQLite
import DurableTask
import DurableWorker
import Foundation
import Logging
import Synchronization
import Testing

/// Code that stops a processor in the middle of an episode, as a paused process would be, until it is let go.
private final class Gate: Sendable {
    private let semaphore = DispatchSemaphore(value: 0)
    private let arrived = Atomic<Bool>(false)
    private let isArmed = Atomic<Bool>(false)
    func arm() { isArmed.store(true, ordering: .releasing) }
    func pass() {
        guard isArmed.exchange(false, ordering: .acquiringAndReleasing) else { return }
        arrived.store(true, ordering: .releasing)
        semaphore.wait()
    }
    var hasArrived: Bool { arrived.load(ordering: .acquiring) }
    func open() { semaphore.signal() }
}

@Suite("Two processors on one partition") struct FencingTests {
    @Test("The old owner, paused in an episode, can change nothing and release nothing when it wakes up")
    func zombieIsFenced() async throws {
        let hub = try await EngineHarness()
        let gate = Gate()
        let flow = Orchestration("Flow") { (context: OrchestrationContext) -> String in
            try await context.waitForExternalEvent("go")
            gate.pass()
            context.raiseEvent(to: InstanceID("listener"), "sent")
            return "done"
        }
        let zombie = try await hub.startLoneProcessor("old", [flow], epoch: 1)
        try await hub.start("Flow", id: "a")
        try await hub.eventually("the first episode") { zombie.processor.statistics.checkpointCount == 1 }
        gate.arm()
        try await hub.raise("go", to: "a", message: "go")
        try await hub.eventually("the pause") { gate.hasArrived }

        // The next owner begins while the old one stands still with the delivery in its hands.
        let successor = try await hub.startLoneProcessor("new", [flow], epoch: 2)
        try await hub.eventually("the new epoch") { successor.processor.statistics.epoch.offset == 2 }
        try await hub.eventually("recovery") { try await hub.recordedEpoch() == 2 }
        gate.open()

        let end = await zombie.task.value
        #expect(end == .fenced(newest: Epoch(generation: 1, offset: 2)))
        // Its delivery was not acknowledged: it came back and the successor handles it.
        await zombie.channel.close()
        try await hub.eventually("the event at the new owner") {
            let entry = try SQLiteInspection(hub).instance("a")
            return entry?.status == .completed
        }
        let state = try #require(try SQLiteInspection(hub).instance("a"))
        #expect(state.historyCount == 6)
        #expect(await successor.stop() == nil)
        let sent = try SQLiteInspection(hub).recovery().state.sequences
        #expect(sent.values.allSatisfy { $0 == 1 })
    }

    @Test("A baton from a channel that the broker gave up begins no epoch")
    func lostChannelBeginsNothing() async throws {
        let hub = try await EngineHarness()
        let partition = PartitionID(0)
        // The owner's claim, as one of the journal's, and not its first one.
        let nonces = Counter()
        let epochs = JournalEpochAuthority(
            transport: hub.client, topology: hub.topology, clock: hub.clock, makeNonce: { "\(nonces.next())" })
        _ = try await epochs.claim(partition, by: WorkerID("owner"))
        let epoch = try await epochs.claim(partition, by: WorkerID("owner"))
        let owner = try await hub.startLoneProcessor("owner", [], epoch: epoch.offset)
        try await hub.eventually("its epoch") { try await hub.recordedEpoch() == epoch.offset }
        // What a worker that stood still finds in its sockets: a baton, on a channel that answers to nothing any more.
        let questions = Counter()
        hub.broker.setFaults(
            FaultPlan { [queue = hub.topology.queue(.query, partition)] point in
                guard point.transport == "late", case .consume(queue) = point.call else { return .none }
                questions.next()
                return .delay(.seconds(3600))
            })
        let late = try hub.startWorker("late", [])
        let client = HubClient(descriptor: hub.descriptor, transport: hub.client, clock: hub.clock)
        try await hub.eventually("its claim") {
            guard case .claimed(WorkerID("late"), _)? = try await client.claims()[partition] else { return false }
            return questions.count == 1
        }
        hub.broker.cut("late")
        try await hub.eventually("another try") { questions.count == 2 }
        #expect(try await hub.recordedEpoch() == epoch.offset)
        #expect(await owner.stop() == nil)
        hub.broker.setFaults(.none)
        hub.broker.cut("late")
        _ = try await late.stop()
    }
}

/// Reads the store beside the processors.
private struct SQLiteInspection {
    let store: any PartitionStore
    init(_ hub: EngineHarness) throws { store = try hub.storage.open(PartitionID(0)).store }
    func instance(_ id: String) throws -> InstanceState? { try store.instance(InstanceID(id)) }
    func recovery() throws -> StoreRecovery { try store.recover() }
}

extension EngineHarness {
    fileprivate func recordedEpoch() async throws -> UInt64 {
        let log = try storage.open(PartitionID(0)).log
        let recovery = try SQLiteInspection(self).recovery()
        // The owner may flush between the two looks; then the next one sees it.
        let last = (try? await log.read(after: recovery.position, limit: 1000))?.last?.epoch ?? recovery.state.epoch
        return max(last, recovery.state.epoch).offset
    }
}
