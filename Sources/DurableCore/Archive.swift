/// One stream of a partition's archive: instances that ended, with their histories. They never change again.
package struct ArchiveSegment: Hashable, Sendable {
    package var stream: String
    /// Of the owner that wrote it.
    package var epoch: Epoch
    /// It has what ended at positions after this one ...
    package var after: LogPosition
    /// ... and up to this one.
    package var through: LogPosition
    /// Messages of instances in it, counted from 1; whatever stands behind the last counts for nothing.
    package var chunks: UInt64
    package var bytes: UInt64
    package var instances: UInt64
    /// When the last of them ended: once that is long enough ago, the whole stream can go.
    package var newestEnd: Timestamp
    /// Position as of which it was written: what was purged by then is not in it. nil: by a build that knew nothing of
    /// that, as of `through`; some of what it has may be in streams after it, too.
    package var writtenAt: LogPosition?
    /// What the partition had as `expiredBefore` then.
    package var expiredBefore: Timestamp?

    package init(
        stream: String, epoch: Epoch, after: LogPosition, through: LogPosition, chunks: UInt64 = 0, bytes: UInt64 = 0,
        instances: UInt64 = 0, newestEnd: Timestamp = .distantPast, writtenAt: LogPosition? = nil,
        expiredBefore: Timestamp? = nil
    ) {
        self.stream = stream
        self.epoch = epoch
        self.after = after
        self.through = through
        self.chunks = chunks
        self.bytes = bytes
        self.instances = instances
        self.newestEnd = newestEnd
        self.writtenAt = writtenAt
        self.expiredBefore = expiredBefore
    }

    /// What the stream says of itself in its first message.
    ///
    /// - Parameter log: Any generation of the log that the archive belongs to.
    package func generation(of log: LogGeneration) -> LogGeneration {
        LogGeneration(
            hubID: log.hubID, partition: log.partition, stream: stream, incarnation: log.incarnation, epoch: epoch)
    }
}

/// What a copy lacks of its partition's archive.
package struct MissingArchive: Hashable, Sendable {
    /// Every instance in the archive, and a few others.
    package var filter: InstanceFilter
    /// Segments not read yet, in the order they are read in.
    package var segments: [ArchiveSegment]
    /// Chunks of the first of them that have been read.
    package var chunks: UInt64 = 0
    /// An instance of which only the beginning is in the copy yet.
    package var partial: InstanceID?

    package init(filter: InstanceFilter, segments: [ArchiveSegment]) {
        self.filter = filter
        self.segments = segments
    }

    /// What is missing once the next chunk is in the copy; nil: nothing.
    ///
    /// - Parameter partial: The instance the chunk ends in the middle of.
    package func afterChunk(partial: InstanceID?) -> MissingArchive? {
        var rest = self
        rest.partial = partial
        rest.chunks += 1
        if let segment = rest.segments.first, rest.chunks >= segment.chunks {
            rest.segments.removeFirst()
            rest.chunks = 0
        }
        return rest.segments.isEmpty ? nil : rest
    }
}

/// Tells of most instance IDs that are not in a set that they are not, in ten bits for each that is (a Bloom filter:
/// Bloom 1970; two hashes make the others: Kirsch and Mitzenmacher 2006).
package struct InstanceFilter: Hashable, Sendable {
    package private(set) var bytes: [UInt8]

    private static var probes: UInt64 { 7 }

    /// - Parameter capacity: IDs it is made for; more make it less certain.
    package init(capacity: Int) { bytes = [UInt8](repeating: 0, count: max(8, (capacity * 10 + 7) / 8)) }

    /// Must be 1 byte or more.
    package init?(bytes: [UInt8]) {
        if bytes.isEmpty { return nil }
        self.bytes = bytes
    }

    package mutating func insert(_ id: InstanceID) {
        for bit in bits(of: id) { bytes[Int(bit / 8)] |= 1 << UInt8(bit % 8) }
    }

    /// False: it was never inserted.
    package func mayContain(_ id: InstanceID) -> Bool {
        bits(of: id).allSatisfy { bytes[Int($0 / 8)] & (1 << UInt8($0 % 8)) != 0 }
    }

    private func bits(of id: InstanceID) -> [UInt64] {
        // IDs of one partition have a remainder of this hash in common.
        let first = Self.mix(FNV1a.hash(id.value.utf8))
        let second = Self.mix(first) | 1
        let count = UInt64(bytes.count) * 8
        return (0..<Self.probes).map { (first &+ $0 &* second) % count }
    }

    /// The finalizer of SplitMix64 (Steele, Lea and Flood 2014).
    private static func mix(_ value: UInt64) -> UInt64 {
        var value = value &+ 0x9e37_79b9_7f4a_7c15
        value = (value ^ (value >> 30)) &* 0xbf58_476d_1ce4_e5b9
        value = (value ^ (value >> 27)) &* 0x94d0_49bb_1331_11eb
        return value ^ (value >> 31)
    }
}
