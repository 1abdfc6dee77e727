import DurableCore
import DurableTask
import Logging
import Testing

@Suite("Replay-safe logger") struct LoggerTests {
    @Test("A line is written once, live, with instance and orchestration; replay writes nothing")
    func onceOnly() throws {
        let sink = Sink()
        var options = NativeOrchestration.Options()
        options.logger = Logger(label: "test") { _ in SinkHandler(sink: sink) }
        let code = orchestrate { context in
            context.logger.info("begin")
            let _: Int = try await context.callActivity("a", 1)
            context.logger.info("middle", metadata: ["step": "2"])
            let _: Int = try await context.callActivity("b", 1)
            context.logger.info("end")
        }
        var driver = Driver(code, options: options)
        try driver.start()
        try driver.episode([driver.complete(EventID(0))])
        driver.session.evict()
        let live = ["begin instance=order-1 orchestration=test", "middle instance=order-1 orchestration=test step=2"]
        #expect(sink.lines == live)

        driver.session = Driver.session(code, options: options)
        try driver.session.replay(driver.history)
        #expect(sink.lines == live)
        try driver.episode([driver.complete(EventID(1))])
        #expect(sink.lines == live + ["end instance=order-1 orchestration=test"])
    }

    @Test("Dying code writes nothing") func eviction() throws {
        let sink = Sink()
        var options = NativeOrchestration.Options()
        options.logger = Logger(label: "test") { _ in SinkHandler(sink: sink) }
        var driver = Driver(
            orchestrate { context in
                defer { context.logger.info("leaving") }
                let _: Int = try await context.callActivity("a", 1)
            }, options: options)
        try driver.start()
        driver.session.evict()
        #expect(sink.lines == [])
    }
}

private final class Sink: Sendable {
    private let state = PlatformLock<[String]>([])
    var lines: [String] { state.withLock { $0 } }
    func add(_ line: String) { state.withLock { $0.append(line) } }
}

private struct SinkHandler: LogHandler {
    let sink: Sink
    var metadata: Logger.Metadata = [:]
    var metadataProvider: Logger.MetadataProvider?
    var logLevel: Logger.Level = .trace

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let all = metadata.merging(event.metadata ?? [:]) { $1 }
        let pairs = all.keys.sorted().map { " \($0)=\(all[$0] ?? "")" }
        sink.add("\(event.message)" + pairs.joined())
    }
}
