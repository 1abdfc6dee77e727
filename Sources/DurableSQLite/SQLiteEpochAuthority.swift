package import DurableBackend
package import DurableCore
internal import Foundation
internal import GRDB

/// Hands out epochs from a table in `hub.sqlite`: what the journal does for a hub on a broker, for the embedded mode.
///
/// Offsets count over all partitions. Calls block the caller's thread for the length of a disk access.
package final class SQLiteEpochAuthority: EpochAuthority {
    private let file: DatabaseFile

    /// - Throws: `.missing`, `.foreign`, `.damaged`, `.unavailable`.
    package init(descriptor: HubDescriptor, directory: String) throws(StoreError) {
        file = try SQLiteHubStorage.openHub(descriptor, directory)
    }

    package func claim(_ partition: PartitionID, by worker: WorkerID) async throws(EpochError) -> Epoch {
        try access { database in
            // AUTOINCREMENT gives no number twice, even when the row that had it is gone.
            try database.cachedStatement(
                sql: "INSERT OR REPLACE INTO claims (partition, worker, is_released) VALUES (?, ?, 0)"
            ).execute(arguments: [partition.index, worker.value])
            return Epoch(generation: 1, offset: UInt64(column: database.lastInsertedRowID))
        }
    }

    package func release(
        _ partition: PartitionID, epoch: Epoch, nextDue: Timestamp?
    ) async throws(EpochError) {
        try access { database in
            // An epoch that is not the last any more changes nothing.
            try database.cachedStatement(
                sql: "UPDATE claims SET is_released = 1, next_due = ? WHERE partition = ? AND offset = ?"
            ).execute(arguments: [nextDue?.millisecondsSinceEpoch, partition.index, epoch.offset.column])
        }
    }

    /// Idempotent; other calls throw `.unavailable` afterwards.
    package func close() { file.close() }

    private func access<Value>(_ body: (Database) throws -> Value) throws(EpochError) -> Value {
        do {
            return try file.write(body)
        } catch {
            throw .unavailable(error.text)
        }
    }
}
