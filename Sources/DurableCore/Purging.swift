extension PartitionRecord {
    /// Instances that are gone from here on, with their histories. What they sent and was not confirmed goes on.
    package struct Purged: Hashable, Sendable {
        package var time: Timestamp
        /// They had ended.
        package var ids: [InstanceID]
        /// Every instance that ended before this time is purged by now; nil: as before.
        package var expiredBefore: Timestamp?

        package init(time: Timestamp, ids: [InstanceID], expiredBefore: Timestamp? = nil) {
            self.time = time
            self.ids = ids
            self.expiredBefore = expiredBefore
        }
    }
}

extension QueryAnswer {
    /// What became of a request to purge.
    package struct Purged: Hashable, Sendable {
        /// Those that are gone now, and the events of their histories.
        package var instances: Int
        package var events: Int
        /// These have not ended: they were left as they are.
        package var running: [InstanceID]
        /// There are none of these.
        package var missing: [InstanceID]

        package init(
            instances: Int = 0, events: Int = 0, running: [InstanceID] = [], missing: [InstanceID] = []
        ) {
            self.instances = instances
            self.events = events
            self.running = running
            self.missing = missing
        }
    }
}

/// An instance that was purged, for as long as a stream of its partition's archive may still have it.
package struct PurgedInstance: Hashable, Sendable {
    package var id: InstanceID
    /// Of the record that purged it, or the end of the append it was in.
    package var position: LogPosition
    /// Position by which it had ended; nil: not known, it may be in any stream.
    package var endedAt: LogPosition?

    package init(id: InstanceID, position: LogPosition, endedAt: LogPosition?) {
        self.id = id
        self.position = position
        self.endedAt = endedAt
    }

    /// Whether it was purged after that stream was written.
    package func isNews(to segment: ArchiveSegment) -> Bool { segment.writtenAt ?? segment.through < position }

    /// Whether it may be in that stream.
    package func mayBeIn(_ segment: ArchiveSegment) -> Bool {
        guard isNews(to: segment) else { return false }
        guard let endedAt else { return true }
        return segment.after < endedAt && (endedAt <= segment.through || segment.writtenAt == nil)
    }
}

extension ArchiveSegment {
    /// Whether every instance in it has expired since it was written.
    package func isExpired(before time: Timestamp?) -> Bool { expires(newestEnd, before: time) }

    /// Whether an instance in it that ended at that time has expired since.
    ///
    /// - Parameter time: The partition's `expiredBefore`. Where it has not moved since the stream was written, nothing
    ///   in it has expired: clocks differ, and what ends may end before it.
    package func expires(_ end: Timestamp, before time: Timestamp?) -> Bool {
        guard let time, expiredBefore.map({ $0 < time }) ?? true else { return false }
        return end < time
    }
}
