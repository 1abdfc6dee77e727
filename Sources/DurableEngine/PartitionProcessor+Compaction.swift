import DurableBackend

extension PartitionProcessor {
    /// Puts a snapshot in the log's place when it has outgrown what is alive. The partition does nothing else
    /// meanwhile.
    func compactIfOutgrown() async throws(PartitionEnd) {
        let floor = parts.configuration.compactionBytes
        guard let size = parts.storage.log.size, size.isOutgrown(floor: floor), size.total >= compactionDue else {
            return
        }
        try await flush()
        do throws(LogError) {
            let isDone = try await parts.storage.log.renew(epoch: parts.epoch)
            compactionDue = isDone ? 0 : size.total + max(floor, size.snapshot / 2, 1)
        } catch {
            throw PartitionEnd(error)
        }
    }
}
