import DurableBackend
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
        let zombie = try await hub.startProcessor("old", [flow], offset: 1)
        try await hub.start("Flow", id: "a")
        try await hub.eventually("the first episode") { zombie.processor.statistics.checkpointCount == 1 }
        gate.arm()
        try await hub.raise("go", to: "a", message: "go")
        try await hub.eventually("the pause") { gate.hasArrived }

        // The next owner begins while the old one stands still with the delivery in its hands.
        let successor = try await hub.startProcessor("new", [flow], offset: 2)
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
        await successor.processor.stop()
        _ = await successor.task.value
        let sent = try SQLiteInspection(hub).recovery().state.sequences
        #expect(sent.values.allSatisfy { $0 == 1 })
    }
}

/// Reads the store beside the processors.
private struct SQLiteInspection {
    let store: any PartitionStore
    init(_ hub: EngineHarness) throws { store = try hub.storage.open(PartitionID(0)).store }
    func instance(_ id: String) throws -> InstanceState? { try store.instance(InstanceID(id)) }
    func recovery() throws -> StoreRecovery { try store.recover() }
}

private struct BareProcessor {
    let processor: PartitionProcessor
    let channel: any ConsumerChannel
    let task: Task<PartitionEnd?, Never>
}

extension EngineHarness {
    /// A processor of its own, with an epoch given by the test instead of a baton.
    fileprivate func startProcessor(
        _ name: String, _ items: [any Registrable], offset: UInt64
    ) async throws -> BareProcessor {
        var registry = Registry()
        for item in items { try item.register(in: &registry) }
        let transport = broker.connect(as: name)
        let channel = try await transport.openChannel()
        let logger = Logger(label: name, factory: { _ in SwiftLogNoOpLogHandler() })
        let processor = PartitionProcessor(
            .init(
                partition: PartitionID(0), descriptor: descriptor, worker: WorkerID(name),
                epoch: Epoch(generation: 1, offset: offset), storage: try storage.open(PartitionID(0)),
                executor: NativeExecutor(registry: registry, options: .init(logger: logger)), transport: transport,
                channel: channel, baton: DeliveryTag(0), clock: clock, configuration: EngineConfiguration(),
                thread: PartitionThread()),
            logger: logger)
        let task = Task { () -> PartitionEnd? in
            do throws(PartitionEnd) {
                try await processor.run()
                return nil
            } catch {
                return error
            }
        }
        return BareProcessor(processor: processor, channel: channel, task: task)
    }

    fileprivate func recordedEpoch() async throws -> UInt64 {
        let log = try storage.open(PartitionID(0)).log
        let recovery = try SQLiteInspection(self).recovery()
        // The owner may flush between the two looks; then the next one sees it.
        let last = (try? await log.read(after: recovery.position, limit: 1000))?.last?.epoch ?? recovery.state.epoch
        return max(last, recovery.state.epoch).offset
    }
}
