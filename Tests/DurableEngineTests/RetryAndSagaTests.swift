import DurableCore
import DurableTask
import Testing

@Suite("Retries and sagas on the engine") struct RetryAndSagaTests {
    private struct Busy: Error {}

    /// Kills the worker once the instance waits on a timer, and starts another with the same code.
    private func killWhileWaiting(
        _ items: [any Registrable], _ name: String
    ) async throws -> (snapshot: InstanceSnapshot, history: [HistoryEvent]) {
        let hub = try await EngineHarness()
        let first = try hub.startWorker("w1", items)
        try await hub.start(name, id: "a")
        try await hub.eventually("a timer") { try await hub.snapshot("a")?.openTimerCount == 1 }
        hub.kill(first)
        let second = try hub.startWorker("w2", items)
        let snapshot = try await hub.wait(for: "a", .completed, moving: .seconds(1))
        let history = try await hub.history("a")
        try await second.stop()
        return (snapshot, history)
    }

    private func tasks(_ history: [HistoryEvent]) -> [String] {
        history.compactMap { if case .taskScheduled(let name, _) = $0.kind { name } else { nil } }
    }

    @Test("A worker killed between two attempts: the next makes the second, after the pause that was begun")
    func killedBetweenAttempts() async throws {
        let runs = Counter()
        let flaky = Activity("Flaky") { (_: ActivityContext) -> Int in
            if runs.next() == 1 { throw Busy() }
            return runs.count
        }
        let policy = RetryPolicy(maximumAttempts: 3, firstInterval: .seconds(3600), jitter: 0.5)
        let flow = Orchestration("Flow") { (context: OrchestrationContext) -> Int in
            try await context.callActivity(flaky, retry: policy)
        }
        let (snapshot, history) = try await killWhileWaiting([flaky, flow], "Flow")
        #expect(snapshot.output == Payload("2"))
        #expect(tasks(history) == ["Flaky", "Flaky"])
        let pauses = history.compactMap { event -> Duration? in
            if case .timerCreated(let fireAt) = event.kind { fireAt.since(event.timestamp) } else { nil }
        }
        #expect(pauses.count == 1 && pauses.allSatisfy { (.seconds(1800) ... .seconds(3600)).contains($0) })
        let failed = try #require(history.first { if case .taskFailed = $0.kind { true } else { false } })
        let second = try #require(history.last { if case .taskScheduled = $0.kind { true } else { false } })
        #expect(second.timestamp.since(failed.timestamp) >= (pauses.first ?? .zero))
    }

    @Test("A worker killed in the middle of compensations: the next runs those left, and none again")
    func killedWhileUndoing() async throws {
        let work = ["Book", "UndoFirst", "UndoSecond"].map { name in
            Activity(name) { (_: ActivityContext) -> String in name }
        }
        let failing = Activity("Pay") { (_: ActivityContext) -> String in throw Busy() }
        let flow = Orchestration("Flow") { (context: OrchestrationContext) -> String in
            do {
                return try await context.withCompensation { saga in
                    let booked: String = try await context.callActivity("Book")
                    saga.addCompensation { let _: String = try await context.callActivity("UndoSecond") }
                    saga.addCompensation {
                        let _: String = try await context.callActivity("UndoFirst")
                        try await context.sleep(for: .seconds(3600))
                    }
                    return try await booked + context.callActivity("Pay", as: String.self)
                }
            } catch let failure as ActivityFailure {
                return "undone after \(failure.details.errorType)"
            }
        }
        let (snapshot, history) = try await killWhileWaiting(work + [failing, flow], "Flow")
        #expect(snapshot.output == Payload(#""undone after Busy""#))
        #expect(tasks(history) == ["Book", "Pay", "UndoFirst", "UndoSecond"])
    }

    @Test("Attempts of a child with a given ID are instances of their own: the failed one stays") func children()
        async throws
    {
        let child = Orchestration("Child") { (context: OrchestrationContext) -> InstanceID in
            if !context.instanceID.value.hasSuffix("3") { throw Busy() }
            return context.instanceID
        }
        let parent = Orchestration("Parent") { (context: OrchestrationContext) -> InstanceID in
            try await context.callSubOrchestration(
                child, instanceID: InstanceID("c"), retry: .init(maximumAttempts: 3, firstInterval: .seconds(1)))
        }
        let hub = try await EngineHarness(partitions: 4)
        let worker = try hub.startWorker("w", [child, parent])
        try await hub.start("Parent", id: "p")
        #expect(try await hub.wait(for: "p", .completed).output == Payload(#""c:attempt-3""#))
        #expect(try await hub.snapshot("c")?.status == .failed)
        #expect(try await hub.snapshot("c:attempt-2")?.status == .failed)
        #expect(try await hub.snapshot("c:attempt-3")?.status == .completed)
        try await worker.stop()
    }
}
