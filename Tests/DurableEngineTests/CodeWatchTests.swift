import DurableCore
import DurableEngine
import DurableMemory
import DurableTask
import DurableWorker
import Logging
import Testing

@Suite("Code that keeps its partition's thread is noticed") struct CodeWatchTests {
    @Test("There is one warning, from another thread, with what runs; and a notice when it is over")
    func blocked() async throws {
        let hub = try await EngineHarness()
        let (gate, lines) = (CodeGate(), Lines())
        let stuck = Orchestration("Stuck", version: "2") { (context: OrchestrationContext) -> Int in
            gate.pass()
            return 1
        }
        let logger = Logger(label: "w1", factory: { _ in LineHandler(lines: lines) })
        let worker = try hub.startWorker("w1", [stuck], logger: logger)
        let start = ExecutionStarted(
            name: "Stuck", version: "2", instanceID: InstanceID("a"), executionID: ExecutionID("start-a"))
        try await hub.send(.executionStarted(start), to: "a", message: "start-a")
        try await hub.eventually("the code to run") { gate.arrivals == 1 }
        try await hub.moving { () async throws in
            try await hub.eventually("the warning") { lines.count("DTQ2021") == 1 }
        }
        #expect(lines.all.contains { $0.hasPrefix(#"warning DTQ2021 instance a ("Stuck" version "2"): its code "#) })
        // More heartbeats, no more warnings.
        hub.clock.advance(by: .seconds(60))
        gate.open()
        #expect(try await hub.wait(for: "a", .completed).output == Payload("1"))
        #expect(lines.count("DTQ2021") == 1)
        #expect(lines.count("has given its thread back") == 1)
        try await worker.stop()
    }
}

private final class Lines: Sendable {
    private let lines = PlatformLock<[String]>([])
    var all: [String] { lines.withLock { $0 } }
    func add(_ line: String) { lines.withLock { $0.append(line) } }
    func count(_ text: String) -> Int { all.count { $0.contains(text) } }
}

private struct LineHandler: LogHandler {
    let lines: Lines
    var metadata: Logger.Metadata = [:]
    var metadataProvider: Logger.MetadataProvider?
    var logLevel: Logger.Level = .notice

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) { lines.add("\(event.level) \(event.message)") }
}
