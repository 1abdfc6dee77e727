import DurableBackend
import DurableClient
import DurableCore
import DurableEngine
import DurableMemory
import DurableWire
import Testing

/// A journal of which the broker keeps little.
@Suite("Hub journal") struct HubJournalTests {
    private static let retention = StreamRetention(bytes: 2000, segmentBytes: 200)
    private let partition = PartitionID(0)

    private func hub() async throws -> ReplicatedHub {
        let hub = try await ReplicatedHub()
        hub.broker.retain(Self.retention, of: hub.topology.name(.journal))
        return hub
    }

    /// Offsets of the records that the broker keeps.
    private func kept(by hub: ReplicatedHub) -> [UInt64] {
        hub.broker.readyMessages(in: hub.topology.name(.journal)).compactMap(\.streamOffset)
    }

    /// Claims and releases another partition until the broker has dropped what is there now.
    private func drop(_ hub: ReplicatedHub, with authority: JournalEpochAuthority) async throws {
        let end = kept(by: hub).last ?? 0
        repeat {
            let epoch = try await authority.claim(PartitionID(1), by: WorkerID("w"))
            try await authority.release(PartitionID(1), epoch: epoch, nextDue: nil)
        } while try #require(kept(by: hub).first) <= end
    }

    private func claims(_ hub: ReplicatedHub) async throws -> [PartitionID: PartitionClaim] {
        let transport = hub.broker.connect(as: "client")
        return try await HubClient(descriptor: hub.descriptor, transport: transport, clock: hub.clock).claims()
    }

    @Test("What the broker drops of it is known from snapshots: to who begins, who was away, and clients")
    func snapshots() async throws {
        let hub = try await hub()
        let busy = JournalEpochAuthority(hub.journal("busy", snapshotBytes: 300))
        let away = JournalEpochAuthority(hub.journal("away"))
        let epoch = try await away.claim(partition, by: WorkerID("away"))
        let due = hub.clock.now()
        try await away.release(partition, epoch: epoch, nextDue: due)
        for _ in 0..<3 {
            try await drop(hub, with: busy)
            #expect(try await claims(hub)[partition] == .released(epoch: epoch, nextDue: due))
        }
        for authority in [away, JournalEpochAuthority(hub.journal("new"))] {
            let end = try #require(kept(by: hub).last)
            #expect(try await authority.claim(partition, by: WorkerID("w")).offset > end)
        }
        #expect(kept(by: hub).count < 200)
    }

    @Test("A snapshot that does not come is due again before the broker drops what it stands for")
    func lostSnapshots() async throws {
        let hub = try await hub()
        let lost = Counter()
        hub.broker.setFaults(
            FaultPlan { point in
                guard case .publish(let messages) = point.call,
                    case .snapshot? = try? messages.first.map({ try JournalRecord(wire: $0.body) }), lost.next() <= 20
                else { return .none }
                return .reject(isTaken: false)
            })
        try await drop(hub, with: JournalEpochAuthority(hub.journal("busy", snapshotBytes: 200)))
        #expect(lost.count > 20)
        #expect(try await claims(hub)[PartitionID(1)] != nil)
    }

    @Test("Without a snapshot that makes up for dropped records nothing is taken for known")
    func missing() async throws {
        let hub = try await hub()
        try await drop(hub, with: JournalEpochAuthority(hub.journal("busy")))
        let new = JournalEpochAuthority(hub.journal("new"))
        let text = "the oldest records of \(hub.topology.name(.journal)) are gone, and no snapshot makes up for them"
        await #expect(throws: EpochError.unavailable(text)) { try await new.claim(partition, by: WorkerID("w")) }
        await #expect(throws: ClientError.self) { try await claims(hub) }
    }
}
