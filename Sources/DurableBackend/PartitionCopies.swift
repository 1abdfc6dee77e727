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

    /// What the tables hold now, whatever is written later; only for reading, to be closed. Reading it takes turns with
    /// everything else.
    func frozen() throws(StoreError) -> any PartitionCopy

    /// Makes the tables empty: they do not belong to this log.
    func reset() throws(StoreError)

    // MARK: The archive

    /// Instances that have ended, ordered by (position, ID), after `after`. The position is the one the tables went to
    /// when they were told: the instance had ended at or before it.
    func ended(after: EndedInstance, limit: Int) throws(StoreError) -> [EndedInstance]

    /// What of the archive is not in the tables yet; nil: nothing.
    func missingArchive() throws(StoreError) -> MissingArchive?

    /// Says what is missing.
    func setMissingArchive(_ missing: MissingArchive?) throws(StoreError)

    /// Adds instances of a stream of the archive, as having ended at the last of its positions, and says what is missing
    /// then. Left out are those that are there already, unless this is the next piece of their history, and those that
    /// were purged or have expired since the stream was written. The tables stay where they stand.
    func addArchived(
        _ instances: [StoreFlush.InstanceFlush], of segment: ArchiveSegment, missing: MissingArchive?
    ) throws(StoreError)

    /// Instances that were purged and are remembered, ordered by ID, after `after`.
    func purged(after: InstanceID?, limit: Int) throws(StoreError) -> [PurgedInstance]

    /// Forgets those that are in none of the archive's streams.
    func forgetPurged(notIn archive: [ArchiveSegment]) throws(StoreError)
}

package struct EndedInstance: Hashable, Comparable, Sendable {
    package var position: LogPosition
    package var id: InstanceID

    package init(position: LogPosition, id: InstanceID) {
        self.position = position
        self.id = id
    }

    /// Before everything that ended after `position`.
    package init(after position: LogPosition) {
        // No instance has an empty ID.
        self.init(position: LogPosition(position.value + 1), id: InstanceID(""))
    }

    package static func < (left: Self, right: Self) -> Bool {
        (left.position, left.id) < (right.position, right.id)
    }
}
