import DurableBackend
import DurableCore
import DurableEngine
import DurableMemory
import DurableSQLite
import DurableTask
import DurableWorker
import Testing

@Suite("What a checkpoint holds survives the process") struct RecoveryTests {
    private let step = Activity("Step") { (value: Int, _: ActivityContext) in value + 1 }

    private var flow: Orchestration<Int, Int> {
        let step = step
        return Orchestration("Flow") { (count: Int, context: OrchestrationContext) in
            var value = 0
            for _ in 0..<count { value = try await context.callActivity(step, value) }
            return value
        }
    }

    @Test(
        "A worker killed at any point of its work is replaced without loss or doubling", arguments: Array(1...12))
    func killedAtAnyPoint(steps: Int) async throws {
        let hub = try await EngineHarness()
        var worker = try hub.startWorker("w0", [step, flow])
        try await hub.start("Flow", id: "a", input: "12")
        try await hub.eventually("\(steps) results") {
            try await hub.snapshot("a").map { $0.historyCount >= steps * 3 || $0.status.isTerminal } ?? false
        }
        hub.kill(worker)
        worker = try hub.startWorker("w1", [step, flow])
        let snapshot = try await hub.wait(for: "a", .completed)
        #expect(snapshot.output == Payload("12"))
        let history = try await hub.history("a")
        let completions = history.compactMap { event -> EventID? in
            if case .taskCompleted(let id, _) = event.kind { id } else { nil }
        }
        #expect(completions.map(\.value) == Array(0..<12))
        try await worker.stop()
        let recovered = try hub.storage.open(PartitionID(0)).store.recover()
        #expect(recovered.state.outbox.isEmpty)
    }

    @Test func evictedInstancesAreRebuiltFromTheStore() async throws {
        let hub = try await EngineHarness()
        let worker = try hub.startWorker("w1", [step, flow]) {
            $0.engine.cacheBytes = 0
            $0.engine.checksReplay = false
        }
        for number in 0..<10 { try await hub.start("Flow", id: "i-\(number)", input: "8") }
        for number in 0..<10 {
            #expect(try await hub.wait(for: "i-\(number)", .completed).output == Payload("8"))
        }
        try await worker.stop()
    }

    @Test func startsThatNobodyServedYetAreServedLater() async throws {
        let hub = try await EngineHarness(partitions: 3)
        for number in 0..<30 { try await hub.start("Flow", id: "i-\(number)", input: "1") }
        let worker = try hub.startWorker("w1", [step, flow])
        for number in 0..<30 { try await hub.wait(for: "i-\(number)", .completed) }
        try await worker.stop()
    }

    @Test(
        "An owner whose log puts records elsewhere than after its own ends, and releases nothing of them",
        .timeLimit(.minutes(1)))
    func misplacedRecords() async throws {
        let hub = try await EngineHarness()
        let storage = ShiftingStorage(base: hub.storage)
        let owner = try await hub.startLoneProcessor("w", [step, flow], epoch: 1, storage: storage)
        try await hub.start("Flow", id: "a", input: "1")
        let end = await owner.task.value
        guard case .corrupt(let text) = end else {
            Issue.record("it ended with \(String(describing: end))")
            return
        }
        #expect(text.contains("records appended after"))
        #expect(hub.broker.readyMessages(in: hub.topology.workQueue("Step")).isEmpty)
        await owner.channel.close()
    }
}

/// Says of each append that it is one position before where it is, as a log would that has lost a record.
private struct ShiftingStorage: PartitionStorage {
    var base: any PartitionStorage

    func open(_ partition: PartitionID) throws(StoreError) -> OpenPartition {
        var opened = try base.open(partition)
        opened.log = ShiftingLog(base: opened.log)
        return opened
    }
}

private struct ShiftingLog: PartitionLog {
    var base: any PartitionLog

    func begin(_ begin: PartitionRecord.Begin) async throws(LogError) -> LogPosition { try await base.begin(begin) }

    func append(_ records: [PartitionRecord], epoch: Epoch) async throws(LogError) -> LogPosition {
        LogPosition(try await base.append(records, epoch: epoch).value - 1)
    }

    func read(after position: LogPosition, limit: Int) async throws(LogError) -> [LogEntry] {
        try await base.read(after: position, limit: limit)
    }
}
