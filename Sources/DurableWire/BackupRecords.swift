package import DurableBackend
internal import DurableCore
internal import Foundation

extension BackupRecord: WireCodable {
    package init(wire bytes: [UInt8]) throws(WireError) {
        switch try PBBackupRecord(alone: bytes).kind {
        case .header(let wire):
            self = .header(
                Header(
                    descriptor: try HubDescriptor(wire: Array(wire.descriptor)),
                    takenAt: Timestamp(ms: wire.takenAtMs)))
        case .partition(let wire):
            self = .partition(
                Partition(
                    partition: try PartitionID(wireIndex: wire.partition), incarnation: wire.incarnation,
                    position: LogPosition(wire.position)))
        case .chunk(let bytes): self = .chunk(try SnapshotChunk(wire: Array(bytes)))
        case .end(let wire): self = .end(End(recordCount: wire.records, isConsistent: wire.isConsistent))
        case nil: throw .undecodable("backup record of a kind this version does not know")
        }
    }

    package var wireBytes: [UInt8] {
        var wire = PBBackupRecord()
        switch self {
        case .header(let header):
            wire.header.descriptor = Data(header.descriptor.wireBytes)
            wire.header.takenAtMs = header.takenAt.millisecondsSinceEpoch
        case .partition(let partition):
            wire.partition.partition = partition.partition.wireIndex
            wire.partition.incarnation = partition.incarnation
            wire.partition.position = partition.position.value
        case .chunk(let chunk): wire.chunk = Data(chunk.wireBytes)
        case .end(let end):
            wire.end.records = end.recordCount
            wire.end.isConsistent = end.isConsistent
        }
        return wire.aloneBytes()
    }
}
