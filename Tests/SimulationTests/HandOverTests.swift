import DurableSimulation
import Testing

@Suite("Partitions that change hands") struct HandOverTests {
    /// Two workers, each with four partitions and stand-by for those of the other when `faults` come, at 12 s.
    private func run(_ faults: [PlannedFault.Kind]) async -> SimulationRun.Outcome {
        var plan = SimulationPlan(seed: 7)
        plan.storage = .replicated
        (plan.workerCount, plan.partitionCount) = (2, 8)
        plan.heartbeatInterval = .seconds(2)
        plan.jobCost = .microseconds(1)
        (plan.networkLatency, plan.storageLatency) = (.microseconds(50) ... .milliseconds(1), .zero ... .zero)
        plan.latencySpikes = 0
        (plan.segmentMessages, plan.journalBytes) = (nil, nil)
        plan.faults = faults.map { PlannedFault(at: .seconds(12), kind: $0) }
        plan.faultsEnd = .seconds(14)
        return await SimulationThread.run { [plan] in SimulationRun.perform(plan, isTracing: true) }
    }

    @Test("A worker that drains gives its partitions up one after another, each when the one before it is served again")
    func oneAfterAnother() async throws {
        let outcome = await run([.drain(worker: 0, restartAfter: .seconds(60))])
        #expect(outcome.violations.isEmpty)
        let drain = try #require(outcome.trace.firstIndex { $0.contains("w0.0 drains") })
        // Partitions the leaver has released and nobody has taken yet.
        var open: Set<Substring> = []
        var released = 0
        for line in outcome.trace[drain...].prefix(while: { !$0.contains("all faults end") }) {
            if line.contains("w0.0 info: released the partition") {
                let partition = line.split(separator: " ").first { $0.hasPrefix("partition=") }?.dropFirst(10)
                released += 1
                open.insert(try #require(partition))
                #expect(open.count == 1, "\(line)")
            } else if let words = line.split(separator: " owns partition ").last, words.count < line.count {
                open.remove(words.prefix { $0 != "," })
            }
        }
        #expect(released == 4)
        #expect(open.isEmpty)
    }

    @Test("Workers that drain together wait for nobody to take their partitions")
    func together() async throws {
        let outcome = await run((0...1).map { .drain(worker: $0, restartAfter: .seconds(60)) })
        #expect(outcome.violations.isEmpty)
        func milliseconds(_ text: String) throws -> Double {
            let line = try #require(outcome.trace.first { $0.hasSuffix(text) })
            return try #require(line.split(separator: " ").first.flatMap { Double($0) })
        }
        for name in ["w0.0", "w1.1"] {
            #expect(try milliseconds("\(name) ended") - milliseconds("\(name) drains") < 500)
        }
    }
}
