import DurableSimulation
import Testing

/// Seeds that once found something. They guard it as long as the same seed draws the same run: a change of the plan or
/// of the engine's steps makes them other runs, and a test of the engine itself is there for each.
@Suite("Seeds that once failed", .timeLimit(.minutes(5))) struct SeedTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var seed: UInt64
        var guarded: String
        var testDescription: String { "\(seed): \(guarded)" }
    }

    static let cases = [
        Case(seed: 456, guarded: "workers that another build's code ended are not charged to this build"),
        Case(seed: 983, guarded: "workers that another build's code ended are not charged to this build"),
        Case(seed: 615_910, guarded: "a task that was answered is not sent again when its flow has ended"),
        Case(seed: 635_339, guarded: "a worker that stands still is not stopped a second time"),
        Case(seed: 1500, guarded: "each execution that begins is run, whatever a recovery has read of the one before"),
        Case(seed: 1826, guarded: "each execution that begins is run, whatever a recovery has read of the one before"),
        Case(seed: 672_125, guarded: "a snapshot of the journal whose author died is due again soon"),
        Case(seed: 806_157, guarded: "a client that ends a child may be told that it is not there yet"),
        Case(seed: 845_721, guarded: "a worker that begins while its broker is away goes on trying"),
        Case(seed: 821_532, guarded: "a superseded owner's late repeat of what was applied is no loss"),
        Case(seed: 862_487, guarded: "a worker goes on trying to declare its queues while nobody listens"),
        Case(seed: 860_020, guarded: "an answer about a run that was purged meanwhile is no lie"),
        Case(seed: 860_226, guarded: "entities are not planned where their owner lacks them"),
        Case(seed: 701_059, guarded: "no time runs back over an episode that ran elsewhere, whatever clocks do"),
        Case(seed: 708_091, guarded: "an instance is as old in memory as in the log, though clocks are set back"),
        Case(seed: 863_537, guarded: "instances of two programs never have one ID"),
    ]

    @Test("What a seed once found stays away", arguments: cases)
    func staysAway(_ item: Case) async {
        let outcome = await SimulationThread.run { SimulationRun.perform(SimulationPlan(seed: item.seed)) }
        #expect(outcome.violations.isEmpty)
    }
}
