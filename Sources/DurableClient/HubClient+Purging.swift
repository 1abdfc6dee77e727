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

/// What became of a request to purge many instances.
package struct BulkPurge: Sendable {
    package var purged = QueryAnswer.Purged()
    /// Instances that no owner said anything of: some of them may be gone.
    package var untoldCount = 0
    /// Why, of the first partition that failed; nil: all of them answered.
    package var failure: ClientError?

    fileprivate mutating func add(_ other: BulkPurge) {
        purged.add(other.purged)
        untoldCount += other.untoldCount
        failure = failure ?? other.failure
    }
}

extension HubClient {
    /// Removes an instance that has ended for good, with its history. It is gone from everywhere when this returns.
    ///
    /// - Parameter recursive: Whether the sub-orchestrations that it called, and theirs, go with it, as far as they have
    ///   ended. They go first: one that was cut short can be repeated.
    /// - Returns: nil when there is no such instance.
    /// - Throws: `ClientError`, DTQ2013 when it has not ended, DTQ5001 when no worker answers for a partition. The text
    ///   says how many instances were purged before.
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
            try await purge(level, &outcome)
        }
        let left = outcome.running.count
        try await purge([id], &outcome)
        if outcome.running.count > left {
            throw notEnded(id, .running, purged: outcome.instances, outcome.events)
        }
        return outcome
    }

    private func purge(_ ids: [InstanceID], _ outcome: inout PurgeOutcome) async throws {
        let result = try await purge(ids)
        outcome.instances += result.purged.instances
        outcome.events += result.purged.events
        outcome.running += result.purged.running
        if let failure = result.failure {
            throw failure.afterPurge(of: outcome.instances, events: outcome.events)
        }
    }

    /// Removes those of the instances that have ended, some at a time; what they called stays. What one partition cannot
    /// do keeps no other from it.
    ///
    /// - Throws: `ClientError` when an ID cannot be used (nothing was purged). `CancellationError`.
    package func purge(_ ids: [InstanceID]) async throws -> BulkPurge {
        var byPartition: [PartitionID: [InstanceID]] = [:]  // sorted before use
        for id in ids {
            try check(id)
            byPartition[partition(of: id), default: []].append(id)
        }
        return try await withThrowingTaskGroup(of: (PartitionID, BulkPurge).self) { group in
            for (partition, ids) in byPartition {
                group.addTask { (partition, try await self.purge(ids, of: partition)) }
            }
            var results: [(partition: PartitionID, result: BulkPurge)] = []
            for try await result in group { results.append(result) }
            var sum = BulkPurge()
            for (_, result) in results.sorted(by: { $0.partition < $1.partition }) { sum.add(result) }
            return sum
        }
    }

    private func purge(_ ids: [InstanceID], of partition: PartitionID) async throws -> BulkPurge {
        var sum = BulkPurge()
        for start in stride(from: 0, to: ids.count, by: Question.purgeLimit) {
            let some = Array(ids[start..<min(start + Question.purgeLimit, ids.count)])
            do {
                let answer = try await ask(.purge(some), of: partition)
                guard case .purged(let purged) = answer else { throw unexpected(answer, "purging of instances") }
                sum.purged.add(purged)
            } catch let failure as ClientError {
                sum.failure = failure
                sum.untoldCount = ids.count - start
                return sum
            }
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

    private func notEnded(
        _ id: InstanceID, _ status: OrchestrationStatus, purged instances: Int = 0, _ events: Int = 0
    ) -> ClientError {
        let done =
            instances == 0
            ? "Nothing was purged."
            : "Of what it called, \(ClientError.purged(instances, events)) purged before that was known."
        return ClientError(
            .instanceNotEnded,
            "instance \(id) of hub \"\(hub)\" is \(status): only what has ended can be purged. \(done) "
                + "Wait for its end, or terminate it.")
    }
}

extension ClientError {
    /// The same with what had been purged when it came to pass.
    func afterPurge(of instances: Int, events: Int) -> ClientError {
        let done =
            instances == 0
            ? "Nothing is known to be purged." : "\(Self.purged(instances, events)) purged before that, for good."
        let end = text.hasSuffix(".") ? "" : "."
        return ClientError(code, "\(text)\(end) \(done) It is safe to repeat.", cause: cause ?? self)
    }

    fileprivate static func purged(_ instances: Int, _ events: Int) -> String {
        "\(instances) instance\(instances == 1 ? "" : "s") with \(events) event\(events == 1 ? "" : "s") "
            + (instances == 1 ? "was" : "were")
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
