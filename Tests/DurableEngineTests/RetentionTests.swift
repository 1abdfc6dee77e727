import DurableBackend
import DurableClient
import DurableCore
import DurableEngine
import DurableMemory
import DurableTask
import DurableWire
import DurableWorker
import Testing

@Suite("Retention", .timeLimit(.minutes(5))) struct RetentionTests {
    private let quick = Orchestration("Quick") { (number: Int, _: OrchestrationContext) -> Int in number }
    private let waiting = Orchestration("Waiting") { (context: OrchestrationContext) -> String in
        try await context.waitForExternalEvent("go")
    }

    private func counts(_ hub: EngineHarness) async throws -> [QueryAnswer.StatusCount]? {
        guard case .counts(let counts)? = try await hub.ask(.counts) else { return nil }
        return counts
    }

    @Test("What has been kept long enough goes by itself, some at a time; what has not ended stays")
    func expires() async throws {
        let hub = try await EngineHarness(retention: .seconds(3600))
        let worker = try hub.startWorker("w", [quick, waiting]) {
            $0.engine.retentionBatch = 8
            $0.engine.retentionDelay = .zero
        }
        try await hub.start("Waiting", id: "open")
        for number in 0..<40 { try await hub.start("Quick", id: "q-\(number)", input: "\(number)") }
        try await hub.eventually("all to end") {
            try await counts(hub) == [.init(status: .running, count: 1), .init(status: .completed, count: 40)]
        }
        try await hub.start("Quick", id: "again", input: "1")
        try await hub.wait(for: "again", .completed)
        hub.clock.advance(by: .seconds(1800))
        #expect(try await counts(hub)?.last?.count == 41)
        // The last one comes later.
        try await hub.start("Quick", id: "young", input: "1")
        try await hub.wait(for: "young", .completed)
        hub.clock.advance(by: .seconds(1740))
        try await hub.eventually("the old ones to go", moving: .milliseconds(100)) {
            try await counts(hub) == [.init(status: .running, count: 1), .init(status: .completed, count: 1)]
        }
        #expect(try await hub.snapshot("young")?.status == .completed)
        // Its ID is free.
        try await hub.start("Quick", id: "q-1", input: "7")
        #expect(try await hub.wait(for: "q-1", .completed).output == Payload("7"))
        try await worker.stop()
        let next = try hub.startWorker("w2", [quick, waiting])
        try await hub.wait(for: "open", .running)
        #expect(try await counts(hub) == [.init(status: .running, count: 1), .init(status: .completed, count: 2)])
        try await next.stop()
        let opened = try hub.openFirstPartition()
        defer { opened.store.close() }
        #expect(try opened.store.recover().state.expiredBefore != nil)
    }

    @Test("Instances that ended in the same moment go, however many they are")
    func sameMoment() async throws {
        let hub = try await EngineHarness(retention: .seconds(3600))
        let worker = try hub.startWorker("w", [quick]) {
            $0.engine.retentionBatch = 4
            $0.engine.retentionDelay = .seconds(5)
        }
        // No step of the clock in between.
        for number in 0..<20 { try await hub.start("Quick", id: "q-\(number)", input: "1") }
        try await hub.eventually("all to end", moving: .zero) { try await counts(hub)?.last?.count == 20 }
        hub.clock.advance(by: .seconds(3590))
        try await hub.eventually("all to go", moving: .seconds(1)) { try await counts(hub) == [] }
        try await worker.stop()
    }

    @Test("Without a retention nothing goes")
    func never() async throws {
        let hub = try await EngineHarness()
        let worker = try hub.startWorker("w", [quick]) { $0.engine.retentionDelay = .zero }
        try await hub.start("Quick", id: "q", input: "1")
        try await hub.wait(for: "q", .completed)
        hub.clock.advance(by: .seconds(1_000_000_000))
        try await hub.start("Quick", id: "r", input: "1")
        try await hub.wait(for: "r", .completed)
        #expect(try await hub.snapshot("q")?.status == .completed)
        try await worker.stop()
    }
}
