public import DurableCore

/// Which instances are meant: all conditions must hold. An empty one means every instance of the hub.
public struct InstanceQuery: Hashable, Sendable {
    /// Empty: any.
    public var statuses: [OrchestrationStatus]
    /// Of the orchestration.
    public var name: String?
    /// Their IDs begin with it; nil: any.
    public var idPrefix: String?
    /// Created at or after.
    public var createdFrom: Timestamp?
    /// Created before.
    public var createdTo: Timestamp?
    /// They have all of these; nil as a value: whatever it is.
    public var tags: [String: String?]
    /// The instance that called them.
    public var parent: InstanceID?

    /// All that is given has to fit; without anything, every instance of the hub does.
    public init(
        statuses: [OrchestrationStatus] = [], name: String? = nil, idPrefix: String? = nil,
        createdFrom: Timestamp? = nil, createdTo: Timestamp? = nil, tags: [String: String?] = [:],
        parent: InstanceID? = nil
    ) {
        self.statuses = statuses
        self.name = name
        self.idPrefix = idPrefix
        self.createdFrom = createdFrom
        self.createdTo = createdTo
        self.tags = tags
        self.parent = parent
    }

    var filter: ListFilter {
        ListFilter(
            statuses: statuses, name: name, idPrefix: idPrefix, createdFrom: createdFrom, createdTo: createdTo,
            tags: tags.sorted { $0.key < $1.key }.map { TagFilter(key: $0.key, value: $0.value) }, parent: parent)
    }
}

extension TaskHubClient {
    /// What was removed for good.
    public struct Purged: Hashable, Sendable {
        /// Sub-orchestrations included.
        public let instanceCount: Int
        /// Of their histories.
        public let eventCount: Int
        /// Those that were meant, or called by such, and have not ended: they were left as they are.
        public let running: [InstanceID]
    }

    /// Instances of the hub, oldest first, without inputs and outputs.
    ///
    /// - Parameters:
    ///   - limit: At most so many, 1 to 10,000.
    ///   - last: The last one of the page before; nil: from the first on.
    /// - Returns: Fewer than `limit`: there are no more.
    /// - Throws: `ClientError`, DTQ5001 when a partition has no worker: a list with holes would mislead.
    public func list(
        _ query: InstanceQuery = InstanceQuery(), limit: Int = 100, after last: InstanceSnapshot? = nil
    ) async throws -> [InstanceSnapshot] {
        try await core.list(query.filter, after: last.map { ListCursor($0) }, limit: limit).instances
    }

    /// Number of instances by status; statuses without any are left out.
    public func count(_ query: InstanceQuery = InstanceQuery()) async throws -> [OrchestrationStatus: Int] {
        var counts: [OrchestrationStatus: Int] = [:]
        for count in try await core.counts(query.filter) { counts[count.status] = count.count }
        return counts
    }

    /// Removes an instance that has ended, with its history, for good. To repeat it is safe.
    ///
    /// - Parameter recursive: Whether the sub-orchestrations that it called, and theirs, go with it, as far as they have
    ///   ended.
    /// - Returns: nil when there is no such instance.
    /// - Throws: `ClientError.Code.instanceNotEnded` when it has not ended: nothing was purged.
    @discardableResult
    public func purge(_ id: InstanceID, recursive: Bool = true) async throws -> Purged? {
        try await core.purge(id, recursive: recursive).map {
            Purged(instanceCount: $0.instances, eventCount: $0.events, running: $0.running)
        }
    }

    /// Removes all instances that fit and have ended, with their histories, for good. What they called stays, unless it
    /// fits as well. To repeat it is safe.
    @discardableResult
    public func purge(all query: InstanceQuery) async throws -> Purged {
        var filter = query.filter
        filter.statuses = OrchestrationStatus.allCases.filter { status in
            status.isTerminal && (filter.statuses.isEmpty || filter.statuses.contains(status))
        }
        var sum = QueryAnswer.Purged()
        if !filter.statuses.isEmpty {
            var cursor: ListCursor?
            repeat {
                let page = try await core.list(filter, after: cursor, limit: 1000)
                sum.add(try await core.purge(page.instances.map(\.id)))
                cursor = page.next
            } while cursor != nil
        }
        return Purged(instanceCount: sum.instances, eventCount: sum.events, running: sum.running)
    }
}

extension TaskHubClient {
    /// Starts an instance again, with the name, input, version and tags of the one of that ID. One that has continued as
    /// new is started with the input of its last execution; what was called by another instance has no parent when it is
    /// started again.
    ///
    /// ```swift
    /// try await client.restart(InstanceID("o-1881"))
    /// try await client.restart(
    ///     InstanceID("o-1881"), as: InstanceID("o-1881"), idReuse: IDReuse(ended: .allowUnlessCompleted))
    /// ```
    ///
    /// - Parameters:
    ///   - newID: nil makes a UUID.
    ///   - idReuse: What to do where there is an instance of the new ID; for the same ID the one that is started again.
    /// - Returns: nil when there is no such instance.
    @discardableResult
    public func restart(
        _ id: InstanceID, as newID: InstanceID? = nil, idReuse: IDReuse = .refuse
    ) async throws -> Accepted? {
        try await core.restart(id, as: newID, idReuse: idReuse).map { Accepted($0) }
    }
}
