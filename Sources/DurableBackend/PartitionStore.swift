package import DurableCore

/// Tables of one partition, filled behind its log: what is not in memory is here. Adapters pass every `StoreRule`.
///
/// Calls block for the length of a local disk access, so they belong on the partition's own thread.
package protocol PartitionStore: AnyObject, Sendable {
    /// What an owner starts from; records after `position` come from the log.
    func recover() throws(StoreError) -> StoreRecovery

    /// - Returns: nil when there is no such instance.
    func instance(_ id: InstanceID) throws(StoreError) -> InstanceState?

    /// Events of the instance's current execution from index `first`, whole chunks, at least one event and about
    /// `byteLimit` bytes; empty when there are none.
    func history(of id: InstanceID, from first: Int, byteLimit: Int) throws(StoreError) -> [HistoryEvent]

    /// Instances with something due at or before `through`, ordered by (due, ID), after `after`.
    func due(after: DueInstance?, through: Timestamp, limit: Int) throws(StoreError) -> [DueInstance]

    /// Instances on hold, ordered by ID, after `after`.
    func held(after: InstanceID?, limit: Int) throws(StoreError) -> [InstanceID]

    /// Instances that fit `filter`, ordered by (creation time, ID), after `after`.
    func list(_ filter: ListFilter, after: ListCursor?, limit: Int) throws(StoreError) -> [InstanceState]

    /// Messages to other partitions that the broker confirmed and `delivered` does not cover, ordered by place, after
    /// `after`: at least one and about `byteLimit` bytes; empty when there are none.
    func sent(after: SentPlace?, byteLimit: Int) throws(StoreError) -> [SentMessage]

    /// Number of instances by status; statuses without any are left out. In order of raw value.
    func counts() throws(StoreError) -> [QueryAnswer.StatusCount]

    /// The same of the instances that fit `filter`.
    func counts(_ filter: ListFilter) throws(StoreError) -> [QueryAnswer.StatusCount]

    /// Instances that ended before `time`, ordered by (end, ID).
    func expired(before time: Timestamp, limit: Int) throws(StoreError) -> [ExpiredInstance]

    /// Writes `flush` as one unit if the store stands at `flush.previous` and no newer epoch has begun.
    ///
    /// - Throws: `.fenced`: a newer owner exists, nothing was written. `.full`: nothing was written, the log still
    ///   holds it all. `.outOfStep`: the store stands elsewhere, nothing was written.
    func flush(_ flush: StoreFlush) throws(StoreError)

    /// Closes files. Idempotent; other calls throw `.unavailable` afterwards.
    func close()
}

package struct ExpiredInstance: Hashable, Sendable {
    /// When it ended.
    package var end: Timestamp
    package var id: InstanceID
    package init(end: Timestamp, id: InstanceID) {
        self.end = end
        self.id = id
    }
}

package struct DueInstance: Hashable, Comparable, Sendable {
    package var due: Timestamp
    package var id: InstanceID
    package init(due: Timestamp, id: InstanceID) {
        self.due = due
        self.id = id
    }
    package static func < (left: Self, right: Self) -> Bool { (left.due, left.id) < (right.due, right.id) }
}

package struct StoreRecovery: Hashable, Sendable {
    /// Last log position the tables contain.
    package var position: LogPosition
    /// Random number given when the store was made; restores get a new one.
    package var incarnation: UInt64
    /// Unconfirmed messages, sequences, deduplication and evidence at `position`; `epoch` is the one that wrote last.
    package var state: PartitionState
    package init(position: LogPosition, incarnation: UInt64, state: PartitionState) {
        self.position = position
        self.incarnation = incarnation
        self.state = state
    }
}

/// Everything a stretch of the log changed, coalesced: an instance appears once, an outbox entry confirmed in between
/// not at all.
package struct StoreFlush: Hashable, Sendable {
    /// Where the store must stand.
    package var previous: LogPosition
    /// Where it stands afterwards.
    package var position: LogPosition
    package var epoch: Epoch
    /// Gone, before `instances` are written: an ID may be in both. A copy remembers them.
    package var purged: [PurgedInstance] = []
    /// Gone like these, and nothing to be remembered: they ended before `expiredBefore`.
    package var expired: [InstanceID] = []
    /// Gone long before, and still in the archive. For copies.
    package var purgedBefore: [PurgedInstance] = []
    package var instances: [InstanceFlush]
    package var outboxAdded: [OutboxEntry]
    package var outboxRemoved: [OutboxID]
    /// Confirmed messages to other partitions, which `delivered` does not cover. They are no outbox entries any more.
    package var sent: [SentMessage]
    package var nextOutboxID: OutboxID
    /// Whole, each time: they are few.
    package var deduplication: Deduplication
    /// Whole, each time. Look-up only.
    package var sequences: [PartitionID: UInt64]
    /// Whole, each time; what it covers of the messages sent is forgotten. Look-up only.
    package var delivered: [PartitionID: UInt64]
    /// Whole, each time.
    package var evidence: CrashEvidence
    package var mustRedrive: Bool
    package var expiredBefore: Timestamp?
    /// Where a log that is elsewhere goes on from `position`, or a little before. Set by the storage, for a copy.
    package var bookmark: LogBookmark?
    /// Position by which the instances in it that have ended had, where they do not say themselves; nil: `position`.
    package var endedAt: LogPosition?

    package init(
        previous: LogPosition, position: LogPosition, epoch: Epoch, instances: [InstanceFlush] = [],
        outboxAdded: [OutboxEntry] = [], outboxRemoved: [OutboxID] = [], sent: [SentMessage] = [],
        nextOutboxID: OutboxID = OutboxID(1),
        deduplication: Deduplication = Deduplication(), sequences: [PartitionID: UInt64] = [:],
        delivered: [PartitionID: UInt64] = [:], evidence: CrashEvidence = CrashEvidence(), mustRedrive: Bool = false
    ) {
        self.previous = previous
        self.position = position
        self.epoch = epoch
        self.instances = instances
        self.outboxAdded = outboxAdded
        self.outboxRemoved = outboxRemoved
        self.sent = sent
        self.nextOutboxID = nextOutboxID
        self.deduplication = deduplication
        self.sequences = sequences
        self.delivered = delivered
        self.evidence = evidence
        self.mustRedrive = mustRedrive
    }

    /// Takes over what a partition keeps besides its instances and its messages.
    package mutating func setState(_ state: PartitionState) {
        nextOutboxID = state.nextOutboxID
        deduplication = state.deduplication
        sequences = state.sequences
        delivered = state.delivered
        evidence = state.evidence
        mustRedrive = state.mustRedrive
        expiredBefore = state.expiredBefore
    }

    /// What `setState` took, without an outbox.
    package var state: PartitionState {
        PartitionState(
            epoch: epoch, nextOutboxID: nextOutboxID, deduplication: deduplication, sequences: sequences,
            delivered: delivered, evidence: evidence, mustRedrive: mustRedrive, expiredBefore: expiredBefore)
    }

    package struct InstanceFlush: Hashable, Sendable {
        /// Replaces what is there; `state.nextDue` is what `due(...)` looks at.
        package var state: InstanceState
        /// Appended to its history, in order; the first event's index is `firstIndex`.
        package var newHistory: [HistoryEvent]
        package var firstIndex: Int
        /// State and events encoded, when they came that way; `newHistory` is empty then.
        package var encoded: Encoded?
        /// Of the append with which it ended, or of a record in it; nil: not known that exactly.
        package var endedAt: LogPosition?

        package struct Encoded: Hashable, Sendable {
            package var state: [UInt8]
            /// Empty: no events.
            package var history: [UInt8]
            package var eventCount: Int
            package init(state: [UInt8], history: [UInt8], eventCount: Int) {
                self.state = state
                self.history = history
                self.eventCount = eventCount
            }
        }

        /// Events appended.
        package var eventCount: Int { encoded?.eventCount ?? newHistory.count }

        package init(
            state: InstanceState, newHistory: [HistoryEvent], firstIndex: Int, endedAt: LogPosition? = nil
        ) {
            self.endedAt = endedAt
            self.state = state
            self.newHistory = newHistory
            self.firstIndex = firstIndex
        }
    }
}

package enum StoreError: Error, Hashable, Sendable {
    case fenced(newest: Epoch)
    case full(String)
    case outOfStep(actual: LogPosition)
    /// There is no file where the hub's descriptor says one must be. Never taken for an empty partition.
    case missing(String)
    /// The file belongs to another hub or partition, is of a newer format, or is no database of ours.
    case foreign(String)
    /// The database reports corruption, or a row cannot be decoded.
    case damaged(String)
    /// I/O error, locked for too long, or closed.
    case unavailable(String)
}

/// Makes and removes what a hub keeps outside the broker.
package protocol HubStorage: Sendable {
    /// Makes an empty log and store for each partition. Files of the same hub that are there already stay as they are.
    ///
    /// - Throws: `.foreign` when files of another hub are in the way, `.full`, `.unavailable`.
    func create(_ descriptor: HubDescriptor) throws(StoreError)

    /// Makes the files of a new hub, each with what `fill` writes into its tables: by flushes from position 0 to 0, and a
    /// last one to where the partition's log shall go on.
    ///
    /// - Throws: also `.foreign` when the files of any hub are in the way, and what `fill` throws.
    func create(
        _ descriptor: HubDescriptor, filling fill: (PartitionID, any PartitionStore) throws(StoreError) -> Void
    ) throws(StoreError)

    /// Opens a copy of a partition's log and tables as they are now, made in `directory`, which exists. Its owner, if
    /// there is one, goes on meanwhile.
    ///
    /// - Parameter directory: Absolute path; a copy made there before is replaced.
    func copy(
        _ partition: PartitionID, of descriptor: HubDescriptor, to directory: String
    ) throws(StoreError) -> OpenPartition

    /// Removes the hub's files; `.foreign` when they are another hub's. Missing files count as removed.
    func remove(_ descriptor: HubDescriptor) throws(StoreError)
}

/// Opens partitions of one hub. In `local` mode log and store share one file.
package protocol PartitionStorage: Sendable {
    /// - Throws: `.missing`, `.foreign`, `.damaged`, `.unavailable` with the path in the text.
    func open(_ partition: PartitionID) throws(StoreError) -> OpenPartition

    /// Keeps this worker's copy of a partition it does not own close to its log, until the task is cancelled. To be
    /// called on the partition's own thread, while the partition is not open here. Returns at once where there is
    /// nothing to keep.
    ///
    /// - Parameter onCaughtUp: Called when the copy has what the log had when following it began; more than once when
    ///   it begins anew.
    /// - Returns: The partition, opened where following it ended; nil: it is still to be opened.
    func follow(_ partition: PartitionID, onCaughtUp: @escaping @Sendable () -> Void) async -> OpenPartition?
}

extension PartitionStorage {
    package func follow(
        _ partition: PartitionID, onCaughtUp: @escaping @Sendable () -> Void
    ) async -> OpenPartition? {
        onCaughtUp()
        return nil
    }
}

package struct OpenPartition: Sendable {
    package var log: any PartitionLog
    package var store: any PartitionStore
    /// nil: the store has all there is.
    package var archive: (any PartitionArchive)?
    package init(log: any PartitionLog, store: any PartitionStore, archive: (any PartitionArchive)? = nil) {
        self.log = log
        self.store = store
        self.archive = archive
    }
}

/// Instances that ended long ago, which a store that was filled anew may not have yet. What it says holds once the
/// log's `begin` or a read has returned.
package protocol PartitionArchive: Sendable {
    /// Whether the store has everything.
    var isComplete: Bool { get }

    /// Whether there may be such an instance although the store does not have it, or has only some of its history.
    func mayHave(_ id: InstanceID) throws(StoreError) -> Bool

    /// Whether there are streams of which everything ended before that time and nobody needs them any more.
    func hasExpired(before time: Timestamp?) -> Bool

    /// Reads some more into the store, on the caller's actor. Not at the same time as another call of itself.
    func fetch() async throws(LogError)
}
