package import DurableCore
internal import Foundation

extension MissingArchive {
    /// - Parameter filter: Its bytes, which stand elsewhere.
    package init(wire bytes: [UInt8], filter: [UInt8]) throws(WireError) {
        let wire = try PBMissingArchive(alone: bytes)
        guard let filter = InstanceFilter(bytes: filter) else {
            throw .undecodable("no filter of what an archive has")
        }
        self.init(filter: filter, segments: [])
        for segment in wire.segments { segments.append(try ArchiveSegment(segment)) }
        chunks = wire.chunks
        partial = wire.partial.isEmpty ? nil : InstanceID(wire.partial)
    }

    /// Without its filter.
    package var wireBytes: [UInt8] {
        var wire = PBMissingArchive()
        wire.segments = segments.map(PBArchiveSegment.init)
        wire.chunks = chunks
        wire.partial = partial?.value ?? ""
        return wire.aloneBytes()
    }
}

extension ArchiveSegment {
    init(_ wire: PBArchiveSegment) throws(WireError) {
        try required(wire.hasEpoch, "epoch of an archive segment")
        self.init(
            stream: wire.stream, epoch: Epoch(wire.epoch), after: LogPosition(wire.afterPosition),
            through: LogPosition(wire.throughPosition), chunks: wire.chunks, bytes: wire.bytes,
            instances: wire.instances, newestEnd: Timestamp(ms: wire.newestEndMs),
            writtenAt: wire.writtenPosition == 0 ? nil : LogPosition(wire.writtenPosition),
            expiredBefore: wire.hasExpiredBeforeMs ? Timestamp(ms: wire.expiredBeforeMs) : nil)
    }
}

extension PBArchiveSegment {
    init(_ segment: ArchiveSegment) {
        self.init()
        stream = segment.stream
        epoch = PBEpoch(segment.epoch)
        afterPosition = segment.after.value
        throughPosition = segment.through.value
        chunks = segment.chunks
        bytes = segment.bytes
        instances = segment.instances
        newestEndMs = segment.newestEnd.millisecondsSinceEpoch
        if let position = segment.writtenAt { writtenPosition = position.value }
        if let time = segment.expiredBefore { expiredBeforeMs = time.millisecondsSinceEpoch }
    }
}
