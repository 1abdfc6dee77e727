import DurableBackend
import DurableCore

/// Makes of what one partition held what it shall hold in a new hub: its sequences begin anew, in a new incarnation, with
/// what its destinations have not applied; epochs are those of the new hub; everything pending is to be sent again.
struct PartitionRestoration {
    let contents: BackupContents
    let partition: PartitionID
    /// Of the new sequences.
    let incarnation: UInt64
    /// Earliest timer or start so far; nil: none.
    private(set) var nextDue: Timestamp?

    init(_ contents: BackupContents, _ partition: PartitionID, incarnation: UInt64) {
        self.contents = contents
        self.partition = partition
        self.incarnation = incarnation
    }

    private var partitionCount: Int { contents.header.descriptor.partitionCount }
    private var old: BackupContents.Partition { contents.partitions[partition.index] }

    /// Where the log of the new partition goes on.
    var position: LogPosition { max(LogPosition(1), old.place.position) }

    mutating func restored(_ chunk: SnapshotChunk) -> SnapshotChunk {
        for instance in chunk.instances {
            if let due = instance.state.nextDue { nextDue = min(nextDue ?? due, due) }
        }
        return SnapshotChunk(
            instances: chunk.instances, outbox: chunk.outbox.compactMap(restored),
            sent: chunk.sent.compactMap { message in
                guard let entry = restored(message.entry), case .message(let content) = entry.body,
                    let origin = content.origin
                else { return nil }
                let place = SentPlace(destination: message.place.destination, sequence: origin.sequence)
                return SentMessage(place: place, entry: entry)
            }, state: chunk.state.map(restored))
    }

    /// - Returns: nil: its destination has it.
    private func restored(_ entry: OutboxEntry) -> OutboxEntry? {
        var entry = entry
        entry.epoch = .zero
        guard case .message(var message) = entry.body, let origin = message.origin else { return entry }
        let destination = message.instanceID.partition(of: partitionCount)
        let settled = contents.settled(from: partition, to: destination)
        if origin.sequence <= settled { return nil }
        message.origin = Origin(
            partition: partition, incarnation: incarnation, sequence: origin.sequence - settled)
        entry.body = .message(message)
        return entry
    }

    private func restored(_ state: PartitionState) -> PartitionState {
        var sequences: [PartitionID: UInt64] = [:]
        for (destination, last) in state.sequences where destination.index < partitionCount {
            let settled = contents.settled(from: partition, to: destination)
            if last > settled { sequences[destination] = last - settled }
        }
        return PartitionState(
            nextOutboxID: state.nextOutboxID, sequences: sequences, evidence: CrashEvidence(isReleased: true),
            mustRedrive: true)
    }
}
