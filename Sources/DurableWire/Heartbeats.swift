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
            episodeCount: wire.episodeCount, activityRunCount: wire.activityRunCount,
            episodesPerSecond: wire.hasEpisodesPerSecond ? checkedRate(wire.episodesPerSecond) : nil,
            activityRunsPerSecond: wire.hasActivityRunsPerSecond ? checkedRate(wire.activityRunsPerSecond) : nil,
            receipt: wire.hasReceipt ? try WorkerReceipt(wire.receipt) : nil,
            standBy: wire.hasStandBy ? try wire.standBy.partitions.map(PartitionID.init(wireIndex:)) : nil,
            codes: wire.codes.map(OrchestrationCode.init),
            missingCode: try wire.missingCode.map(MissingCode.init))
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
        if let episodesPerSecond { wire.episodesPerSecond = episodesPerSecond }
        if let activityRunsPerSecond { wire.activityRunsPerSecond = activityRunsPerSecond }
        if let receipt { wire.receipt = PBWorkerHeartbeat.Receipt(receipt) }
        if let standBy { wire.standBy.partitions = standBy.map(\.wireIndex) }
        wire.codes = codes.map(PBOrchestrationCode.init)
        wire.missingCode = missingCode.map { missing in
            var wire = PBWorkerHeartbeat.MissingCode()
            wire.code = PBOrchestrationCode(missing.code)
            wire.instances = Int64(missing.instances)
            return wire
        }
        return wire.aloneBytes()
    }
}

extension WorkerHeartbeat.MissingCode {
    fileprivate init(_ wire: PBWorkerHeartbeat.MissingCode) throws(WireError) {
        self.init(
            code: OrchestrationCode(wire.code), instances: try checkedCount(wire.instances, "instances without code"))
    }
}

/// nil for what is no rate.
private func checkedRate(_ rate: Double) -> Double? { rate.isFinite && rate >= 0 ? rate : nil }

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

extension PBWorkerHeartbeat.Receipt {
    fileprivate init(_ receipt: WorkerReceipt) {
        self.init()
        finished = Int64(receipt.finishedActivities)
        handedOver = Int64(receipt.releasedPartitions)
        returned = Int64(receipt.returnedDeliveries)
        cancelled = Int64(receipt.canceledActivities)
        durationMs = receipt.duration.wholeMilliseconds
    }
}

extension WorkerReceipt {
    fileprivate init(_ wire: PBWorkerHeartbeat.Receipt) throws(WireError) {
        self.init()
        finishedActivities = try checkedCount(wire.finished, "finished activities")
        releasedPartitions = try checkedCount(wire.handedOver, "partitions handed over")
        returnedDeliveries = try checkedCount(wire.returned, "tasks returned")
        canceledActivities = try checkedCount(wire.cancelled, "cancelled activities")
        duration = .milliseconds(try checkedCount(wire.durationMs, "duration of a drain"))
    }
}

extension DrainRequest: WireCodable {
    package init(wire bytes: [UInt8]) throws(WireError) {
        let wire = try PBDrainRequest(alone: bytes)
        self.init(
            workers: wire.workers.map { WorkerID($0) },
            grace: wire.hasGraceMs ? .milliseconds(try checkedCount(wire.graceMs, "grace period")) : nil)
    }

    package var wireBytes: [UInt8] {
        var wire = PBDrainRequest()
        wire.workers = workers.map(\.value)
        if let grace { wire.graceMs = grace.wholeMilliseconds }
        return wire.aloneBytes()
    }
}

extension Duration {
    fileprivate var wholeMilliseconds: Int64 { Int64(self / .milliseconds(1)) }
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
        refused = Int64(owned.refused)
        unflushed = Int64(owned.unflushed)
    }
}

extension WorkerHeartbeat.Partition {
    fileprivate init(_ wire: PBWorkerHeartbeat.Partition) throws(WireError) {
        self.init(
            partition: try PartitionID(wireIndex: wire.partition), epoch: Epoch(wire.epoch),
            inFlight: try checkedCount(wire.inFlight, "deliveries in flight"),
            outbox: try checkedCount(wire.outbox, "outbox length"),
            heldInstances: try checkedCount(wire.heldInstances, "instances on hold"),
            nextDue: wire.hasNextDueMs ? Timestamp(ms: wire.nextDueMs) : nil,
            refused: try checkedCount(wire.refused, "messages the broker refused"),
            unflushed: try checkedCount(wire.unflushed, "records not in the tables"))
    }
}
