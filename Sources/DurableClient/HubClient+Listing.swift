import DurableBackend
package import DurableCore

/// One page of a list over all partitions.
package struct InstancePage: Hashable, Sendable {
    /// Ordered by creation time, then ID.
    package var instances: [InstanceSnapshot]
    /// Where the next page starts; nil: this was the last.
    package var next: ListCursor?
}

extension HubClient {
    /// Instances of the whole hub, oldest first: pages of all partitions, merged.
    ///
    /// - Parameter limit: 1 to 10,000.
    /// - Throws: `ClientError`: DTQ5001 when a partition has no worker: a list with holes would mislead. DTQ5003 when the
    ///   limit or the filter cannot be used.
    package func list(
        _ filter: ListFilter = ListFilter(), after cursor: ListCursor? = nil, limit: Int = 50
    ) async throws -> InstancePage {
        guard (1...10_000).contains(limit) else {
            throw ClientError(
                .wrongArgument, "the limit of a list is 1 to 10,000 instances, this is \(limit). Nothing was asked.")
        }
        try check(filter)
        var sources = topology.partitions.map { ListSource(partition: $0, after: cursor) }
        var instances: [InstanceSnapshot] = []
        while true {
            // A source that ran dry must be filled before anything later than its next item may be taken.
            let needs = sources.indices.filter { sources[$0].needsPage }
            try await fill(&sources, at: needs, filter, limit: limit - instances.count + 1)
            while instances.count < limit, !sources.contains(where: \.needsPage) {
                guard
                    let first = sources.indices.filter({ sources[$0].head != nil }).min(by: { left, right in
                        sources[left].headCursor < sources[right].headCursor
                    }), let item = sources[first].takeHead()
                else { return InstancePage(instances: instances, next: nil) }
                instances.append(item)
            }
            if instances.count == limit {
                let isMore = sources.contains { $0.head != nil || !$0.isComplete }
                return InstancePage(instances: instances, next: isMore ? instances.last.map(ListCursor.init) : nil)
            }
        }
    }

    /// - Throws: `ClientError` DTQ5003 when no owner would take it.
    func check(_ filter: ListFilter) throws {
        if let defect = filter.defect { throw ClientError(.wrongArgument, "\(defect). Nothing was asked.") }
    }

    private func fill(
        _ sources: inout [ListSource], at indices: [Int], _ filter: ListFilter, limit: Int
    ) async throws {
        let limit = min(limit, options.pageSize)
        try await withThrowingTaskGroup(of: (Int, QueryAnswer).self) { group in
            for index in indices {
                let source = sources[index]
                group.addTask {
                    (index, try await self.ask(.list(filter, after: source.after, limit: limit), of: source.partition))
                }
            }
            for try await (index, answer) in group {
                guard case .list(let page, let isComplete) = answer else { throw unexpected(answer, "list") }
                // Entities are instances too, and no orchestrations.
                let showsEntities = filter.idPrefix?.hasPrefix("@") ?? false
                sources[index].append(page, isComplete: isComplete) { showsEntities || !$0.id.isReserved }
            }
        }
    }
}

extension ListCursor {
    package init(_ instance: InstanceSnapshot) { self.init(createdAt: instance.createdAt, id: instance.id) }
}

/// What one partition has given so far.
private struct ListSource {
    var partition: PartitionID
    var after: ListCursor?
    var isComplete = false
    private var page: ArraySlice<InstanceSnapshot> = []

    init(partition: PartitionID, after: ListCursor?) {
        self.partition = partition
        self.after = after
    }

    var head: InstanceSnapshot? { page.first }
    var needsPage: Bool { page.isEmpty && !isComplete }
    var headCursor: ListCursor {
        head.map(ListCursor.init) ?? ListCursor(createdAt: .distantFuture, id: InstanceID(""))
    }

    mutating func takeHead() -> InstanceSnapshot? { page.popFirst() }

    mutating func append(
        _ items: [InstanceSnapshot], isComplete: Bool, where isShown: (InstanceSnapshot) -> Bool
    ) {
        page += items.filter(isShown)
        if let last = items.last { after = ListCursor(last) }
        // Nothing more without progress.
        self.isComplete = isComplete || items.isEmpty
    }
}
