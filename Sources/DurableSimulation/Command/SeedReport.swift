import Foundation

/// What one seed gave, as a child process tells its parent: one line of JSON.
package struct SeedReport: Codable, Hashable, Sendable {
    package var seed: UInt64
    package var violations: [String]
    /// Of everything that happened; equal for equal runs.
    package var digest: String
    package var instances: Int
    package var faults: Int
    package var steps: Int
    package var activityRuns: Int
    package var repeatedRuns: Int
    /// Simulated time.
    package var seconds: Double

    init(_ outcome: SimulationRun.Outcome) {
        seed = outcome.seed
        violations = outcome.violations
        digest = String(outcome.digest, radix: 16)
        instances = outcome.instanceCount
        faults = outcome.faults.count
        steps = outcome.stepCount
        activityRuns = outcome.activityRunCount
        repeatedRuns = outcome.repeatedRunCount
        seconds = outcome.elapsed / .seconds(1)
    }

    var isLost: Bool { digest.isEmpty }

    /// A run whose process did not live to report it.
    init(seed: UInt64, lostBecause reason: String) {
        self.seed = seed
        violations = ["I10: \(reason)"]
        digest = ""
        (instances, faults, steps, activityRuns, repeatedRuns, seconds) = (0, 0, 0, 0, 0, 0)
    }

    static func parse(_ line: some StringProtocol) -> SeedReport? {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return try? decoder.decode(SeedReport.self, from: Data(line.utf8))
    }

    var line: String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        encoder.keyEncodingStrategy = .convertToSnakeCase
        return (try? encoder.encode(self)).map { String(decoding: $0, as: UTF8.self) } ?? ""
    }
}
