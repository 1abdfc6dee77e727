import DurableBackend
import DurableCore

/// Putting a snapshot in the log's place when it has outgrown what is alive. It is written beside the loop, slice by
/// slice; the partition stands still for the last step only.
extension PartitionProcessor {
    struct Compaction {
        var renewal: any LogRenewal
        /// Size of the log when it began.
        var size: LogSize
        /// nil while it is being prepared.
        var isPrepared: Bool?
    }

    func compactIfOutgrown() async throws(PartitionEnd) {
        if let compaction { return try await advance(compaction) }
        let floor = parts.configuration.compactionBytes
        guard let size = parts.storage.log.size, size.total >= compactionDue else { return }
        // A new generation leaves out what has expired.
        let hasExpired = parts.storage.archive?.hasExpired(before: state.expiredBefore) ?? false
        guard size.isOutgrown(floor: floor) || hasExpired else { return }
        if parts.storage.archive?.isComplete == false { return }
        try await flush()
        guard let renewal = parts.storage.log.renewal(epoch: parts.epoch) else { return postponeCompaction(size) }
        compaction = Compaction(renewal: renewal, size: size)
        compactionSignal.raise()
    }

    private func advance(_ compaction: Compaction) async throws(PartitionEnd) {
        guard let isPrepared = compaction.isPrepared else { return }
        self.compaction = nil
        guard isPrepared else { return postponeCompaction(compaction.size) }
        do throws(LogError) {
            if try await compaction.renewal.finish() {
                compactionDue = 0
            } else {
                postponeCompaction(compaction.size)
            }
        } catch {
            throw PartitionEnd(error)
        }
    }

    /// It is tried again when the log has grown some more.
    private func postponeCompaction(_ size: LogSize) {
        compactionDue = size.total + max(parts.configuration.compactionBytes, size.snapshot / 2, 1)
    }

    /// Prepares what `compactIfOutgrown` begins, beside the loop.
    func keepCompacting() async {
        while true {
            await compactionSignal.wait()
            if Task.isCancelled { return }
            guard let renewal = compaction?.renewal, compaction?.isPrepared == nil else { continue }
            let isPrepared = await renewal.prepare()
            compaction?.isPrepared = isPrepared
            wake()
        }
    }

    /// Before the partition is handed over: nobody would finish it.
    func abandonCompaction() {
        compaction?.renewal.abandon()
        compaction = nil
    }
}
