import DurableCore
import DurableSchedules
import DurableSimulation
import DurableTask
import Testing

/// One instance of a run without faults, for a test to spoil.
struct WorkloadSample {
    var workload: Workload
    var instance: PlannedInstance
    var executions: [[HistoryEvent]]
    /// Of the last execution.
    var history: [HistoryEvent] {
        get { executions[executions.count - 1] }
        set { executions[executions.count - 1] = newValue }
    }
    var others: [InstanceID: [HistoryEvent]]
    var voidEnds: [InstanceID: [HistoryEvent]]
    var snapshot: InstanceSnapshot

    static let programs = Programs.replayRegistry()

    /// The first run with an instance of that orchestration that `matches`.
    static func find(
        _ orchestration: String, where matches: (Self) -> Bool = { $0.snapshot.status != .terminated }
    ) throws -> Self {
        for seed: UInt64 in 0..<400 {
            let workload = WorkloadTests.draw(seed, programs: origin(of: orchestration))
            guard workload.instances.contains(where: { $0.name == orchestration }) else { continue }
            var hub = WorkloadHub(workload, seed: seed, registry: programs)
            hub.run()
            for instance in workload.instances where instance.name == orchestration {
                guard let executions = hub.histories[instance.id], let snapshot = hub.snapshots[instance.id] else {
                    continue
                }
                let sample = Self(
                    workload: workload, instance: instance, executions: executions,
                    others: hub.histories.mapValues { RecordedInstance($0, programs: programs).whole },
                    voidEnds: hub.voidEnds, snapshot: snapshot)
                if matches(sample) { return sample }
            }
        }
        throw NotFound(orchestration: orchestration)
    }

    /// What workloads with that orchestration are drawn from.
    private static func origin(of orchestration: String) -> [Program] {
        let recovery = (Programs.recoveries + Programs.patches).filter { $0.name == orchestration }
        if !recovery.isEmpty { return recovery }
        return switch orchestration {
        case "Kin": Programs.families
        case "Rounds": Programs.continuing
        case "MendedSteps": Programs.rewindings.filter { $0.name == orchestration }
        case "Tally": Programs.updates
        case Schedules.orchestration.name: Programs.schedules
        default: Programs.drawn
        }
    }

    struct NotFound: Error { var orchestration: String }

    var violations: [String] {
        let recorded = RecordedInstance(executions, programs: Self.programs)
        var others = others
        others[instance.id] = recorded.whole
        return HistoryChecks.violations(of: recorded, of: instance, in: workload, others: others, voidEnds: voidEnds)
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
