package import DurableCore

/// A fault that was put in, and whom it hit.
package struct Injection: Hashable, Sendable {
    package enum Kind: String, Sendable {
        case killed
        /// One of several workers that were killed at a time.
        case killedTogether = "killed together with others"
        case frozen
        case cutOff = "cut off"
        case brokerStopped = "without broker"
        case nodeKilled = "without a node of the broker"
        case brokerBlocked = "blocked by the broker's alarm"
        case diskFull = "out of disk"
        case copyDeleted = "without its copies"
        /// A publish of its went unanswered for too long, by its own log.
        case unanswered = "not answered by the broker"
    }

    package var kind: Kind
    /// Process ID; nil: all workers.
    package var worker: Int32?
    package var from: Timestamp
    /// When its effects on the worker had passed; the same as `from` for a kill.
    package var to: Timestamp

    package init(_ kind: Kind, worker: Int32?, from: Timestamp, to: Timestamp? = nil) {
        self.kind = kind
        self.worker = worker
        self.from = from
        self.to = to ?? from
    }

    /// Whether the worker's deliveries went back to the broker.
    package var losesDeliveries: Bool {
        switch kind {
        case .killed, .killedTogether, .frozen, .cutOff, .brokerStopped, .nodeKilled: true
        case .brokerBlocked, .diskFull, .copyDeleted, .unanswered: false
        }
    }

    /// Whether the worker's partitions went on without knowing what had been confirmed.
    package var losesConfirms: Bool {
        losesDeliveries || kind == .diskFull || kind == .copyDeleted || kind == .unanswered
    }

    /// Whether the worker may have gone on as if nothing were, for a while.
    package var leavesZombies: Bool { losesDeliveries && kind != .killed && kind != .killedTogether }

    package func hits(_ worker: Int32, from start: Timestamp, through end: Timestamp) -> Bool {
        (self.worker == nil || self.worker == worker) && from <= end && to >= start
    }
}

/// One worker's ownership of one partition, by its own log.
package struct Tenure: Hashable, Sendable {
    package var partition: PartitionID
    package var worker: Int32
    package var epoch: Epoch
    package var serving: Timestamp
    /// nil: it did not end in order.
    package var released: Timestamp?
    /// How long it had taken no work when it released the partition.
    package var idle = Duration.zero

    package init(
        partition: PartitionID, worker: Int32, epoch: Epoch, serving: Timestamp, released: Timestamp? = nil,
        idle: Duration = .zero
    ) {
        self.partition = partition
        self.worker = worker
        self.epoch = epoch
        self.serving = serving
        self.released = released
        self.idle = idle
    }
}

/// What is known after a run.
package struct Evidence: Sendable {
    package var partitionCount: Int
    /// Instances the broker took, in order.
    package var accepted: [InstanceID] = []
    /// Steps each instance was asked for. Look-up only.
    package var steps: [InstanceID: Int] = [:]
    /// Of the instances that are there. Look-up only.
    package var histories: [InstanceID: [HistoryEvent]] = [:]
    /// In order of their beginning.
    package var runs: [LedgerRun] = []
    /// In order of epochs.
    package var tenures: [Tenure] = []
    package var injections: [Injection] = []

    /// Faults that were put in, not those seen besides.
    package var faultCount: Int { injections.count { $0.kind != .unanswered } }

    package init(partitionCount: Int) { self.partitionCount = partitionCount }
}
