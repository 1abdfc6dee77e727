package import Logging

/// What happened in a run, in order, for people. Off unless a run is shown: texts cost more than the run.
package final class Trace: @unchecked Sendable {  // confined to the simulator's thread
    private let simulator: Simulator
    package private(set) var isOn: Bool
    package private(set) var lines: [String] = []
    private static let limit = 20_000

    package init(of simulator: Simulator, isOn: Bool) {
        self.simulator = simulator
        self.isOn = isOn
    }

    /// Simulated time since the start of the run.
    var elapsed: Duration { simulator.elapsed }

    /// What follows is of no interest.
    package func end() { isOn = false }

    package func note(_ text: @autoclosure () -> String) {
        guard isOn, lines.count < Self.limit else { return }
        let milliseconds = String(Double(Int64(simulator.elapsed / .microseconds(1))) / 1000)
        lines.append("\(milliseconds) ms  \(text())")
    }

    /// A worker's log as part of the trace.
    package func logger(of name: String) -> Logger {
        guard isOn else { return Logger(label: name) { _ in SwiftLogNoOpLogHandler() } }
        return Logger(label: name) { _ in TraceHandler(trace: self, name: name) }
    }
}

private struct TraceHandler: LogHandler {
    let trace: Trace
    let name: String
    var metadata: Logger.Metadata = [:]
    var logLevel = Logger.Level.debug

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let all = metadata.merging(event.metadata ?? [:]) { $1 }
        let details = all.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: " ")
        trace.note("\(name) \(event.level): \(event.message) \(details)")
    }
}
