import DurableAMQP
import DurableBackend
import DurableClient
import DurableConformance
import DurableCore
import DurableEngine
import DurableMemory
import DurableWire
import Foundation
import Logging
import Testing

extension RabbitMQTests {
    @Suite("Replicated log") struct ReplicatedLog {
        @Test("A log in streams obeys the log's rules", arguments: LogRule.allCases)
        func log(obeys rule: LogRule) async throws {
            try await withTransport { transport, _ in
                try await rule.verify { try await Self.storage(on: transport) }
            }
        }

        @Test("A copy behind a log in streams obeys the store's rules", arguments: StoreRule.allCases)
        func store(obeys rule: StoreRule) async throws {
            try await withTransport { transport, _ in
                try await rule.verify { try await Self.storage(on: transport) }
            }
        }

        @Test("A journal whose depth still reads 0, as a stream's does for seconds, is read to its end")
        func youngJournal() async throws {
            try await withTransport { transport, _ in
                let (descriptor, topology) = try Self.hub()
                try await transport.declare(topology.everything)
                let client = HubClient(descriptor: descriptor, transport: transport, clock: SystemClock())
                #expect(try await client.claims() == [:])
                let now = SystemClock().now()
                let claim = JournalRecord.claim(partition: PartitionID(1), worker: WorkerID("w"), nonce: "n")
                _ = try await transport.publish([topology.journalRecord(claim, at: now)])
                let epoch = Epoch(generation: JournalFold.generation, offset: 0)
                #expect(try await client.claims() == [PartitionID(1): .claimed(by: WorkerID("w"), epoch: epoch)])
                let release = JournalRecord.released(partition: PartitionID(1), epoch: epoch, nextDue: now)
                _ = try await transport.publish([topology.journalRecord(release, at: now)])
                #expect(try await client.claims() == [PartitionID(1): .released(epoch: epoch, nextDue: now)])
            }
        }

        @Test("A journal whose oldest records the broker has dropped is known from its snapshots")
        func boundedJournal() async throws {
            try await withTransport { transport, _ in
                let (descriptor, topology) = try Self.hub()
                let name = topology.name(.journal)
                var everything = topology.everything
                for index in everything.queues.indices where everything.queues[index].name == name {
                    everything.queues[index].retention = StreamRetention(bytes: 1_000_000, segmentBytes: 200_000)
                }
                try await transport.declare(everything)
                let clock = SystemClock()
                func authority() -> JournalEpochAuthority {
                    JournalEpochAuthority(
                        HubJournal(
                            transport: transport, topology: topology, clock: clock,
                            makeNonce: { UUID().uuidString }, snapshotBytes: 5000))
                }
                let now = Timestamp(millisecondsSinceEpoch: clock.now().millisecondsSinceEpoch)
                let released = try await authority().claim(PartitionID(0), by: WorkerID("w"))
                try await authority().release(PartitionID(0), epoch: released, nextDue: now)
                let busy = authority()
                var last = Epoch.zero
                while try await transport.isNext(.max, after: released.offset, in: name, clock: clock) {
                    let repeated = JournalRecord.released(partition: PartitionID(1), epoch: last, nextDue: nil)
                    _ = try await transport.publish(
                        (0..<500).map { _ in topology.journalRecord(repeated, at: clock.now()) })
                    let epoch = try await busy.claim(PartitionID(1), by: WorkerID("w"))
                    #expect(epoch > last)
                    last = epoch
                }
                let client = HubClient(descriptor: descriptor, transport: transport, clock: clock)
                #expect(try await client.claims()[PartitionID(0)] == .released(epoch: released, nextDue: now))
                #expect(try await authority().claim(PartitionID(0), by: WorkerID("new")) > last)
            }
        }

        private static func hub() throws -> (HubDescriptor, HubTopology) {
            let unique = UUID().uuidString.lowercased()
            let hub = try #require(HubName("test-\(unique.prefix(8))"))
            let descriptor = HubDescriptor(
                hubID: unique, hub: hub, partitionCount: 2, queueKind: .quorum, logMode: .replicated,
                dataDirectory: "", createdAt: SystemClock().now())
            return (descriptor, descriptor.topology)
        }

        /// A new hub with replicated logs, and one worker's copies.
        private static func storage(on transport: AMQPTransport) async throws -> ReplicatedStorage {
            let (descriptor, topology) = try hub()
            let now = SystemClock().now()
            try await transport.declare(topology.everything)
            for partition in topology.partitions {
                let generation = LogGeneration.first(of: descriptor, partition)
                _ = try await transport.publish([
                    topology.logMessage(.generation(generation), to: generation.stream, at: now)
                ])
            }
            let journal = HubJournal(
                transport: transport, topology: topology, clock: SystemClock(), makeNonce: { UUID().uuidString })
            return ReplicatedStorage(
                descriptor: descriptor, transport: transport, copies: MemoryCopies(), journal: journal,
                clock: SystemClock(), makeNonce: { UUID().uuidString }, logger: .quiet)
        }
    }
}
