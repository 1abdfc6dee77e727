package import DurableCore

extension WorkerHeartbeat: WireCodable {
    package init(wire bytes: [UInt8]) throws(WireError) {
        let wire = try PBWorkerHeartbeat(alone: bytes)
        self.init(
            worker: WorkerID(wire.worker), state: try State(wire.state), time: Timestamp(ms: wire.timeMs),
            startedAt: Timestamp(ms: wire.startedAtMs),
            intervalMilliseconds: try checkedCount(wire.intervalMs, "heartbeat interval"),
            buildVersion: wire.buildVersion, runsOrchestrations: wire.runsOrchestrations,
            runsActivities: wire.runsActivities, orchestrations: wire.orchestrations,
            activities: try wire.activities.map(Activity.init), slots: try checkedCount(wire.slots, "activity slots"),
            partitions: try wire.partitions.map(Partition.init), isHello: wire.isHello,
            episodeCount: wire.episodeCount, activityRunCount: wire.activityRunCount)
    }

    package var wireBytes: [UInt8] {
        var wire = PBWorkerHeartbeat()
        wire.worker = worker.value
        wire.state = PBWorkerHeartbeat.State(state)
        wire.timeMs = time.millisecondsSinceEpoch
        wire.startedAtMs = startedAt.millisecondsSinceEpoch
        wire.intervalMs = Int64(intervalMilliseconds)
        wire.buildVersion = buildVersion
        wire.runsOrchestrations = runsOrchestrations
        wire.runsActivities = runsActivities
        wire.orchestrations = orchestrations
        wire.activities = activities.map(PBWorkerHeartbeat.Activity.init)
        wire.slots = Int64(slots)
        wire.partitions = partitions.map(PBWorkerHeartbeat.Partition.init)
        wire.isHello = isHello
        wire.episodeCount = episodeCount
        wire.activityRunCount = activityRunCount
        return wire.aloneBytes()
    }
}

extension PBWorkerHeartbeat.State {
    fileprivate init(_ state: WorkerHeartbeat.State) {
        self =
            switch state {
            case .starting: .starting
            case .active: .active
            case .draining: .draining
            case .stopped: .stopped
            }
    }
}

extension WorkerHeartbeat.State {
    fileprivate init(_ wire: PBWorkerHeartbeat.State) throws(WireError) {
        switch wire {
        case .starting: self = .starting
        case .active: self = .active
        case .draining: self = .draining
        case .stopped: self = .stopped
        case .unspecified, .UNRECOGNIZED:
            throw .undecodable("worker state \(wire.rawValue) is not known to this version")
        }
    }
}

extension PBWorkerHeartbeat.Activity {
    fileprivate init(_ activity: WorkerHeartbeat.Activity) {
        self.init()
        name = activity.name
        inFlight = Int64(activity.inFlight)
    }
}

extension WorkerHeartbeat.Activity {
    fileprivate init(_ wire: PBWorkerHeartbeat.Activity) throws(WireError) {
        self.init(name: wire.name, inFlight: try checkedCount(wire.inFlight, "runs of \(wire.name)"))
    }
}

extension PBWorkerHeartbeat.Partition {
    fileprivate init(_ owned: WorkerHeartbeat.Partition) {
        self.init()
        partition = owned.partition.wireIndex
        epoch = PBEpoch(owned.epoch)
        inFlight = Int64(owned.inFlight)
        outbox = Int64(owned.outbox)
        heldInstances = Int64(owned.heldInstances)
        if let nextDue = owned.nextDue { nextDueMs = nextDue.millisecondsSinceEpoch }
    }
}

extension WorkerHeartbeat.Partition {
    fileprivate init(_ wire: PBWorkerHeartbeat.Partition) throws(WireError) {
        self.init(
            partition: try PartitionID(wireIndex: wire.partition), epoch: Epoch(wire.epoch),
            inFlight: try checkedCount(wire.inFlight, "deliveries in flight"),
            outbox: try checkedCount(wire.outbox, "outbox length"),
            heldInstances: try checkedCount(wire.heldInstances, "instances on hold"),
            nextDue: wire.hasNextDueMs ? Timestamp(ms: wire.nextDueMs) : nil)
    }
}
