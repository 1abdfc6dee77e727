/// What a worker tells everyone about itself, at intervals and at every change.
package struct WorkerHeartbeat: Hashable, Sendable {
    package enum State: String, Hashable, Sendable { case starting, active, draining, stopped }

    package var worker: WorkerID
    package var state: State
    package var time: Timestamp
    package var startedAt: Timestamp
    /// Milliseconds until the next one at the latest; after three without any the worker counts as gone.
    package var intervalMilliseconds: Int
    package var buildVersion: String
    package var runsOrchestrations: Bool
    package var runsActivities: Bool
    package var orchestrations: [String]
    package var activities: [Activity]
    package var slots: Int
    package var partitions: [Partition]
    /// Asks others to send theirs at once; set on the first one.
    package var isHello: Bool
    /// Since its start.
    package var episodeCount: UInt64
    package var activityRunCount: UInt64
    /// Over the last interval; nil before the first one has passed.
    package var episodesPerSecond: Double?
    package var activityRunsPerSecond: Double?
    /// What became of the work in hand: in the last heartbeat of a worker that stopped in order.
    package var receipt: WorkerReceipt?
    /// Partitions it could serve at once, should their owner go: it waits for them, its copies are close to their logs.
    /// nil: a version that does not tell.
    package var standBy: [PartitionID]?
    /// Code whose episode queues it consumes, in order; empty: of a version that takes none.
    package var codes: [OrchestrationCode]
    /// Code that instances of its partitions wait for and no worker has, in order; the most frequent ones of many.
    package var missingCode: [MissingCode]

    package init(
        worker: WorkerID, state: State, time: Timestamp, startedAt: Timestamp, intervalMilliseconds: Int,
        buildVersion: String, runsOrchestrations: Bool, runsActivities: Bool, orchestrations: [String] = [],
        activities: [Activity] = [], slots: Int, partitions: [Partition] = [], isHello: Bool = false,
        episodeCount: UInt64 = 0, activityRunCount: UInt64 = 0, episodesPerSecond: Double? = nil,
        activityRunsPerSecond: Double? = nil, receipt: WorkerReceipt? = nil,
        standBy: [PartitionID]? = nil, codes: [OrchestrationCode] = [], missingCode: [MissingCode] = []
    ) {
        self.worker = worker
        self.state = state
        self.time = time
        self.startedAt = startedAt
        self.intervalMilliseconds = intervalMilliseconds
        self.buildVersion = buildVersion
        self.runsOrchestrations = runsOrchestrations
        self.runsActivities = runsActivities
        self.orchestrations = orchestrations
        self.activities = activities
        self.slots = slots
        self.partitions = partitions
        self.isHello = isHello
        self.episodeCount = episodeCount
        self.activityRunCount = activityRunCount
        self.episodesPerSecond = episodesPerSecond
        self.activityRunsPerSecond = activityRunsPerSecond
        self.receipt = receipt
        self.standBy = standBy
        self.codes = codes
        self.missingCode = missingCode
    }

    /// Instances that nobody can run.
    package struct MissingCode: Hashable, Sendable {
        package var code: OrchestrationCode
        package var instances: Int
        package init(code: OrchestrationCode, instances: Int) {
            self.code = code
            self.instances = instances
        }
    }

    package struct Activity: Hashable, Sendable {
        package var name: String
        /// Runs of it under way.
        package var inFlight: Int
        package init(name: String, inFlight: Int) {
            self.name = name
            self.inFlight = inFlight
        }
    }

    /// An owned partition.
    package struct Partition: Hashable, Sendable {
        package var partition: PartitionID
        package var epoch: Epoch
        /// Deliveries taken and not acknowledged.
        package var inFlight: Int
        /// Messages the broker has not confirmed.
        package var outbox: Int
        package var heldInstances: Int
        package var nextDue: Timestamp?
        /// Of the outbox: what the broker returned or refused when it was last sent.
        package var refused: Int
        /// Records of the log that the tables do not hold yet: a later owner reads them first.
        package var unflushed: Int
        package init(
            partition: PartitionID, epoch: Epoch, inFlight: Int, outbox: Int, heldInstances: Int, nextDue: Timestamp?,
            refused: Int = 0, unflushed: Int = 0
        ) {
            self.partition = partition
            self.epoch = epoch
            self.inFlight = inFlight
            self.outbox = outbox
            self.heldInstances = heldInstances
            self.nextDue = nextDue
            self.refused = refused
            self.unflushed = unflushed
        }
    }
}

/// What became of the work in hand when a worker stopped.
package struct WorkerReceipt: Hashable, Sendable {
    /// Activities that ran to their end during the stop.
    package var finishedActivities = 0
    /// Activities cut off at the end of the grace period; the broker gives them to another worker.
    package var canceledActivities = 0
    /// Tasks returned unstarted.
    package var returnedDeliveries = 0
    /// Partitions given up in order.
    package var releasedPartitions = 0
    package var duration = Duration.zero

    package init() {}
}

/// Asks workers to stop in order, as SIGTERM does.
package struct DrainRequest: Hashable, Sendable {
    package var workers: [WorkerID]
    /// How long running activities may go on; nil: as each worker is configured.
    package var grace: Duration?
    package init(workers: [WorkerID], grace: Duration?) {
        self.workers = workers
        self.grace = grace
    }
}
