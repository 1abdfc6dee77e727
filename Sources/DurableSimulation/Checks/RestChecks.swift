import DurableBackend
import DurableCore
import DurableEngine
import DurableMemory
import DurableTask

/// What must come to be once nothing fails and nothing is left to do.
struct RestChecks {
    private let hub: SimulatedHub
    init(_ hub: SimulatedHub) { self.hub = hub }

    /// The first thing that is not yet as it shall be; nil: all is at rest.
    var problem: String? {
        for partition in hub.topology.partitions {
            if let problem = problem(of: partition) { return "Partition \(partition): \(problem)." }
        }
        for activity in SimulatedActivities.all.map(\.name) {
            let queue = hub.topology.workQueue(activity)
            if let problem = left(in: queue) { return problem }
        }
        if hub.plan.sharesCode {
            for code in Programs.replayRegistry().orchestrationCodes {
                if let problem = left(in: hub.topology.episodeQueue(code)) { return problem }
            }
        }
        return nil
    }

    private func left(in queue: String) -> String? {
        let ready = hub.broker.readyMessages(in: queue).count
        let unacknowledged = hub.broker.unacknowledgedCount(in: queue)
        if ready + unacknowledged == 0 { return nil }
        return "\(queue) holds \(ready) messages, and \(unacknowledged) that nobody acknowledged"
    }

    private func problem(of partition: PartitionID) -> String? {
        let truth = hub.witness.partitions[partition.index]
        guard let owner = truth.owner, !owner.isDead, let worker = hub.workers.first(where: { $0.node === owner }),
            !worker.isEnded
        else { return "nobody owns it" }
        if hub.broker.unacknowledgedCount(in: hub.topology.queue(.own, partition)) == 0 {
            return "nobody holds its baton"
        }
        if let problem = left(in: hub.topology.queue(.control, partition)) { return problem }
        if !truth.state.outbox.isEmpty { return "its outbox holds \(truth.state.outbox.count) messages" }
        guard let (epoch, remains) = worker.watch.remains[partition], epoch == truth.newest else {
            return "its owner \(worker.name) was never at rest"
        }
        var allowed = PartitionRemains()
        let open = truth.instances.values.filter { !$0.state.status.isTerminal }
        allowed.heldInstances = open.count { $0.state.hold != nil }
        var found = remains
        found.cachedBytes = 0
        // Clients that gave up waiting are forgotten when they would be answered, or when there are too many.
        found.waiters = 0
        if !open.isEmpty { found.liveSessions = 0 }
        return found == allowed ? nil : "its owner \(worker.name) still holds \(found)"
    }
}
