import DurableBackend
import DurableClient
import DurableCore

/// What a whole, undamaged backup says of itself.
struct BackupContents {
    struct Partition {
        var place: BackupRecord.Partition
        /// Without messages.
        var state = PartitionState()
        var instanceCount = 0
    }

    var header: BackupRecord.Header
    /// By index.
    var partitions: [Partition] = []
    var isConsistent = false

    /// Reads all of it.
    ///
    /// - Throws: `ClientError` DTQ1009.
    init(_ path: String) throws {
        let reader = try BackupReader(path)
        guard case .header(let header)? = try reader.next() else { throw reader.damaged("it has no header") }
        self.header = header
        var isPartComplete = true
        while let record = try reader.next() {
            switch record {
            case .header: throw reader.damaged("it has two headers")
            case .partition(let place):
                guard isPartComplete, place.partition.index == partitions.count else {
                    throw reader.damaged("partition \(place.partition) is not where it belongs")
                }
                partitions.append(Partition(place: place))
                isPartComplete = false
            case .chunk(let chunk):
                guard !isPartComplete else { throw reader.damaged("a chunk belongs to no partition") }
                partitions[partitions.count - 1].instanceCount += chunk.instances.count { $0.firstIndex == 0 }
                if let state = chunk.state {
                    partitions[partitions.count - 1].state = state
                    isPartComplete = true
                }
            case .end(let end): isConsistent = end.isConsistent
            }
        }
        let expected = header.descriptor.partitionCount
        guard isPartComplete, partitions.count == expected else {
            throw reader.damaged("it has \(partitions.count) of \(expected) partitions")
        }
    }

    var instanceCount: Int { partitions.reduce(0) { $0 + $1.instanceCount } }

    /// Through which of the sender's sequences nothing is to be sent again: what the destination has applied, or the sender
    /// has forgotten.
    func settled(from sender: PartitionID, to destination: PartitionID) -> UInt64 {
        let (origin, target) = (partitions[sender.index], partitions[destination.index])
        let source = Deduplication.Source(partition: sender, incarnation: origin.place.incarnation)
        return max(target.state.watermark(of: source), origin.state.delivered[destination] ?? 0)
    }
}
