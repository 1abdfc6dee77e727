import DurableCore
import DurableSimulation
import DurableTask
import Testing

/// One instance of a run without faults, for a test to spoil.
struct WorkloadSample {
    var workload: Workload
    var instance: PlannedInstance
    var history: [HistoryEvent]
    var others: [InstanceID: [HistoryEvent]]
    var snapshot: InstanceSnapshot

    static let programs = Programs.replayRegistry()

    /// The first run with an instance of that orchestration that `matches`.
    static func find(
        _ orchestration: String, where matches: (Self) -> Bool = { $0.snapshot.status != .terminated }
    ) throws -> Self {
        for seed: UInt64 in 0..<400 {
            let workload = WorkloadTests.draw(
                seed, programs: orchestration == "Kin" ? Programs.families : Programs.drawn)
            guard workload.instances.contains(where: { $0.name == orchestration }) else { continue }
            var hub = WorkloadHub(workload, seed: seed, registry: programs)
            hub.run()
            for instance in workload.instances where instance.name == orchestration {
                guard let history = hub.histories[instance.id], let snapshot = hub.snapshots[instance.id] else {
                    continue
                }
                let sample = Self(
                    workload: workload, instance: instance, history: history, others: hub.histories,
                    snapshot: snapshot)
                if matches(sample) { return sample }
            }
        }
        throw NotFound(orchestration: orchestration)
    }

    struct NotFound: Error { var orchestration: String }

    var violations: [String] {
        var others = others
        others[instance.id] = history
        return HistoryChecks.violations(
            history: history, of: instance, in: workload, others: others,
            replay: history.executionStarted.map { HistoryReplay(history, of: $0, programs: Self.programs) })
    }

    /// Index of the first event of that type, or of the one after `skip` of them.
    func index(_ type: String, skip: Int = 0) throws -> Int {
        let all = history.indices.filter { history[$0].typeName == type }
        return try #require(all.dropFirst(skip).first, "no \(type) in the sample")
    }

    /// The history up to the end of an episode, counted from 1.
    func prefix(episodes: Int) -> [HistoryEvent] {
        let starts = history.indices.filter { history[$0].kind == .orchestratorStarted }
        return episodes < starts.count ? Array(history[..<starts[episodes]]) : history
    }
}
