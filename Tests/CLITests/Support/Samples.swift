import DurableCore

/// The clock's start, 2026-11-24T09:00:00Z.
let start = Timestamp(millisecondsSinceEpoch: 1_795_510_800_000)

func instance(
    _ id: String, _ name: String = "ShipOrder", _ status: OrchestrationStatus = .running, secondsAgo: Int = 60
) -> InstanceSnapshot {
    var snapshot = InstanceSnapshot(
        id: InstanceID(id), executionID: ExecutionID("execution-of-\(id)"), name: name, status: status)
    snapshot.createdAt = start - .seconds(secondsAgo)
    snapshot.lastUpdatedAt = start - .seconds(secondsAgo / 2)
    snapshot.historyCount = 3
    return snapshot
}

func heartbeat(_ worker: String, partitions: [Int], runs: UInt64 = 40) -> WorkerHeartbeat {
    WorkerHeartbeat(
        worker: WorkerID(worker), state: .active, time: start, startedAt: start - .seconds(3725),
        intervalMilliseconds: 2000, buildVersion: "1.0", runsOrchestrations: true, runsActivities: true,
        orchestrations: ["ShipOrder"], activities: [.init(name: "ChargeCard", inFlight: 2)], slots: 16,
        partitions: partitions.map {
            .init(
                partition: PartitionID($0), epoch: Epoch(generation: 1, offset: 10 + UInt64($0)), inFlight: $0,
                outbox: 4,
                heldInstances: 0, nextDue: nil)
        }, episodeCount: 12_345, activityRunCount: runs)
}
