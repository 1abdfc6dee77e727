package import DurableBackend
import DurableCore
internal import Foundation

extension SnapshotChunk: WireCodable {
    package init(wire bytes: [UInt8]) throws(WireError) { try self.init(wire: bytes, isForTables: false) }

    /// - Parameter isForTables: Leave states and histories encoded, as tables keep them.
    package init(wire bytes: [UInt8], isForTables: Bool) throws(WireError) {
        let wire = try PBSnapshotChunk(alone: bytes)
        self.init()
        for instance in wire.instances {
            let stateBytes = Array(instance.state)
            let state = try InstanceState(wire: stateBytes)
            let first = try checkedCount(Int64(clamping: instance.firstIndex), "first event of a snapshot")
            var flush = StoreFlush.InstanceFlush(state: state, newHistory: [], firstIndex: first)
            if isForTables {
                flush.encoded = .init(
                    state: stateBytes, history: Array(instance.events), eventCount: max(0, state.historyCount - first))
            } else if !instance.events.isEmpty {
                flush.newHistory = try HistoryCodec.decode(Array(instance.events))
            }
            instances.append(flush)
        }
        for entry in wire.outbox { outbox.append(try OutboxEntry(wire: Array(entry))) }
        for message in wire.sent {
            guard case let entry = try OutboxEntry(wire: Array(message.entry)), case .message(let content) = entry.body,
                let origin = content.origin
            else { throw .undecodable("a sent message of a snapshot has no sequence") }
            let destination = try PartitionID(wireIndex: message.destination)
            sent.append(
                SentMessage(place: SentPlace(destination: destination, sequence: origin.sequence), entry: entry))
        }
        for purged in wire.purged {
            self.purged.append(
                PurgedInstance(
                    id: InstanceID(purged.id), position: LogPosition(purged.position),
                    endedAt: purged.endedPosition == 0 ? nil : LogPosition(purged.endedPosition)))
        }
        if wire.hasState { state = try PartitionState(wire.state) }
        archived = InstanceFilter(bytes: Array(wire.archived))
        continues = wire.continues
    }

    package var wireBytes: [UInt8] {
        var wire = PBSnapshotChunk()
        wire.instances = instances.map { instance in
            var wire = PBSnapshotChunk.Instance()
            wire.state = Data(instance.state.wireBytes)
            wire.firstIndex = UInt64(instance.firstIndex)
            if !instance.newHistory.isEmpty { wire.events = Data(HistoryCodec.encode(instance.newHistory)) }
            return wire
        }
        wire.outbox = outbox.map { Data($0.wireBytes) }
        wire.sent = sent.map { message in
            var wire = PBSnapshotChunk.Sent()
            wire.entry = Data(message.entry.wireBytes)
            wire.destination = message.place.destination.wireIndex
            return wire
        }
        if let state { wire.state = PBSnapshotChunk.State(state) }
        wire.continues = continues
        if let archived { wire.archived = Data(archived.bytes) }
        wire.purged = purged.map { purged in
            var wire = PBSnapshotChunk.Purged()
            wire.id = purged.id.value
            wire.position = purged.position.value
            wire.endedPosition = purged.endedAt?.value ?? 0
            return wire
        }
        return wire.aloneBytes(version: purged.isEmpty && state?.expiredBefore == nil ? 1 : 4)
    }
}

extension PartitionState {
    fileprivate init(_ wire: PBSnapshotChunk.State) throws(WireError) {
        try required(wire.hasEpoch, "epoch of a snapshot")
        self.init(epoch: Epoch(wire.epoch), nextOutboxID: OutboxID(wire.nextOutboxID))
        for mark in wire.watermarks {
            deduplication.markApplied(
                Origin(
                    partition: try PartitionID(wireIndex: mark.partition), incarnation: mark.incarnation,
                    sequence: mark.sequence))
        }
        if !wire.evidence.isEmpty { evidence = try CrashEvidence(wire: Array(wire.evidence)) }
        for entry in wire.sequences { sequences[try PartitionID(wireIndex: entry.partition)] = entry.sequence }
        for entry in wire.delivered { delivered[try PartitionID(wireIndex: entry.partition)] = entry.sequence }
        mustRedrive = wire.mustRedrive
        if wire.hasExpiredBeforeMs { expiredBefore = Timestamp(ms: wire.expiredBeforeMs) }
    }
}

extension PBSnapshotChunk.State {
    fileprivate init(_ state: PartitionState) {
        self.init()
        epoch = PBEpoch(state.epoch)
        nextOutboxID = state.nextOutboxID.value
        evidence = Data(state.evidence.wireBytes)
        watermarks = state.deduplication.watermarks.map { source, sequence in
            var wire = PBSnapshotChunk.Watermark()
            wire.partition = source.partition.wireIndex
            wire.incarnation = source.incarnation
            wire.sequence = sequence
            return wire
        }
        sequences = Self.sequences(state.sequences)
        delivered = Self.sequences(state.delivered)
        mustRedrive = state.mustRedrive
        if let time = state.expiredBefore { expiredBeforeMs = time.millisecondsSinceEpoch }
    }

    private static func sequences(_ sequences: [PartitionID: UInt64]) -> [PBSnapshotChunk.Sequence] {
        sequences.sorted { $0.key < $1.key }.map { partition, sequence in
            var wire = PBSnapshotChunk.Sequence()
            wire.partition = partition.wireIndex
            wire.sequence = sequence
            return wire
        }
    }
}
