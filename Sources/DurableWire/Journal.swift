package import DurableCore

extension JournalRecord: WireCodable {
    package init(wire bytes: [UInt8]) throws(WireError) {
        switch try PBJournalRecord(alone: bytes).kind {
        case .claim(let wire):
            self = .claim(
                partition: try PartitionID(wireIndex: wire.partition), worker: WorkerID(wire.worker),
                nonce: wire.nonce)
        case .released(let wire):
            try required(wire.hasEpoch, "epoch of a release")
            self = .released(
                partition: try PartitionID(wireIndex: wire.partition), epoch: Epoch(wire.epoch),
                nextDue: wire.hasNextDueMs ? Timestamp(ms: wire.nextDueMs) : nil)
        case .generationStarted(let wire):
            try required(wire.hasGeneration, "generation of a journal record")
            self = .generationStarted(try LogGeneration(wire.generation), removed: wire.removed)
        case .generationAnnounced(let wire):
            try required(wire.hasGeneration, "generation of a journal record")
            self = .generationAnnounced(
                GenerationAnnouncement(
                    generation: try LogGeneration(wire.generation), snapshotEnd: wire.snapshotEnd,
                    snapshotBytes: wire.snapshotBytes, archive: try Self.archive(wire.archive)))
        case .mark(let text):
            self = .mark(text)
        case nil:
            throw .undecodable("journal record of a kind this version does not know")
        }
    }

    private static func archive(_ wire: [PBArchiveSegment]) throws(WireError) -> [ArchiveSegment] {
        var segments: [ArchiveSegment] = []
        for segment in wire { segments.append(try ArchiveSegment(segment)) }
        return segments
    }

    package var wireBytes: [UInt8] {
        var wire = PBJournalRecord()
        var version: Int32 = 1
        switch self {
        case .claim(let partition, let worker, let nonce):
            wire.claim.partition = partition.wireIndex
            wire.claim.worker = worker.value
            wire.claim.nonce = nonce
        case .released(let partition, let epoch, let nextDue):
            wire.released.partition = partition.wireIndex
            wire.released.epoch = PBEpoch(epoch)
            if let nextDue { wire.released.nextDueMs = nextDue.millisecondsSinceEpoch }
        case .generationStarted(let generation, let removed):
            wire.generationStarted.generation = PBLogGeneration(generation)
            wire.generationStarted.removed = removed
        case .generationAnnounced(let announcement):
            wire.generationAnnounced.generation = PBLogGeneration(announcement.generation)
            wire.generationAnnounced.snapshotEnd = announcement.snapshotEnd
            wire.generationAnnounced.snapshotBytes = announcement.snapshotBytes
            wire.generationAnnounced.archive = announcement.archive.map(PBArchiveSegment.init)
            if !announcement.archive.isEmpty { version = 2 }
        case .mark(let text):
            wire.mark = text
        }
        return wire.aloneBytes(version: version)
    }
}
