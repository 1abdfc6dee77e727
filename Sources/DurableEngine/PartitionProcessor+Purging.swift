import DurableBackend
import DurableCore
import Logging

/// Instances that have ended go for good: those a client names, and those that were kept long enough.
extension PartitionProcessor {
    /// Removes those that have ended. It is durable when this returns.
    func purge(_ ids: [InstanceID]) async throws(PartitionEnd) -> QueryAnswer.Purged {
        var answer = QueryAnswer.Purged()
        var (going, scopes) = ([InstanceID](), [PayloadScope]())
        var seen: Set<InstanceID> = []  // look-up only
        for id in ids where seen.insert(id).inserted {
            guard let entry = try entry(for: id) else {
                answer.missing.append(id)
                continue
            }
            guard entry.state.status.isTerminal else {
                answer.running.append(id)
                continue
            }
            going.append(id)
            scopes += try storedPayloads(of: entry)
            answer.events += entry.state.historyCount
        }
        answer.instances = going.count
        if going.isEmpty { return answer }
        try await append([.purged(.init(time: parts.clock.now(), ids: going))])
        removePayloads(scopes)
        logger.info("purged \(going.count) instances, as asked", metadata: ["events": "\(answer.events)"])
        return answer
    }

    /// Folds the record in. What the instances left in the outbox is no part of them, and goes on.
    func forget(_ record: PartitionRecord.Purged, at position: LogPosition) {
        purgedChanges.take(record, at: position, over: state) { id in
            guard let entry = cache[id] else { return nil }
            entry.isPurged = true
            cache.remove(entry)
            return entry.endedAt
        }
        for id in record.ids { heldInstances.remove(id) }
    }

    /// Takes an instance out of memory because another one takes its ID.
    ///
    /// - Parameter isRewound: That other one is the same at an earlier time, and needs what is stored for it.
    func replace(_ entry: InstanceEntry, isRewound: Bool) throws(PartitionEnd) {
        entry.isPurged = true
        cache.remove(entry)
        // The first of a batch is the one that the store may have.
        var gone = replaced[entry.state.id] ?? (entry.state, entry.endedAt, [])
        if !isRewound { gone.payloads += try storedPayloads(of: entry) }
        replaced[entry.state.id] = gone
    }

    /// Notes that it is gone, for good.
    ///
    /// - Parameter position: Of the record.
    func noteReplaced(_ id: InstanceID, at position: LogPosition) {
        guard let gone = replaced.removeValue(forKey: id) else { return }
        purgedChanges.take(gone.state, endedAt: gone.endedAt, at: position)
        removePayloads(gone.payloads)
    }

    /// Removes some of what was kept long enough, when it is time to look for that.
    ///
    /// - Parameter now: The clock's uptime.
    func purgeExpired(at now: Duration) async throws(PartitionEnd) {
        guard let retention = parts.descriptor.retention, let due = retentionDue, due <= now, !isPaused else { return }
        retentionDue = now + parts.configuration.retentionInterval
        if parts.storage.archive?.isComplete == false {
            // What is not there yet cannot be said to be gone.
            retentionDue = now + .seconds(1)
            return
        }
        // The tables must say which of them have ended.
        try await flush()
        let end = parts.clock.now() - retention
        let limit = parts.configuration.retentionBatch
        var expired = try expired(before: end, limit: limit)
        guard let last = expired.last else { return }
        var before: Timestamp? = end
        if expired.count == limit {
            retentionDue = now + parts.configuration.retentionPause
            // Others may have ended at the same time as the last of these.
            let earlier = expired.filter { $0.end < last.end }
            before = earlier.isEmpty ? nil : last.end
            if !earlier.isEmpty { expired = earlier }
        }
        var scopes: [PayloadScope] = []
        if parts.payloads.hasStore {
            for id in expired.map(\.id) {
                if let entry = try entry(for: id) { scopes += try storedPayloads(of: entry) }
            }
        }
        try await append([
            .purged(.init(time: parts.clock.now(), ids: expired.map(\.id), expiredBefore: before))
        ])
        removePayloads(scopes)
        logger.info("purged \(expired.count) instances that had ended before \(before ?? last.end)")
    }

    private func expired(before end: Timestamp, limit: Int) throws(PartitionEnd) -> [ExpiredInstance] {
        do {
            return try parts.storage.store.expired(before: end, limit: limit)
        } catch {
            throw PartitionEnd(error)
        }
    }
}
