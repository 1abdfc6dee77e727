import DurableCore
import Foundation

/// Runs many seeds in child processes, as many at a time as there are cores. A child that dies takes one seed with it.
struct SeedRunner: Sendable {
    var seeds: ClosedRange<UInt64>
    var jobs: Int
    /// Passed on to the children, such as a defect.
    var options: [String]
    /// Stop at the first seed that violates something.
    var stopsEarly = false
    /// Seeds one child runs: many, since a process is slow at first, and fewer towards the end, so that all cores end
    /// at about the same time.
    private func chunk(of remaining: UInt64) -> UInt64 {
        stopsEarly ? 10 : min(500, max(50, remaining / (2 * UInt64(max(1, jobs)))))
    }

    private struct State {
        var next: UInt64
        var isStopped = false
        var reports: [SeedReport] = []
    }

    /// - Parameter onReport: Called by any thread for each seed, in no order.
    func run(onReport: @escaping @Sendable (SeedReport) -> Void) async -> [SeedReport] {
        let state = PlatformLock(State(next: seeds.lowerBound))
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<max(1, jobs) {
                group.addTask {
                    await SimulationThread.run {
                        while let range = takeRange(state) {
                            runChild(range) { report in
                                state.withLock { state in
                                    state.reports.append(report)
                                    if stopsEarly, !report.violations.isEmpty { state.isStopped = true }
                                }
                                onReport(report)
                            }
                        }
                    }
                }
            }
        }
        return state.withLock { $0.reports }.sorted { $0.seed < $1.seed }
    }

    private func takeRange(_ state: PlatformLock<State>) -> ClosedRange<UInt64>? {
        state.withLock { state in
            if state.isStopped || state.next > seeds.upperBound { return nil }
            let count = chunk(of: seeds.upperBound - state.next + 1)
            let range = state.next...min(seeds.upperBound, state.next + count - 1)
            state.next = range.upperBound + 1
            return range
        }
    }

    /// Runs the seeds in one child; goes on after the one that killed it in another.
    private func runChild(_ range: ClosedRange<UInt64>, _ onReport: (SeedReport) -> Void) {
        var first = range.lowerBound
        while first <= range.upperBound {
            let (reported, failure) = runOnce(first...range.upperBound, onReport)
            first = (reported ?? first - 1) + 1
            if first > range.upperBound { return }
            onReport(SeedReport(seed: first, lostBecause: failure))
            first += 1
        }
    }

    private func runOnce(
        _ range: ClosedRange<UInt64>, _ onReport: (SeedReport) -> Void
    ) -> (lastReported: UInt64?, failure: String) {
        let process = Process()
        let output = Pipe()
        process.executableURL = URL(fileURLWithPath: HashSeed.executable)
        process.arguments = ["simulate", "--seeds", "\(range.lowerBound)..\(range.upperBound)", "--child"] + options
        process.standardOutput = output
        do { try process.run() } catch { return (nil, "no child process could be started: \(error)") }
        var last: UInt64?
        var rest = ""
        while case let data = output.fileHandleForReading.availableData, !data.isEmpty {
            rest += String(decoding: data, as: UTF8.self)
            var lines = rest.split(separator: "\n", omittingEmptySubsequences: false)
            rest = String(lines.removeLast())
            for report in lines.compactMap({ SeedReport.parse($0) }) {
                last = report.seed
                onReport(report)
            }
        }
        process.waitUntilExit()
        let how = process.terminationReason == .uncaughtSignal ? "signal" : "exit code"
        return (last, "the process of this seed ended with \(how) \(process.terminationStatus)")
    }
}
