package import DurableCore

package struct LogEntry: Hashable, Sendable {
    package var position: LogPosition
    package var epoch: Epoch
    package var record: PartitionRecord
    package init(position: LogPosition, epoch: Epoch, record: PartitionRecord) {
        self.position = position
        self.epoch = epoch
        self.record = record
    }
}

/// The truth of one partition: its records in order. Adapters pass every `LogRule`.
package protocol PartitionLog: Sendable {
    /// Starts `begin.epoch`: from here on appends of every lower epoch are refused.
    ///
    /// - Returns: Position of the `begin` record. Everything before it is final.
    /// - Throws: `.fenced` when this or a higher epoch has begun already (an epoch begins once).
    func begin(_ begin: PartitionRecord.Begin) async throws(LogError) -> LogPosition

    /// Appends `records` as one unit, durable on return, if `epoch` is still the newest.
    ///
    /// - Parameter records: 1 to 512 records in decision order.
    /// - Returns: Position of the last record.
    /// - Throws: `.fenced`: a newer owner exists, nothing was written. `.unavailable`: outcome unknown, recover
    ///   before writing again. `.full`: disk refused, nothing was written. `.damaged`: the file cannot be trusted.
    func append(_ records: [PartitionRecord], epoch: Epoch) async throws(LogError) -> LogPosition

    /// Valid records after `position`, in order, at most `limit`; empty at the end. An owner that was superseded without
    /// knowing may see the end as it was at its last `begin` or `append`.
    ///
    /// - Throws: `.damaged` when a record cannot be decoded or some after `position` are missing.
    func read(after position: LogPosition, limit: Int) async throws(LogError) -> [LogEntry]
}

package enum LogError: Error, Hashable, Sendable {
    case fenced(newest: Epoch)
    case full(String)
    case unavailable(String)
    case damaged(String)
}
