import DurableCore
import DurableSimulation
import Testing

@Suite("IDs that are used again, simulated") struct ReuseTests {
    private static let seeds: [UInt64] = (1...400).filter { !SimulationPlan(seed: $0).reuses.isEmpty }

    @Test("Each start counts once, and the last one that began is there", arguments: seeds.prefix(16))
    func holds(seed: UInt64) async {
        let outcome = await SimulationThread.run { SimulationRun.perform(SimulationPlan(seed: seed)) }
        #expect(outcome.violations.isEmpty)
    }

    @Test("An eighth of the seeds has some; every choice and purges are among them")
    func drawn() {
        #expect((30...70).contains(Self.seeds.count))
        let steps = Self.seeds.flatMap { SimulationPlan(seed: $0).reuses }.flatMap(\.steps)
        var choices: Set<IDReuse> = []
        for case .start(_, _, let choice, _) in steps { choices.insert(choice) }
        #expect(choices.count == 7)
        #expect(steps.contains(.purge) && steps.contains(.waitForEnd))
    }
}
