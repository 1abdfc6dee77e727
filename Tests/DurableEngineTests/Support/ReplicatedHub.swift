import DurableBackend
import DurableCore
import DurableEngine
import DurableMemory
import DurableWire
import Logging

/// A hub with replicated logs on a broker in memory: workers by name, each with copies of its own.
final class ReplicatedHub: Sendable {
    let clock = ManualClock()
    let broker: MemoryBroker
    let descriptor: HubDescriptor
    var topology: HubTopology { descriptor.topology }
    private let nonces = Counter()

    /// - Parameter segmentMessages: Messages after which a stream leaves out an offset.
    init(hubID: String = "hub-1", faults: FaultPlan = .none, segmentMessages: Int? = nil) async throws {
        broker = MemoryBroker(clock: clock, faults: faults, segmentMessages: segmentMessages)
        descriptor = HubDescriptor(
            hubID: hubID, hub: HubName("test")!, partitionCount: 2, queueKind: .quorum, logMode: .replicated,
            dataDirectory: "", createdAt: clock.now())
        try await create()
    }

    /// As `dtq hub create` does.
    func create() async throws {
        let transport = broker.connect(as: "admin")
        try await transport.declare(topology.everything)
        _ = try await transport.publish(
            topology.partitions.map { partition in
                let generation = LogGeneration.first(of: descriptor, partition)
                return topology.logMessage(.generation(generation), to: generation.stream, at: clock.now())
            })
    }

    /// - Parameter journal: nil: one of its own.
    func storage(
        _ worker: String = "worker", copies: any PartitionCopies = MemoryCopies(), journal: HubJournal? = nil,
        archiveBytes: UInt64 = 16 << 20
    ) -> ReplicatedStorage {
        ReplicatedStorage(
            descriptor: descriptor, transport: broker.connect(as: worker), copies: copies,
            journal: journal ?? self.journal(worker), clock: clock,
            makeNonce: { "\(worker)-\(self.nonces.next())" }, logger: Logger(label: worker), archiveBytes: archiveBytes)
    }

    func journal(_ worker: String = "worker", snapshotBytes: Int = 1 << 20) -> HubJournal {
        HubJournal(
            transport: broker.connect(as: worker), topology: topology, clock: clock,
            makeNonce: { "\(worker)-\(self.nonces.next())" }, snapshotBytes: snapshotBytes)
    }

    /// What the journal says.
    func fold() throws -> JournalFold { try JournalFold(of: broker.readyMessages(in: topology.name(.journal))) }

    func stream(_ partition: Int = 0) -> String { topology.firstLogStream(of: PartitionID(partition)) }

    /// What is in the log's stream, in order.
    func messages(_ partition: Int = 0) throws -> [LogMessage] {
        try broker.readyMessages(in: stream(partition)).map { try LogMessage(wire: $0.body) }
    }
}

extension JournalFold {
    init(of journal: [Delivery]) throws {
        self.init()
        for delivery in journal {
            take(try JournalRecord(wire: delivery.body), at: delivery.streamOffset ?? nextOffset, isNext: true)
        }
    }
}
