import DurableBackend
import DurableCore
import Logging

/// What waits until more of the archive is read.
struct Withheld {
    /// For instances that may be in it, unacknowledged.
    var messages: [Delivery] = []
    /// About such instances, acknowledged.
    var queries: [Delivery] = []
    /// Those that are to be looked at once more.
    var retriedQueries: [Delivery] = []
}

/// Instances that ended long ago and are not in a store that was filled anew: they are read beside the loop. Until all
/// are there, messages and questions that may concern one of them wait; everything else goes on.
extension PartitionProcessor {
    /// Reads what is missing, until nothing is.
    func fetchArchive() async {
        guard let archive = parts.storage.archive, !archive.isComplete else { return }
        var failures = 0
        while !archive.isComplete, !Task.isCancelled {
            do throws(LogError) {
                try await archive.fetch()
            } catch {
                if Task.isCancelled { return }
                // Each minute: until it can be read, some wait and the log is not compacted.
                if failures % 60 == 0 { report(error) }
                failures += 1
                await parts.clock.sleep(for: .seconds(1))
            }
            retryWithheld(isLast: archive.isComplete)
        }
        if archive.isComplete { logger.info("the archive of the partition is read") }
    }

    private func report(_ error: LogError) {
        if case .damaged(let text) = error {
            logger.error(
                """
                DTQ1005 partition \(parts.partition) of hub "\(parts.descriptor.hub)": \(text). The partition goes on; \
                what this stream has is missing, messages that may be for it wait, and the log is not compacted. It is \
                tried again. See ops/errors/DTQ1005.md
                """)
        } else {
            logger.warning(
                "the archive of the partition cannot be read, trying again; what it may have waits",
                metadata: ["cause": "\(error)"])
        }
    }

    private func retryWithheld(isLast: Bool) {
        if isLast { compactionDue = 0 }
        if !isLast, withheld.messages.isEmpty, withheld.queries.isEmpty { return }
        // In front: what has come since came later.
        arrivals.insert(contentsOf: withheld.messages, at: 0)
        withheld = Withheld(retriedQueries: withheld.retriedQueries + withheld.queries)
        wake()
    }

    func mustWaitForArchive(_ id: InstanceID) throws(PartitionEnd) -> Bool {
        guard let archive = parts.storage.archive, !archive.isComplete, cache[id] == nil else { return false }
        do throws(StoreError) { return try archive.mayHave(id) } catch { throw PartitionEnd(error) }
    }

    func mustWaitForArchive(_ query: Question) throws(PartitionEnd) -> Bool {
        guard parts.storage.archive?.isComplete == false, !has(.forgetsArchive) else { return false }
        switch query {
        case .status(let id), .history(let id, _, _), .wait(let id), .release(let id), .handler(let id, _, _),
            .update(let id, _):
            return try mustWaitForArchive(id)
        case .list(let filter, _, _), .count(let filter):
            return filter.statuses.isEmpty || filter.statuses.contains(where: \.isTerminal)
        case .counts: return true
        case .purge(let ids):
            for id in ids where try mustWaitForArchive(id) { return true }
            return false
        // What is in the archive has ended.
        case .redrive, .heartbeat: return false
        }
    }

    /// Keeps a question until more of the archive is read.
    func deferQuery(_ delivery: Delivery, _ address: ReplyAddress) {
        if withheld.queries.count < parts.configuration.waiterLimit { return withheld.queries.append(delivery) }
        reply(
            .answer(.failed("what has ended is being read from the archive. Ask again in a few seconds")), to: address)
    }
}
