import DurableSimulation
import Testing

/// Seeds that once found something. They guard it as long as the same seed draws the same run.
@Suite("Seeds that once failed", .timeLimit(.minutes(5))) struct SeedTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var seed: UInt64
        var guarded: String
        var testDescription: String { "\(seed): \(guarded)" }
    }

    static let cases = [
        Case(seed: 3777, guarded: "a task that waits to be sent goes with its terminated instance"),
        Case(seed: 1502, guarded: "a task that was run is not sent again because its execution has ended"),
        Case(seed: 2595, guarded: "a completion lost with its queue does not keep its task from being sent again"),
        Case(seed: 1465, guarded: "a baton found in the socket of a lost channel begins no epoch"),
        Case(seed: 4532, guarded: "a baton found in the socket of a lost channel begins no epoch"),
    ]

    @Test("What a seed once found stays away", arguments: cases)
    func staysAway(_ item: Case) async {
        let outcome = await SimulationThread.run { SimulationRun.perform(SimulationPlan(seed: item.seed)) }
        #expect(outcome.violations.isEmpty)
    }
}
