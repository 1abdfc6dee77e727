import DurableBackend
import DurableBackup
import DurableClient
import DurableCore
import DurableEngine
import DurableMemory
import DurableSQLite
import DurableWire
import Foundation
import Logging
import Testing

@Suite("Backups of hubs with an archive", .timeLimit(.minutes(5))) struct ArchiveBackupTests {
    private let partition = LogOwner.partition

    /// An owner with instances 3 to 8, of which 3, 4 and 5 have ended and are in the archive.
    private func owner(of hub: ReplicatedHub, copies: any PartitionCopies = MemoryCopies()) async throws -> LogOwner {
        let owner = try await LogOwner(of: hub, "a", copies: copies)
        for number in 3..<9 { try await owner.start(number) }
        for number in 3..<6 { try await owner.end(number) }
        #expect(try await owner.renew())
        #expect(try hub.archive(of: partition).map(\.instances) == [3])
        return owner
    }

    private func copier(
        of hub: ReplicatedHub, _ copies: any PartitionCopies, transport: (any MessageTransport)? = nil
    ) -> LogCopier {
        LogCopier(
            .init(
                descriptor: hub.descriptor, partition: partition,
                transport: transport ?? hub.broker.connect(as: "tool"),
                journal: hub.journal("tool"), copies: copies, clock: hub.clock,
                makeNonce: { UUID().uuidString }))
    }

    private func expectWhole(_ copies: MemoryCopies, _ owner: LogOwner, line: Int = #line) throws {
        let copy = try copies.open(partition)
        defer { copy.close() }
        #expect(try copy.missingArchive() == nil, "line \(line)")
        #expect(try PartitionContents(tablesOf: copy) == owner.contents, "line \(line)")
    }

    @Test("A tool's copy has what is in the archive, also when the log has gone on in another stream since")
    func copiesArchive() async throws {
        let hub = try await ReplicatedHub()
        let owner = try await owner(of: hub)
        let copies = MemoryCopies()
        let copier = copier(of: hub, copies)
        #expect(try await copier.advance().position == owner.contents.position)
        try expectWhole(copies, owner)
        try await owner.end(6)
        #expect(try await copier.advance(until: { _ in true }).position < owner.contents.position)
        #expect(try await copier.advance().position == owner.contents.position)
        try expectWhole(copies, owner)
        #expect(try await owner.renew())
        #expect(try await copier.advance().position == owner.contents.position)
        try expectWhole(copies, owner)
    }

    @Test("A stream of the archive that is taken up by another while a tool reads is found there")
    func mergedMeanwhile() async throws {
        let hub = try await ReplicatedHub()
        let owner = try await owner(of: hub)
        try await owner.end(6)
        let copies = MemoryCopies()
        // Between the snapshot and the archive.
        let transport = HookedTransport(hub.broker.connect(as: "tool"), before: 2) {
            _ = try? await owner.renew()
        }
        #expect(try await copier(of: hub, copies, transport: transport).advance().position == owner.contents.position)
        #expect(try hub.archive(of: partition).map(\.instances) == [4])
        try expectWhole(copies, owner)
    }

    @Test("No backup is made while some of the archive cannot be read")
    func missingStream() async throws {
        let hub = try await ReplicatedHub()
        _ = try await owner(of: hub)
        try await hub.broker.connect(as: "admin").delete(queues: try await hub.archiveStreams(), exchanges: [])
        let directory = try Scratch()
        await #expect {
            _ = try await backup(hub, to: directory.path + "/b")
        } throws: { error in
            (error as? ClientError)?.code == .storeDamaged
                && "\(error)".contains("cannot read partition 0") && "\(error)".contains(".archive.0.")
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: directory.path) == [])
    }

    @Test(
        "A restored hub has what was archived, and archives it again; what was purged stays away",
        arguments: [HubDescriptor.LogMode.replicated, .local], [false, true])
    func roundTrip(_ mode: HubDescriptor.LogMode, isPurged: Bool) async throws {
        let hub = try await ReplicatedHub()
        let owner = try await owner(of: hub)
        try await owner.end(6)
        if isPurged {
            // One whose stream was written before, one that is in none, and one that others use the ID of.
            try await owner.end(7)
            try await owner.purge([3, 4, 7])
            try await owner.startAgain(4)
        }
        let count = isPurged ? 4 : 6
        let directory = try Scratch()
        let summary = try await backup(hub, to: directory.path + "/b")
        #expect(summary.partitions.map(\.instances) == [count, 0])

        let target = MemoryBroker(clock: hub.clock)
        let files = MemoryStorage()
        let administration = HubAdministration(
            transport: target.connect(as: "admin"), hub: try #require(HubName("copy")), clock: hub.clock, storage: files
        )
        let restored = try await ticking(hub) {
            try await HubRestore(administration).restore(
                directory.path + "/b", .init(logMode: mode, defaultDataDirectory: "/data"), hubID: "hub-2")
        }
        #expect(restored.instances == count)
        let storage: any PartitionStorage
        let transport = target.connect(as: "owner")
        let journal = HubJournal(
            transport: transport, topology: restored.descriptor.topology, clock: hub.clock,
            makeNonce: { UUID().uuidString })
        switch mode {
        case .local: storage = files
        case .replicated:
            storage = ReplicatedStorage(
                descriptor: restored.descriptor, transport: transport, copies: MemoryCopies(), journal: journal,
                clock: hub.clock, makeNonce: { UUID().uuidString }, logger: Logger(label: "owner"))
        }
        let epoch =
            mode == .local
            ? Epoch(generation: 1, offset: 1)
            : try await JournalEpochAuthority(journal).claim(partition, by: WorkerID("owner"))
        let opened = try storage.open(partition)
        defer { opened.store.close() }
        _ = try await opened.log.begin(.init(epoch: epoch, worker: WorkerID("owner"), time: hub.clock.now()))
        let found = try await PartitionContents(of: opened)
        #expect(found.instances == owner.contents.instances)
        if mode == .local { return }
        // All of it came in the snapshot.
        #expect(opened.archive?.isComplete == true)
        var flush = StoreFlush(previous: try opened.store.recover().position, position: found.position, epoch: epoch)
        flush.setState(found.state)
        try opened.store.flush(flush)
        #expect(try await opened.log.renew(epoch: epoch))
        let known = try JournalFold(of: target.readyMessages(in: restored.descriptor.topology.name(.journal)))
        #expect(known[partition].announcement?.archive.map(\.instances) == [isPurged ? 2 : 4])
    }

    private func backup(_ hub: ReplicatedHub, to path: String) async throws -> HubBackup.Summary {
        let client = HubClient(
            descriptor: hub.descriptor, transport: hub.broker.connect(as: "client"), clock: hub.clock)
        let backup = HubBackup(
            .init(
                client: client, storage: MemoryStorage(),
                makeCopies: { descriptor, directory throws(StoreError) in
                    try SQLiteCopies(descriptor: descriptor, directory: directory)
                }, makeID: { UUID().uuidString }))
        return try await ticking(hub) { try await backup.take(to: path) }
    }

    /// Lets time pass while `body` runs.
    private func ticking<Value: Sendable>(
        _ hub: ReplicatedHub, _ body: () async throws -> Value
    ) async throws -> Value {
        let ticking = Task { [clock = hub.clock] in
            while !Task.isCancelled {
                clock.advance(by: .milliseconds(10))
                try? await Task.sleep(for: .milliseconds(1))
            }
        }
        defer { ticking.cancel() }
        return try await body()
    }
}

/// A directory, removed with it.
private final class Scratch: Sendable {
    let path = FileManager.default.temporaryDirectory.path + "/dtq-archive-\(UUID().uuidString)"
    init() throws { try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true) }
    deinit { try? FileManager.default.removeItem(atPath: path) }
}

/// Does something before a certain channel is opened, the first being number 1.
private final class HookedTransport: MessageTransport {
    private let base: any MessageTransport
    private let number: Int
    private let hook: @Sendable () async -> Void
    private let count = PlatformLock(0)

    init(_ base: any MessageTransport, before number: Int, _ hook: @escaping @Sendable () async -> Void) {
        self.base = base
        self.number = number
        self.hook = hook
    }

    func openChannel() async throws(TransportError) -> any ConsumerChannel {
        let count = count.withLock { count in
            count += 1
            return count
        }
        if count == number { await hook() }
        return try await base.openChannel()
    }

    func publish(_ messages: [OutgoingMessage]) async throws(TransportError) -> [PublishOutcome] {
        try await base.publish(messages)
    }

    func inspect(queue: String) async throws(TransportError) -> QueueInspection? {
        try await base.inspect(queue: queue)
    }

    func declare(_ topology: TopologyFragment) async throws(TransportError) { try await base.declare(topology) }

    func exchangeExists(_ name: String) async throws(TransportError) -> Bool {
        try await base.exchangeExists(name)
    }

    func delete(queues: [String], exchanges: [String]) async throws(TransportError) {
        try await base.delete(queues: queues, exchanges: exchanges)
    }

    func get(queue: String, count: Int, peek: Bool) async throws(TransportError) -> [Delivery] {
        try await base.get(queue: queue, count: count, peek: peek)
    }

    var brokerDescription: String? { get async { await base.brokerDescription } }

    func close() async { await base.close() }
}
