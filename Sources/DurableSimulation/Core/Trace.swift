package import DurableCore

/// What happened in a run, in order, for people. Off unless a run is shown: texts cost more than the run.
package final class Trace: @unchecked Sendable {  // confined to the simulator's thread
    private let simulator: Simulator
    package let isOn: Bool
    package private(set) var lines: [String] = []
    private static let limit = 20_000

    package init(of simulator: Simulator, isOn: Bool) {
        self.simulator = simulator
        self.isOn = isOn
    }

    package func note(_ text: @autoclosure () -> String) {
        guard isOn, lines.count < Self.limit else { return }
        let milliseconds = String(Double(Int64(simulator.elapsed / .microseconds(1))) / 1000)
        lines.append("\(milliseconds) ms  \(text())")
    }
}
