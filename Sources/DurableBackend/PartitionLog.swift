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

    /// Valid records after `position`, in order, at most `limit`; empty at the end. An owner that was superseded
    /// without knowing may see the end as it was at its last `begin` or `append`.
    ///
    /// Once `begin` or a read has returned, also one with `limit` 0, the store stands where the log can go on.
    /// - Throws: `.damaged` when a record cannot be decoded or some after `position` are missing.
    func read(after position: LogPosition, limit: Int) async throws(LogError) -> [LogEntry]

    /// What the log takes up; nil: unknown, or it is trimmed by flushes.
    var size: LogSize? { get }

    /// Begins to put a snapshot of the store, flushed to the log's end, in the place of everything before it. Positions
    /// stay. One at a time.
    ///
    /// - Returns: nil: it cannot be done now.
    func renewal(epoch: Epoch) -> (any LogRenewal)?
}

extension PartitionLog {
    package var size: LogSize? { nil }
    package func renewal(epoch: Epoch) -> (any LogRenewal)? { nil }

    /// All of a renewal at once.
    ///
    /// - Returns: false: it could not be done now, the log goes on as it was.
    /// - Throws: as `append`; the epoch is over then.
    package func renew(epoch: Epoch) async throws(LogError) -> Bool {
        guard let renewal = renewal(epoch: epoch), await renewal.prepare() else { return false }
        return try await renewal.finish()
    }
}

/// A log on its way behind a snapshot of what was before. Until `finish` it is where it was.
package protocol LogRenewal: Sendable {
    /// Writes the snapshot in slices, and what was appended since it was taken. Its caller's actor may append meanwhile.
    ///
    /// - Returns: false: it was for nothing and is over.
    func prepare() async -> Bool

    /// Whether what was appended since the snapshot was taken is so much that no more should be before `prepare` returns.
    var isCrowded: Bool { get }

    /// Puts it in place, with the rest of what was appended. Nothing may be appended meanwhile.
    ///
    /// - Returns: false: it could not be done and is over, the log goes on as it was.
    /// - Throws: as `append`; the epoch is over then.
    func finish() async throws(LogError) -> Bool

    /// Gives it up, before or after `prepare`. Idempotent.
    func abandon()
}

package struct LogSize: Hashable, Sendable {
    /// Bytes of the log with the snapshot it begins with.
    package var total: UInt64
    package var snapshot: UInt64

    package init(total: UInt64, snapshot: UInt64) {
        self.total = total
        self.snapshot = snapshot
    }

    /// Whether it is twice as large as what was alive when it began, and not below `floor`.
    package func isOutgrown(floor: UInt64) -> Bool { total > snapshot && total >= max(floor, snapshot * 2) }
}

package enum LogError: Error, Hashable, Sendable {
    case fenced(newest: Epoch)
    case full(String)
    case unavailable(String)
    case damaged(String)
}
