package import DurableBackend
internal import DurableCore

/// What a `PartitionStore` must obey, together with the log of its partition.
package enum StoreRule: String, CaseIterable, Sendable {
    // Recovery and flush
    case newStoreStandsAtZero
    case incarnationIsKept
    case recoveryIsWhatWasFlushed
    case tablesAndTheLogAfterThemAreComplete
    case flushFromElsewhereIsOutOfStep
    case flushOfAnOldEpochIsFenced
    case refusedFlushChangesNothing
    case outboxEntriesComeAndGo
    case sentMessagesAreKeptUntilDelivered
    case sentMessagesAreOrderedAndPaged
    case reopenedStoreHasEverything
    case otherOpeningSeesAFlush
    case closedStoreRefuses
    case partitionsAreIndependent

    // Instances and their histories
    case unknownInstanceIsNil
    case instanceComesBackAsFlushed
    case laterFlushReplacesTheInstance
    case idsAreComparedByTheirBytes
    case historyIsAppended
    case historyStartsWhereAsked
    case historyPagesAreBoundedByBytes
    case newExecutionReplacesTheHistory

    // Lists
    case dueInstancesAreOrderedAndPaged
    case dueInstancesFollowTheirState
    case heldInstancesAreOrderedAndPaged
    case listIsOrderedByCreationAndPaged
    case listFiltersByStatus
    case listFiltersByName
    case listFiltersByPrefix
    case listFiltersByTime
    case listFiltersTogetherAndPaged
    case countsFollowEveryFlush
    case listFiltersByTags
    case listFiltersByParent
    case countsByFilterAreThoseOfLists
    case expiredInstancesAreOrdered
    case purgedInstancesAreGone

    /// - Parameter makeStorage: Makes new, empty storage with at least two partitions. Openings of a partition of the
    ///   same storage share its contents.
    /// - Throws: `StorageRuleViolation`, or what the adapter threw where it must not.
    package func verify(_ makeStorage: () async throws -> any PartitionStorage) async throws {
        let fixture = try await StoreFixture(try await makeStorage())
        defer { fixture.store.close() }
        switch self {
        case .newStoreStandsAtZero: try Self.newStoreStandsAtZero(fixture)
        case .incarnationIsKept: try Self.incarnationIsKept(fixture)
        case .recoveryIsWhatWasFlushed: try await Self.recoveryIsWhatWasFlushed(fixture)
        case .tablesAndTheLogAfterThemAreComplete: try await Self.tablesAndTheLogAfterThemAreComplete(fixture)
        case .flushFromElsewhereIsOutOfStep: try await Self.flushFromElsewhereIsOutOfStep(fixture)
        case .flushOfAnOldEpochIsFenced: try await Self.flushOfAnOldEpochIsFenced(fixture)
        case .refusedFlushChangesNothing: try await Self.refusedFlushChangesNothing(fixture)
        case .outboxEntriesComeAndGo: try await Self.outboxEntriesComeAndGo(fixture)
        case .sentMessagesAreKeptUntilDelivered: try await Self.sentMessagesAreKeptUntilDelivered(fixture)
        case .sentMessagesAreOrderedAndPaged: try await Self.sentMessagesAreOrderedAndPaged(fixture)
        case .reopenedStoreHasEverything: try await Self.reopenedStoreHasEverything(fixture)
        case .otherOpeningSeesAFlush: try await Self.otherOpeningSeesAFlush(fixture)
        case .closedStoreRefuses: try await Self.closedStoreRefuses(fixture)
        case .partitionsAreIndependent: try await Self.partitionsAreIndependent(fixture)

        case .unknownInstanceIsNil: try Self.unknownInstanceIsNil(fixture)
        case .instanceComesBackAsFlushed: try await Self.instanceComesBackAsFlushed(fixture)
        case .laterFlushReplacesTheInstance: try await Self.laterFlushReplacesTheInstance(fixture)
        case .idsAreComparedByTheirBytes: try await Self.idsAreComparedByTheirBytes(fixture)
        case .historyIsAppended: try await Self.historyIsAppended(fixture)
        case .historyStartsWhereAsked: try await Self.historyStartsWhereAsked(fixture)
        case .historyPagesAreBoundedByBytes: try await Self.historyPagesAreBoundedByBytes(fixture)
        case .newExecutionReplacesTheHistory: try await Self.newExecutionReplacesTheHistory(fixture)

        case .dueInstancesAreOrderedAndPaged: try await Self.dueInstancesAreOrderedAndPaged(fixture)
        case .dueInstancesFollowTheirState: try await Self.dueInstancesFollowTheirState(fixture)
        case .heldInstancesAreOrderedAndPaged: try await Self.heldInstancesAreOrderedAndPaged(fixture)
        case .listIsOrderedByCreationAndPaged: try await Self.listIsOrderedByCreationAndPaged(fixture)
        case .listFiltersByStatus: try await Self.listFiltersByStatus(fixture)
        case .listFiltersByName: try await Self.listFiltersByName(fixture)
        case .listFiltersByPrefix: try await Self.listFiltersByPrefix(fixture)
        case .listFiltersByTime: try await Self.listFiltersByTime(fixture)
        case .listFiltersTogetherAndPaged: try await Self.listFiltersTogetherAndPaged(fixture)
        case .countsFollowEveryFlush: try await Self.countsFollowEveryFlush(fixture)
        case .listFiltersByTags: try await Self.listFiltersByTags(fixture)
        case .listFiltersByParent: try await Self.listFiltersByParent(fixture)
        case .countsByFilterAreThoseOfLists: try await Self.countsByFilterAreThoseOfLists(fixture)
        case .expiredInstancesAreOrdered: try await Self.expiredInstancesAreOrdered(fixture)
        case .purgedInstancesAreGone: try await Self.purgedInstancesAreGone(fixture)
        }
    }
}

/// A partition whose first epoch has begun, and the flushes rules make.
final class StoreFixture {
    static let partition = PartitionID(0)
    let storage: any PartitionStorage
    let log: any PartitionLog
    let store: any PartitionStore
    let epoch = SampleRecords.epoch(1)
    /// Where the store stands.
    private(set) var position = LogPosition(0)

    init(_ storage: any PartitionStorage) async throws {
        self.storage = storage
        let opened = try storage.open(Self.partition)
        (log, store) = (opened.log, opened.store)
        _ = try await log.begin(SampleRecords.begin(epoch))
    }

    /// Appends one record to the log, then flushes through it.
    func flush(_ instances: [StoreFlush.InstanceFlush] = [], change: (inout StoreFlush) -> Void = { _ in }) async throws
    {
        let end = try await log.append([.released(nextDue: nil)], epoch: epoch)
        var flush = StoreFlush(previous: position, position: end, epoch: epoch, instances: instances)
        change(&flush)
        try store.flush(flush)
        position = flush.position
    }

    /// Flushes instances that have no history.
    func flush(_ states: [InstanceState]) async throws {
        try await flush(states.map { .init(state: $0, newHistory: [], firstIndex: 0) })
    }

    func list(
        _ filter: ListFilter = ListFilter(), after: InstanceState? = nil, limit: Int = 100
    ) throws -> [String] {
        let cursor = after.map { ListCursor(createdAt: $0.createdAt, id: $0.id) }
        return try store.list(filter, after: cursor, limit: limit).map(\.id.value)
    }

    func counts() throws -> [OrchestrationStatus: Int] {
        Dictionary(uniqueKeysWithValues: try store.counts().map { ($0.status, $0.count) })
    }
}
