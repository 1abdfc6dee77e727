import DurableBackend
package import DurableCore
internal import Foundation

extension LogMessage: WireCodable {
    package init(wire bytes: [UInt8]) throws(WireError) {
        switch try PBLogMessage(alone: bytes).kind {
        case .generation(let wire): self = .generation(try LogGeneration(wire))
        case .part(let wire): self = .part(try LogPart(wire))
        case .mark(let text): self = .mark(text)
        case .snapshot(let wire): self = .snapshot(try LogPart(wire))
        case .snapshotComplete(let wire): self = .snapshotComplete(chunks: wire.chunks)
        case nil: throw .undecodable("log message of a kind this version does not know")
        }
    }

    package var wireBytes: [UInt8] {
        var wire = PBLogMessage()
        switch self {
        case .generation(let generation):
            wire.generation = PBLogGeneration(generation)
        case .part(let part):
            wire.part = PBLogMessage.Part(part)
        case .mark(let text):
            wire.mark = text
        case .snapshot(let part):
            wire.snapshot = PBLogMessage.Part(part)
        case .snapshotComplete(let chunks):
            wire.snapshotComplete.chunks = chunks
        }
        return wire.aloneBytes()
    }
}

extension LogUnit {
    /// - Parameter records: 1 to `maximumRecords`.
    package init(epoch: Epoch, index: UInt64, writer: String, records: [PartitionRecord]) {
        var wire = PBLogUnit()
        wire.records = records.map { Data($0.wireBytes) }
        self.init(
            epoch: epoch, index: index, writer: writer, recordCount: records.count, content: wire.aloneBytes())
    }

    package func records() throws(WireError) -> [PartitionRecord] {
        let wire = try PBLogUnit(alone: content)
        guard wire.records.count == recordCount else {
            throw .undecodable("\(wire.records.count) records in an append of \(recordCount)")
        }
        var records: [PartitionRecord] = []
        for record in wire.records { records.append(try PartitionRecord(wire: Array(record))) }
        if index == 0 {
            guard case .begin(let begin)? = records.first, records.count == 1, begin.epoch == epoch else {
                throw .undecodable("the first append of epoch \(epoch) is not its begin")
            }
        }
        return records
    }
}

extension LogBookmark: WireCodable {
    package init(wire bytes: [UInt8]) throws(WireError) {
        let wire = try PBLogBookmark(alone: bytes)
        try required(wire.hasGeneration, "generation of a bookmark")
        self.init(
            generation: try LogGeneration(wire.generation), offset: wire.offset, position: LogPosition(wire.position),
            newest: Epoch(wire.newest), lastIndex: wire.lastIndex, bytes: wire.bytes,
            snapshotBytes: wire.snapshotBytes)
    }

    package var wireBytes: [UInt8] {
        var wire = PBLogBookmark()
        wire.generation = PBLogGeneration(generation)
        wire.offset = offset
        wire.position = position.value
        wire.newest = PBEpoch(newest)
        wire.lastIndex = lastIndex
        wire.bytes = bytes
        wire.snapshotBytes = snapshotBytes
        return wire.aloneBytes()
    }
}

extension LogGeneration {
    /// The first generation of a partition's log, written when its hub is created.
    package static func first(of descriptor: HubDescriptor, _ partition: PartitionID) -> LogGeneration {
        LogGeneration(
            hubID: descriptor.hubID, partition: partition, stream: descriptor.topology.firstLogStream(of: partition),
            incarnation: FNV1a.hash("\(descriptor.hubID)/\(partition)/log".utf8))
    }
}

extension LogGeneration {
    init(_ wire: PBLogGeneration) throws(WireError) {
        self.init(
            hubID: wire.hubID, partition: try PartitionID(wireIndex: wire.partition), stream: wire.stream,
            base: LogPosition(wire.basePosition), incarnation: wire.incarnation,
            epoch: wire.hasEpoch ? Epoch(wire.epoch) : .zero, previous: wire.previous)
    }
}

extension PBLogGeneration {
    init(_ generation: LogGeneration) {
        self.init()
        hubID = generation.hubID
        partition = generation.partition.wireIndex
        stream = generation.stream
        basePosition = generation.base.value
        incarnation = generation.incarnation
        if generation.epoch > .zero { epoch = PBEpoch(generation.epoch) }
        previous = generation.previous
    }
}

extension LogPart {
    fileprivate init(_ wire: PBLogMessage.Part) throws(WireError) {
        try required(wire.hasEpoch, "epoch of a log message")
        let (number, count) = (Int(wire.number), Int(wire.count))
        guard number >= 1, number <= count else { throw .undecodable("part \(number) of \(count) of an append") }
        guard wire.index > 0 || count == 1 else { throw .undecodable("a begin in \(count) parts") }
        guard (1...LogUnit.maximumRecords).contains(Int(wire.recordCount)) else {
            throw .undecodable("an append of \(wire.recordCount) records")
        }
        self.init(
            epoch: Epoch(wire.epoch), index: wire.index, writer: wire.writer, recordCount: Int(wire.recordCount),
            number: number, count: count, content: Array(wire.content))
    }
}

extension PBLogMessage.Part {
    fileprivate init(_ part: LogPart) {
        self.init()
        epoch = PBEpoch(part.epoch)
        index = part.index
        writer = part.writer
        recordCount = UInt32(truncatingIfNeeded: part.recordCount)
        number = UInt32(truncatingIfNeeded: part.number)
        count = UInt32(truncatingIfNeeded: part.count)
        content = Data(part.content)
    }
}
