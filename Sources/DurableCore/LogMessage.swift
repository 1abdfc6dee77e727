/// One message of a partition's log stream.
package enum LogMessage: Hashable, Sendable {
    /// The first of every stream: whose it is and where it begins.
    case generation(LogGeneration)
    case part(LogPart)
    /// Changes nothing: who wrote it learns, by its text, where the stream ended.
    case mark(String)
    /// Part of a chunk of the snapshot that a later generation's stream begins with; chunks count from 1.
    case snapshot(LogPart)
    /// Ends that snapshot, of so many chunks: from here on the stream is a log.
    case snapshotComplete(chunks: UInt64)
}

/// What a log stream says about itself in its first message.
package struct LogGeneration: Hashable, Sendable {
    package var hubID: String
    package var partition: PartitionID
    /// Name of the stream; never used for another one.
    package var stream: String
    /// Position that the stream's first record follows: 0, or the one its snapshot stands for.
    package var base: LogPosition
    /// Of the partition's outgoing sequences: the same for all copies of this log, another for one that was restored.
    package var incarnation: UInt64
    /// Of the owner that made it, whose appends go on behind the snapshot; `.zero`: made with the hub.
    package var epoch: Epoch
    /// Stream that it follows; empty: none.
    package var previous: String

    package init(
        hubID: String, partition: PartitionID, stream: String, base: LogPosition = LogPosition(0), incarnation: UInt64,
        epoch: Epoch = .zero, previous: String = ""
    ) {
        self.hubID = hubID
        self.partition = partition
        self.stream = stream
        self.base = base
        self.incarnation = incarnation
        self.epoch = epoch
        self.previous = previous
    }

    /// Whether the stream begins with a snapshot of what was before it.
    package var hasSnapshot: Bool { epoch > .zero }

    /// Whether both are generations of one log: a position means the same in both.
    package func isSameLog(as other: LogGeneration) -> Bool {
        hubID == other.hubID && partition == other.partition && incarnation == other.incarnation
    }
}

/// What one append wrote: records that count together or not at all.
package struct LogUnit: Hashable, Sendable {
    package var epoch: Epoch
    /// Counts the appends of the epoch; its `begin` is 0.
    package var index: UInt64
    /// Who wrote it: a text nobody else writes under.
    package var writer: String
    /// Records in it, 1 to `maximumRecords`.
    package var recordCount: Int
    /// The records, encoded.
    package var content: [UInt8]

    package static let maximumRecords = 512

    package init(epoch: Epoch, index: UInt64, writer: String, recordCount: Int, content: [UInt8]) {
        self.epoch = epoch
        self.index = index
        self.writer = writer
        self.recordCount = recordCount
        self.content = content
    }

    /// The unit in messages of at most `byteLimit` bytes of content each, in order.
    package func parts(byteLimit: Int) -> [LogPart] {
        precondition(byteLimit > 0, "a part holds at least one byte")
        let count = max(1, (content.count + byteLimit - 1) / byteLimit)
        return (0..<count).map { number in
            let start = number * byteLimit
            return LogPart(
                epoch: epoch, index: index, writer: writer, recordCount: recordCount, number: number + 1, count: count,
                content: Array(content[start..<min(start + byteLimit, content.count)]))
        }
    }
}

/// One message of an append: the unit itself when it fits, else one of several.
package struct LogPart: Hashable, Sendable {
    package var epoch: Epoch
    package var index: UInt64
    package var writer: String
    /// Records in the whole unit.
    package var recordCount: Int
    /// 1 to `count`.
    package var number: Int
    package var count: Int
    package var content: [UInt8]

    package init(
        epoch: Epoch, index: UInt64, writer: String, recordCount: Int, number: Int, count: Int, content: [UInt8]
    ) {
        self.epoch = epoch
        self.index = index
        self.writer = writer
        self.recordCount = recordCount
        self.number = number
        self.count = count
        self.content = content
    }
}
