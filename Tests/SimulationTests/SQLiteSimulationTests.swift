import DurableSimulation
import Testing

@Suite("Simulated hubs on SQLite") struct SQLiteSimulationTests {
    private func run(_ plan: SimulationPlan) async -> SimulationRun.Outcome {
        await SimulationThread.run { SimulationRun.perform(plan) }
    }

    @Test("A hub on SQLite keeps what it promised, whatever fails", arguments: 1...6 as ClosedRange<UInt64>)
    func keepsPromises(seed: UInt64) async {
        let outcome = await run(SimulationPlan(seed: seed, defect: nil, storage: .sqlite))
        #expect(outcome.violations == [], "reproduce with: dtq simulate --storage sqlite --seed \(seed)")
        #expect(outcome.appendCount > 0)
    }

    @Test("Two runs of a seed on SQLite are one run") func repeats() async {
        let plan = SimulationPlan(seed: 3, defect: nil, storage: .sqlite)
        let (first, second) = (await run(plan), await run(plan))
        #expect(first.digest == second.digest)
        #expect(first.appendCount == second.appendCount)
    }

    @Test("A disk that forgets to synchronize is found out") func ignoredSync() async {
        for seed in 1...200 as ClosedRange<UInt64> {
            let plan = SimulationPlan(seed: seed, defect: .port(.ignoresSync), storage: .sqlite)
            let losesPower = plan.faults.contains { fault in
                if case .losePower = fault.kind { true } else { false }
            }
            if losesPower, await !run(plan).violations.isEmpty { return }
        }
        Issue.record("no seed found it")
    }

    @Test("About a sixth of all seeds run on SQLite") func share() {
        let count = (1...600).count { SimulationPlan(seed: UInt64($0)).storage == .sqlite }
        #expect((75...125).contains(count), "\(count) of 600")
    }
}
