package import DurableCore

/// One worker's copies of partitions whose log is elsewhere: a cache on its own disk that may be missing, old, or
/// removed at any time. Together with such a log they pass every `StoreRule`.
///
/// One process at a time uses them.
package protocol PartitionCopies: Sendable {
    /// Opens the copy, or makes an empty one where there is none or where the one there cannot be used.
    ///
    /// - Throws: `.full`, `.unavailable`.
    func open(_ partition: PartitionID) throws(StoreError) -> any PartitionCopy
}

/// Tables that follow a log which is elsewhere: nothing in them is the truth.
///
/// `flush` keeps the bookmark it is given, and looks at no epoch: who flushes has read what it flushes from the log,
/// whoever owns that by now.
package protocol PartitionCopy: PartitionStore {
    /// Where in the log the tables stand, or a little before; nil: nowhere yet.
    func bookmark() throws(StoreError) -> LogBookmark?

    /// What the tables hold now, whatever is written later; to be closed. Reading it takes turns with everything else.
    func frozen() throws(StoreError) -> any PartitionStore

    /// Makes the tables empty: they do not belong to this log.
    func reset() throws(StoreError)
}
