package import DurableCore
package import DurableTask

/// What activities of the workload need of the simulation.
package protocol ProgramServices: Sendable {
    /// A run of an activity has begun.
    ///
    /// - Returns: How many runs of the same request have, this one among them.
    func began(_ run: ActivityRun) async -> Int
    /// The same run gives its result, or its failure, to the worker.
    func ended(_ run: ActivityRun) async
    /// Takes that much simulated time, or less once cancelled.
    func work(for duration: Duration) async
    /// An orchestration's code ends the worker's process.
    func trap(_ id: InstanceID)
}

/// One run of an activity's code.
package struct ActivityRun: Hashable, Sendable {
    package var instanceID: InstanceID
    package var executionID: ExecutionID
    package var taskID: EventID
    package var name: String
    package var deliveryCount: Int
    /// From 1; counts the runs of one registry, that is, of one worker.
    package var number: Int

    package init(
        instanceID: InstanceID, executionID: ExecutionID, taskID: EventID, name: String, deliveryCount: Int, number: Int
    ) {
        self.instanceID = instanceID
        self.executionID = executionID
        self.taskID = taskID
        self.name = name
        self.deliveryCount = deliveryCount
        self.number = number
    }
}

/// What is deployed on a worker.
package enum CodeVariant: Hashable, Sendable, CaseIterable {
    case original
    /// Behaves the same towards history: activities take another time, one more is registered.
    case compatible
    /// Replay of `Programs.divergent` asks for something else than was recorded; new episodes do as the original, so
    /// that no history is written that the original cannot replay. `Programs.patches` are as they were before the patch.
    case divergent
    /// `Programs.missing` is not registered.
    case missing
    /// The code of `Programs.fuse` ends its worker.
    case trapping
}

/// Orchestrations that belong together, and how a run makes use of them.
///
/// To add one: write it in the file of its group, put it into that file's list. Its plan adds instances and whatever
/// they need of clients to the draft, with the outcomes they may have. Whatever runs in it must follow from input and
/// events alone.
package struct Program: Sendable {
    package let name: String
    let orchestrations: @Sendable (ProgramSetting) -> [any Registrable]
    let plan: @Sendable (inout WorkloadDraft) -> Void

    init(
        _ name: String, _ orchestrations: @escaping @Sendable (ProgramSetting) -> [any Registrable],
        plan: @escaping @Sendable (inout WorkloadDraft) -> Void
    ) {
        self.name = name
        self.orchestrations = orchestrations
        self.plan = plan
    }
}

/// The surroundings of registered code.
struct ProgramSetting: Sendable {
    let services: any ProgramServices
    let variant: CodeVariant
    private let runs = PlatformLock(0)

    init(services: any ProgramServices, variant: CodeVariant) {
        self.services = services
        self.variant = variant
    }

    func nextRun() -> Int {
        runs.withLock { count in
            count += 1
            return count
        }
    }

    /// Whether the code is to ask for something that history does not hold.
    func diverges(_ context: OrchestrationContext) -> Bool { variant == .divergent && context.isReplaying }
}

/// All programs of the workload.
package enum Programs {
    package static let all: [Program] =
        drawn + families + continuing + recoveries + patches + cancellations + entities + rewindings + updates
    /// Those that workloads are drawn from.
    package static let drawn: [Program] = sequences + groups + timers + events + failures + messaging + values

    /// Names of those that workers have only where the workload has instances of them.
    package static let occasional = Set((rewindings + updates).map(\.name))

    /// Of the activities that orchestrations call.
    package static var activityNames: [String] { SimulatedActivities.all.map(\.name) }

    /// Programs whose instances are held under divergent code, once they have a history.
    package static let divergent = ["Sequence", "FanOut"]
    /// The program whose instances are held where it is missing.
    package static let missing = "ParallelTimers"

    /// - Parameter isLeftOut: Of a program's name: that worker does without it.
    package static func register(
        in registry: inout Registry, services: any ProgramServices, variant: CodeVariant = .original,
        isLeftOut: (String) -> Bool = { _ in false }
    ) {
        let setting = ProgramSetting(services: services, variant: variant)
        do {
            for activity in SimulatedActivities.all { try registry.register(activity.registrable(setting)) }
            if variant == .compatible {
                try registry.register(Activity("OnlyInTheNewDeploy") { (_: ActivityContext) -> Int in 0 })
            }
            for operation in operations { try registry.register(operation) }
            for program in all where (variant != .missing || program.name != missing) && !isLeftOut(program.name) {
                for item in program.orchestrations(setting) { try registry.register(item) }
            }
        } catch {
            preconditionFailure("each name of the workload is used once: \(error)")
        }
    }

    /// To replay with: its activities never run.
    package static func replayRegistry(variant: CodeVariant = .original) -> Registry {
        var registry = Registry()
        register(in: &registry, services: NoServices(), variant: variant)
        return registry
    }

    private struct NoServices: ProgramServices {
        func began(_ run: ActivityRun) async -> Int { 1 }
        func ended(_ run: ActivityRun) async {}
        func work(for duration: Duration) async {}
        func trap(_ id: InstanceID) {}
    }
}

/// Values as the code gets them.
func json(_ value: some Encodable) -> Payload? {
    do {
        return try PayloadCoding.encode(value, as: "a value of the workload")
    } catch {
        preconditionFailure("plain values can be encoded: \(error)")
    }
}
