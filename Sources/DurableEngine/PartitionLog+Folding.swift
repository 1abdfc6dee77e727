package import DurableBackend
import DurableCore

extension PartitionLog {
    /// Folds what the log has beyond the tables into these. Nobody may own the partition: it is a copy.
    ///
    /// - Returns: What the tables have then.
    package func fold(into store: any PartitionStore, partitionCount: Int) async throws -> StoreRecovery {
        var fold = try CopyFold(store, partitionCount: partitionCount)
        while true {
            let page = try await read(after: fold.position, limit: 256)
            if page.isEmpty { break }
            for entry in page { try fold.take(entry.record) }
        }
        // In one piece: the newest epoch alone may write, and it is known at the end. A log that flushes trim is short.
        try fold.flush(nil)
        return try store.recover()
    }
}
