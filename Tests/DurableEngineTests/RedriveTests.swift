import DurableBackend
import DurableCore
import DurableEngine
import DurableMemory
import DurableSQLite
import DurableTask
import DurableWire
import DurableWorker
import Testing

@Suite("Sending again what is pending") struct RedriveTests {
    private static let (instances, tasks) = (200, 500)

    /// A partition whose tables hold 100,000 open activities, whose tasks the broker had confirmed.
    private func fill(_ hub: EngineHarness) async throws {
        let open = try hub.storage.open(PartitionID(0))
        defer { open.store.close() }
        let epoch = Epoch(generation: 0, offset: 1)
        let begin = PartitionRecord.Begin(epoch: epoch, worker: WorkerID("before"), time: hub.clock.now())
        _ = try await open.log.begin(begin)
        var position = LogPosition(0)
        for number in 0..<Self.instances {
            let id = InstanceID("i-\(number)")
            let start = ExecutionStarted(name: "Fan", instanceID: id, executionID: ExecutionID("e"))
            var state = InstanceState(start: start, startID: MessageID("s"), at: hub.clock.now())
            state.status = .running
            var history = [
                HistoryEvent(timestamp: hub.clock.now(), kind: .orchestratorStarted),
                HistoryEvent(timestamp: hub.clock.now(), kind: .executionStarted(start)),
            ]
            for task in 0..<Self.tasks {
                let taskID = EventID(Int32(task))
                history.append(
                    HistoryEvent(
                        eventID: taskID, timestamp: hub.clock.now(),
                        kind: .taskScheduled(name: "Later", input: Payload("\(task)"))))
                state.openTasks[taskID] = .init(
                    dispatch: 1, outboxID: OutboxID(UInt64(number * Self.tasks + task + 1)))
            }
            state.historyCount = history.count
            let end = try await open.log.append([.released(nextDue: nil)], epoch: epoch)
            var flush = StoreFlush(previous: position, position: end, epoch: epoch)
            flush.instances = [.init(state: state, newHistory: history, firstIndex: 0)]
            flush.nextOutboxID = OutboxID(UInt64(Self.instances * Self.tasks + 1))
            flush.evidence = CrashEvidence(isReleased: true)
            try open.store.flush(flush)
            position = end
        }
    }

    @Test("100,000 open activities go out page by page, never more than a page in memory")
    func isBounded() async throws {
        let hub = try await EngineHarness()
        try await fill(hub)
        let queue = "dtq.test.work.Later"
        try await hub.client.declare(hub.topology.work(activities: ["Later"]))
        // Nobody takes activities.
        let fan = Orchestration("Fan") { (context: OrchestrationContext) -> Int in 1 }
        let watch = Watch()
        let worker = try hub.startWorker("w1", [fan], probe: watch) { $0.engine.checksReplay = false }
        try await hub.eventually("the owner") { try await hub.ask(.counts) != nil }
        _ = try await hub.ask(.redrive)
        var answered = 0
        try await hub.eventually("all tasks") {
            // The partition serves others meanwhile.
            if try await hub.ask(.counts) != nil { answered += 1 }
            return try await hub.client.inspect(queue: queue)?.readyMessages == Self.instances * Self.tasks
        }
        // 100,000 items of about 256 bytes, in pages of 512 KiB or a little more.
        #expect((1...3000).contains(watch.largest))
        #expect(watch.pages > 30)
        #expect(answered > 0)
        try await worker.stop()
    }
}

/// How much of a redrive was in memory at a time.
private final class Watch: EngineProbe {
    private let seen = PlatformLock((largest: 0, pages: 0))
    var largest: Int { seen.withLock(\.largest) }
    var pages: Int { seen.withLock(\.pages) }

    func hasFolded(_ view: PartitionView) {}

    func rests(_ partition: PartitionID, epoch: Epoch, remains: PartitionRemains) {
        guard remains.redriving > 0 else { return }
        seen.withLock { $0 = (max($0.largest, remains.redriving), $0.pages + 1) }
    }
}
