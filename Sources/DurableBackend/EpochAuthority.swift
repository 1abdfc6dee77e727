package import DurableCore

/// Gives each activation of a partition a number that is unique and higher than all before.
package protocol EpochAuthority: Sendable {
    /// Records that `worker` begins to own `partition` and returns its epoch.
    ///
    /// Safe to call by any number of workers at a time: each gets its own epoch, and the highest wins at the log.
    /// - Throws: `.unavailable` when the record's fate is unknown; claim again.
    func claim(_ partition: PartitionID, by worker: WorkerID) async throws(EpochError) -> Epoch

    /// Records that the epoch ended in order and when the partition is due next (nil: nothing is).
    func release(_ partition: PartitionID, epoch: Epoch, nextDue: Timestamp?) async throws(EpochError)
}

package enum EpochError: Error, Hashable, Sendable {
    case unavailable(String)
}
