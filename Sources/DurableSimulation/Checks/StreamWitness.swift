package import DurableBackend
package import DurableCore
package import DurableMemory
import DurableWire

/// Tells the witness what counts in the log streams, as anyone would read them: not what workers think is in them.
package final class StreamWitness: @unchecked Sendable {  // confined to the simulator's thread
    private final class Followed {
        let stream: String
        var fold = LogFold()
        var offset = 0
        /// All records that count; the one at position n is at index n - 1.
        var entries: [LogEntry]

        init(stream: String, entries: [LogEntry] = []) {
            self.stream = stream
            self.entries = entries
        }
    }

    private let broker: MemoryBroker
    private let topology: HubTopology
    private let witness: Witness
    private var partitions: [Followed]
    private var journal = JournalFold()
    /// Times a log went on in another stream.
    package private(set) var generationCount = 0
    /// Look-up only.
    private var nodes: [WorkerID: Node] = [:]

    package init(_ broker: MemoryBroker, topology: HubTopology, witness: Witness) {
        self.broker = broker
        self.topology = topology
        self.witness = witness
        partitions = topology.partitions.map { Followed(stream: topology.firstLogStream(of: $0)) }
    }

    package func register(_ node: Node, as worker: WorkerID) { nodes[worker] = node }

    /// Reads what is new, in the stream that the log is in.
    func follow(_ id: PartitionID) {
        read(id)
        let next = Int(clamping: journal.nextOffset)
        for delivery in broker.messages(of: topology.name(.journal), from: next) {
            guard let offset = delivery.streamOffset else { continue }
            journal.take(try? JournalRecord(wire: delivery.body), at: offset, isNext: true)
        }
        let followed = partitions[id.index]
        guard let generation = journal[id].announcement?.generation, generation.stream != followed.stream
        else { return }
        let known = followed.entries
        partitions[id.index] = Followed(
            stream: generation.stream, entries: Array(known.prefix(Int(clamping: generation.base.value))))
        generationCount += 1
        read(id)
        // What was in both streams must be the same in both, and all of it must be in the new one.
        let found = partitions[id.index].entries
        if !found.starts(with: known) {
            witness.violated(
                "I1: the log of partition \(id) ends at \(known.count), and as far as it goes on in "
                    + "\(generation.stream) from \(generation.base) it is another one or ends at \(found.count)")
        }
    }

    private func read(_ id: PartitionID) {
        let followed = partitions[id.index]
        let new = broker.messages(of: followed.stream, from: followed.offset)
        if let last = new.last?.streamOffset { followed.offset = Int(clamping: last) + 1 }
        for delivery in new {
            do {
                guard case .unit(let unit) = try followed.fold.take(LogMessage(wire: delivery.body)) else { continue }
                let records = try unit.records()
                let end = followed.fold.position
                for (index, record) in records.enumerated() {
                    let position = LogPosition(end.value - UInt64(records.count - index - 1))
                    followed.entries.append(LogEntry(position: position, epoch: unit.epoch, record: record))
                }
                let known = witness.partitions[id.index].position
                let news = Array(records.suffix(Int(clamping: max(end.value, known.value) - known.value)))
                if !news.isEmpty { tell(news, of: id, epoch: unit.epoch, at: end) }
            } catch {
                witness.violated("I13: the log stream of partition \(id) cannot be read: \(error)")
            }
        }
    }

    private func tell(_ records: [PartitionRecord], of id: PartitionID, epoch: Epoch, at position: LogPosition) {
        if case .begin(let begin)? = records.first, let node = nodes[begin.worker] {
            witness.began(begin, of: id, at: position, by: node)
        } else if let node = witness.partitions[id.index].owner {
            witness.appended(records, epoch: epoch, to: id, at: position, by: node)
        }
    }

    /// A worker was told that these are in the log, up to `position`.
    func check(_ records: [PartitionRecord], of id: PartitionID, epoch: Epoch, through position: LogPosition) {
        let entries = partitions[id.index].entries
        let end = Int(clamping: position.value)
        guard end <= entries.count, records.count <= end else {
            return witness.violated(
                "I5: an append to partition \(id) is told to stand at \(position), its log ends at \(entries.count)")
        }
        let found = entries[(end - records.count)..<end]
        if found.map(\.record) != records || found.contains(where: { $0.epoch != epoch }) {
            witness.violated("I5: an append to partition \(id) is not at \(position), where its owner was told it is")
        }
    }
}
