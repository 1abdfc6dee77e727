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

@Suite("An owner that lost its partition") struct InvariantZombieTests {
    enum Late: CaseIterable { case flush, confirmation, release }

    @Test("can write nothing after a newer epoch began", arguments: Late.allCases)
    func lateWriteIsRefused(_ late: Late) async throws {
        let hub = try await EngineHarness()
        let work = Activity("Work") { (value: Int, _: ActivityContext) in value }
        let flow = Orchestration("Flow") { (context: OrchestrationContext) -> Int in
            try await context.callActivity(work, 1)
        }
        try await hub.client.declare(hub.topology.work(activities: ["Work"]))
        // Its task reaches the broker when the clock moves, and the confirm comes back after it lost the partition.
        hub.broker.setFaults(
            FaultPlan { point in
                guard point.transport == "old", case .publish(let messages) = point.call,
                    messages.contains(where: { $0.properties.type == "TaskScheduled" })
                else { return .none }
                return .delay(.milliseconds(10))
            })
        let old = try await hub.startLoneProcessor("old", [work, flow], epoch: 1)
        try await hub.start("Flow", id: "a")
        try await hub.eventually("the checkpoint", moving: .zero) {
            old.processor.statistics.checkpointCount == 1
        }
        let partition = try hub.openFirstPartition()
        let before = try partition.store.recover()
        let begin = try await partition.log.begin(
            .init(epoch: Epoch(generation: 1, offset: 2), worker: WorkerID("new"), time: hub.clock.now()))

        if late == .release { await old.processor.stop() }
        let ended = Counter()
        let waiting = Task {
            let end = await old.task.value
            ended.next()
            return end
        }
        // The confirm comes after 10 ms and goes to the log within 20 more; changes go to the store after 250.
        try await hub.eventually("the old owner's end", moving: late == .flush ? .seconds(1) : .milliseconds(5)) {
            ended.count == 1
        }
        #expect(await waiting.value == .fenced(newest: Epoch(generation: 1, offset: 2)))
        #expect(try partition.store.recover() == before)
        let after = try await partition.log.read(after: begin, limit: 100)
        #expect(after.isEmpty)

        // The next owner finds the whole checkpoint and nothing else.
        let recovered = try await RecoveredHub(hub)
        #expect(
            recovered.instances[InstanceID("a")]?.history.map(\.typeName) == [
                "OrchestratorStarted", "ExecutionStarted", "TaskScheduled",
            ])
        #expect(recovered.partitions[PartitionID(0)]?.outbox.count == 1)
    }

    @Test("moving records to the tables while the next one recovers disturbs nobody")
    func flushDuringRecovery() async throws {
        let hub = try await EngineHarness()
        let flow = Orchestration("Flow") { (context: OrchestrationContext) in
            try await context.waitForExternalEvent("go")
        }
        let old = try await hub.startLoneProcessor("old", [flow], epoch: 1)
        try await hub.start("Flow", id: "a")
        try await hub.eventually("the checkpoint", moving: .zero) {
            old.processor.statistics.checkpointCount == 1
        }
        let ledger = DurableLedger()
        let store = try hub.openFirstPartition().store
        // As late as an old owner can: right before the new epoch begins.
        let flushed = Counter()
        ledger.beforeBegin {
            defer { flushed.next() }
            let before = try store.recover().position
            try await hub.eventually("the old owner's flush") { try store.recover().position > before }
        }
        let new = try await hub.startLoneProcessor(
            "new", [flow], epoch: 2, storage: CrashStorage(hub.storage, ledger))
        try await hub.eventually("the old owner's flush", moving: .zero) { flushed.count == 1 }
        await old.channel.close()
        try await hub.raise("go", to: "a", message: "go")
        try await hub.eventually("the end at the new owner") { ledger.ended == [InstanceID("a")] }
        #expect(await new.stop() == nil)
        #expect(await old.stop() != nil)
    }
}
