import DurableBackend
package import DurableCore

/// What became of a request to purge one instance.
package struct PurgeOutcome: Hashable, Sendable {
    /// Instances that are gone, with sub-orchestrations, and the events of their histories.
    package var instances: Int
    package var events: Int
    /// Sub-orchestrations that have not ended: they were left, with what they called.
    package var running: [InstanceID]
}

extension HubClient {
    /// Removes an instance that has ended for good, with its history. It is gone from everywhere when this returns.
    ///
    /// - Parameter recursive: Whether the sub-orchestrations that it called, and theirs, go with it, as far as they have
    ///   ended. They go first: one that was cut short can be repeated.
    /// - Returns: nil when there is no such instance.
    /// - Throws: `ClientError`, DTQ2013 when it has not ended (nothing was purged), DTQ5001 when no worker answers for a
    ///   partition.
    package func purge(_ id: InstanceID, recursive: Bool = true) async throws -> PurgeOutcome? {
        guard let root = try await status(of: id) else { return nil }
        if !root.status.isTerminal { throw notEnded(id, root.status) }
        var outcome = PurgeOutcome(instances: 0, events: 0, running: [])
        var levels: [[InstanceID]] = []
        if recursive {
            var level = [id]
            var seen: Set<InstanceID> = [id]  // look-up only
            while !level.isEmpty {
                var next: [InstanceID] = []
                for child in try await children(of: level) where seen.insert(child.id).inserted {
                    if child.status.isTerminal { next.append(child.id) } else { outcome.running.append(child.id) }
                }
                levels.append(next)
                level = next
            }
        }
        for level in levels.reversed() {
            let purged = try await purge(level)
            outcome.instances += purged.instances
            outcome.events += purged.events
            outcome.running += purged.running
        }
        let purged = try await purge([id])
        if !purged.running.isEmpty { throw notEnded(id, .running) }
        outcome.instances += purged.instances
        outcome.events += purged.events
        return outcome
    }

    /// Removes those of the instances that have ended, some at a time; what they called stays.
    package func purge(_ ids: [InstanceID]) async throws -> QueryAnswer.Purged {
        var byPartition: [PartitionID: [InstanceID]] = [:]  // sorted before use
        for id in ids {
            try check(id)
            byPartition[partition(of: id), default: []].append(id)
        }
        return try await withThrowingTaskGroup(of: QueryAnswer.Purged.self) { group in
            for (partition, ids) in byPartition.sorted(by: { $0.key < $1.key }) {
                group.addTask { try await self.purge(ids, of: partition) }
            }
            var sum = QueryAnswer.Purged()
            for try await purged in group { sum.add(purged) }
            return sum
        }
    }

    private func purge(_ ids: [InstanceID], of partition: PartitionID) async throws -> QueryAnswer.Purged {
        var sum = QueryAnswer.Purged()
        for start in stride(from: 0, to: ids.count, by: Question.purgeLimit) {
            let some = Array(ids[start..<min(start + Question.purgeLimit, ids.count)])
            let answer = try await ask(.purge(some), of: partition)
            guard case .purged(let purged) = answer else { throw unexpected(answer, "purging of instances") }
            sum.add(purged)
        }
        return sum
    }

    /// The sub-orchestrations that any of these called, wherever they are; some parents at a time.
    private func children(of parents: [InstanceID]) async throws -> [InstanceSnapshot] {
        var children: [InstanceSnapshot] = []
        try await withThrowingTaskGroup(of: [InstanceSnapshot].self) { group in
            for (number, parent) in parents.enumerated() {
                if number >= 16, let some = try await group.next() { children += some }
                group.addTask {
                    var found: [InstanceSnapshot] = []
                    var cursor: ListCursor?
                    repeat {
                        let page = try await self.list(ListFilter(parent: parent), after: cursor, limit: 1000)
                        found += page.instances
                        cursor = page.next
                    } while cursor != nil
                    return found
                }
            }
            for try await some in group { children += some }
        }
        return children
    }

    private func notEnded(_ id: InstanceID, _ status: OrchestrationStatus) -> ClientError {
        ClientError(
            .instanceNotEnded,
            "instance \(id) of hub \"\(hub)\" is \(status): only what has ended can be purged. Nothing was purged. "
                + "Wait for its end, or terminate it.")
    }
}

extension QueryAnswer.Purged {
    mutating func add(_ other: Self) {
        instances += other.instances
        events += other.events
        running += other.running
        missing += other.missing
    }
}
