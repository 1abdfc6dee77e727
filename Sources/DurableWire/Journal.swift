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
            self = .generationAnnounced(try GenerationAnnouncement(wire))
        case .mark(let text):
            self = .mark(text)
        case .snapshot(let wire):
            self = .snapshot(try JournalSnapshot(wire))
        case nil:
            throw .undecodable("journal record of a kind this version does not know")
        }
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
            wire.generationAnnounced = PBJournalRecord.GenerationAnnounced(announcement)
            if !announcement.archive.isEmpty { version = 2 }
        case .mark(let text):
            wire.mark = text
        case .snapshot(let snapshot):
            wire.snapshot.end = snapshot.end
            wire.snapshot.partitions = snapshot.partitions.map(PBJournalRecord.Snapshot.Partition.init)
            if snapshot.partitions.contains(where: { $0.state.announcement?.archive.isEmpty == false }) { version = 2 }
        }
        return wire.aloneBytes(version: version)
    }
}

extension GenerationAnnouncement {
    fileprivate init(_ wire: PBJournalRecord.GenerationAnnounced) throws(WireError) {
        try required(wire.hasGeneration, "generation of a journal record")
        var archive: [ArchiveSegment] = []
        for segment in wire.archive { archive.append(try ArchiveSegment(segment)) }
        self.init(
            generation: try LogGeneration(wire.generation), snapshotEnd: wire.snapshotEnd,
            snapshotBytes: wire.snapshotBytes, archive: archive)
    }
}

extension PBJournalRecord.GenerationAnnounced {
    fileprivate init(_ announcement: GenerationAnnouncement) {
        self.init()
        generation = PBLogGeneration(announcement.generation)
        snapshotEnd = announcement.snapshotEnd
        snapshotBytes = announcement.snapshotBytes
        archive = announcement.archive.map(PBArchiveSegment.init)
    }
}

extension JournalSnapshot {
    fileprivate init(_ wire: PBJournalRecord.Snapshot) throws(WireError) {
        var partitions: [Entry] = []
        for partition in wire.partitions {
            partitions.append(
                Entry(id: try PartitionID(wireIndex: partition.partition), state: try JournalFold.Partition(partition)))
        }
        self.init(end: wire.end, partitions: partitions)
    }
}

extension JournalFold.Partition {
    fileprivate init(_ wire: PBJournalRecord.Snapshot.Partition) throws(WireError) {
        self.init()
        if wire.hasClaim {
            claim = Epoch(wire.claim)
            owner = WorkerID(wire.owner)
        }
        if wire.released {
            release = JournalFold.Release(nextDue: wire.hasNextDueMs ? Timestamp(ms: wire.nextDueMs) : nil)
        }
        if wire.hasAnnouncement { announcement = try GenerationAnnouncement(wire.announcement) }
        leftovers = wire.leftovers.map { .init(stream: $0.stream, epoch: $0.hasEpoch ? Epoch($0.epoch) : nil) }
    }
}

extension PBJournalRecord.Snapshot.Partition {
    fileprivate init(_ entry: JournalSnapshot.Entry) {
        self.init()
        partition = entry.id.wireIndex
        let state = entry.state
        if let claim = state.claim { self.claim = PBEpoch(claim) }
        if let owner = state.owner { self.owner = owner.value }
        released = state.release != nil
        if let due = state.release?.nextDue { nextDueMs = due.millisecondsSinceEpoch }
        if let announcement = state.announcement { self.announcement = .init(announcement) }
        leftovers = state.leftovers.map { leftover in
            var wire = PBJournalRecord.Snapshot.Leftover()
            wire.stream = leftover.stream
            if let epoch = leftover.epoch { wire.epoch = PBEpoch(epoch) }
            return wire
        }
    }
}
