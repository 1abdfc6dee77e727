package import DurableCore
package import DurableTask

package enum CodeVariant: String, Sendable { case original, compatible, divergent, missing }

package struct ActivityRun: Sendable {
    package var name: String
    package var instanceID: InstanceID
    package var executionID: ExecutionID
    package var taskID: EventID
    package var deliveryCount: Int
    package var idempotencyKey: String
}

package protocol ProgramServices: Sendable {
    func began(_ run: ActivityRun) async
    func ended(_ run: ActivityRun) async
    func work(for duration: Duration) async
}

package struct Workload: Sendable {
    package struct PlannedInstance: Sendable { package var id: InstanceID; var name: String; var input: Payload }
    package struct PlannedOperation: Sendable {
        package enum Kind: Sendable { case start(Int) }
        package var at: Duration
        package var kind: Kind
    }
    package var instances: [PlannedInstance] = []
    package var operations: [PlannedOperation] = []
    static func draw(from random: inout SeededGenerator, partitionCount: Int) -> Workload {
        var load = Workload()
        for index in 0..<Int(1 + random.next() % 12) {
            load.instances.append(.init(id: InstanceID("i-\(index)"), name: "Chain", input: Payload("\(random.next() % 6)")))
            load.operations.append(.init(at: random.duration(.zero ... .seconds(5)), kind: .start(index)))
        }
        return load
    }
}

enum Programs {
    static let activityNames = ["Add"]
    static func register(in registry: inout Registry, services: any ProgramServices, variant: CodeVariant) {
        let add = Activity("Add") { (value: Int, context: ActivityContext) -> Int in
            let run = ActivityRun(name: "Add", instanceID: context.instanceID, executionID: context.executionID, taskID: context.taskID, deliveryCount: context.deliveryCount, idempotencyKey: "")
            await services.began(run)
            await services.work(for: .milliseconds(value * 10))
            await services.ended(run)
            return value + 1
        }
        try? add.register(in: &registry)
        let chain = Orchestration("Chain") { (count: Int, context: OrchestrationContext) async throws -> Int in
            var total = 0
            for _ in 0..<count { total = try await context.callActivity(add, total); try await context.sleep(for: .seconds(1)) }
            return total
        }
        try? chain.register(in: &registry)
    }
}

package final class SimulatedDisk {
    package init(seed: UInt64) throws {}
    package var directory: String { "/nowhere" }
    package var currentProcess = 0
    package var ignoresSync = false
    package func kill(_ process: Int) {}
    package func losePower() {}
    package func removeAll() {}
}
