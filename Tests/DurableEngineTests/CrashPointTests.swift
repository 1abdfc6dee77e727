import DurableMemory
import Foundation
import Testing

/// One accident a run, at the first call of the workers to the outside, then at the second, and so on until a run
/// ends before its turn. The suite tries some of the points, a different share for each kind of accident;
/// `DTQ_TEST_ALL_POINTS=1` tries all.
@Suite("An accident at any call loses nothing and doubles nothing") struct CrashPointTests {
    private static let triesAll = ProcessInfo.processInfo.environment["DTQ_TEST_ALL_POINTS"] != nil

    @Test("Between workers and broker", arguments: CrashRun.Accident.ofTheBroker)
    func ofTheBroker(_ accident: CrashRun.Accident) async throws {
        try await tryPoints(accident, stride: Self.triesAll ? 1 : 19)
    }

    @Test("Between workers and their files", arguments: CrashRun.Accident.ofTheStorage)
    func ofTheStorage(_ accident: CrashRun.Accident) async throws {
        try await tryPoints(accident, stride: Self.triesAll ? 1 : 7)
    }

    @Test("Without an accident every activity runs once")
    func withoutAccident() async throws {
        let outcome = try await CrashRun.perform(.cutBefore, atCall: .max)
        #expect(outcome.violations == [])
        #expect(!outcome.wasMet)
    }

    private func tryPoints(_ accident: CrashRun.Accident, stride: Int) async throws {
        var call = stride == 1 ? 1 : 1 + accident.description.utf8.count % stride
        var count = 0
        while true {
            var outcome: CrashRun.Outcome?
            await #expect(throws: Never.self, "\(accident) at call \(call)") {
                outcome = try await CrashRun.perform(accident, atCall: call)
            }
            #expect(outcome?.violations == [], "\(accident) at call \(call)")
            if outcome?.wasMet != true { break }
            count += 1
            call += stride
        }
        #expect(count > 0)
        if Self.triesAll { print("\(accident): \(count) points") }
    }
}
