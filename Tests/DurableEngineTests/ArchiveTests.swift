import DurableBackend
import DurableClient
import DurableConformance
import DurableCore
import DurableEngine
import DurableMemory
import DurableWire
import Testing

@Suite("The archive of what has ended", .timeLimit(.minutes(5))) struct ArchiveTests {
    private let partition = LogOwner.partition

    /// An owner with instances 3 to 8, of which the first `ended` have ended.
    private func owner(
        of hub: ReplicatedHub, ended: Int = 3, copies: any PartitionCopies = MemoryCopies(),
        archiveBytes: UInt64 = 16 << 20
    ) async throws -> LogOwner {
        let owner = try await LogOwner(of: hub, "a", copies: copies, archiveBytes: archiveBytes)
        for number in 3..<9 { try await owner.start(number) }
        for number in 3..<3 + ended { try await owner.end(number) }
        return owner
    }

    private func id(_ number: Int) -> InstanceID { InstanceID("instance-\(number)") }

    @Test("What has ended is in the archive and not in the snapshot; a new copy serves without it, and fetches it")
    func ends() async throws {
        let hub = try await ReplicatedHub()
        let first = try await owner(of: hub)
        #expect(try await first.renew())
        let archive = try hub.archive(of: partition)
        #expect(archive.map(\.instances) == [3])
        #expect(archive.first?.newestEnd == SampleRecords.time(1005))
        first.opened.store.close()

        let second = try await LogOwner(of: hub, "b")
        #expect(second.contents.instances.keys.sorted() == (6..<9).map(id))
        let missing = try #require(second.opened.archive)
        #expect(!missing.isComplete)
        for number in 3..<6 { #expect(try missing.mayHave(id(number))) }
        for number in 6..<9 { #expect(try !missing.mayHave(id(number))) }
        // The log goes on meanwhile, and cannot be compacted.
        try await second.start(20)
        #expect(try await !second.renew())
        try await second.fetchArchive()
        #expect(try !missing.mayHave(id(3)))
        var expected = first.contents
        try expected.take(.checkpoint(SampleRecords.checkpoint(20)))
        #expect(second.contents.instances == expected.instances)
        #expect(try await second.renew())
    }

    @Test("It is written once: later snapshots leave it where it is")
    func once() async throws {
        let hub = try await ReplicatedHub()
        let first = try await owner(of: hub, archiveBytes: 1)
        #expect(try await first.renew())
        #expect(try await first.renew())
        #expect(try hub.archive(of: partition).map(\.instances) == [3])
        try await first.end(6)
        #expect(try await first.renew())
        try await first.end(7)
        #expect(try await first.renew())
        let archive = try hub.archive(of: partition)
        #expect(archive.map(\.instances) == [3, 1, 1])
        #expect(zip(archive, archive.dropFirst()).allSatisfy { $0.through == $1.after })
        #expect(try await hub.archiveStreams() == archive.map(\.stream))
        let second = try await LogOwner(of: hub, "b")
        try await second.fetchArchive()
        #expect(second.contents.instances == first.contents.instances)
    }

    @Test("Small streams are taken up by the next one, and deleted")
    func merges() async throws {
        let hub = try await ReplicatedHub()
        let first = try await owner(of: hub)
        #expect(try await first.renew())
        try await first.end(6)
        #expect(try await first.renew())
        #expect(try hub.archive(of: partition).map(\.instances) == [4])
        #expect(try await hub.archiveStreams().count == 1)
        let second = try await LogOwner(of: hub, "b")
        try await second.fetchArchive()
        #expect(second.contents.instances == first.contents.instances)
        // Its copy is whole: it goes on with the archive as the first owner did.
        try await second.end(7)
        #expect(try await second.renew())
        #expect(try hub.archive(of: partition).map(\.instances) == [5])
    }

    @Test("Long histories come back whole, whenever reading them is cut short", arguments: 0..<6)
    func longHistories(chunks: Int) async throws {
        let hub = try await ReplicatedHub()
        let first = try await owner(of: hub)
        for number in 6..<8 {
            try await first.goOn(number, events: 3..<900)
            try await first.append(
                .checkpoint(
                    Checkpoint(
                        time: SampleRecords.time(5000),
                        changes: [
                            InstanceChange(
                                instanceID: id(number), time: SampleRecords.time(5000),
                                history: SampleRecords.history(of: id(number), 900..<1100, payloadBytes: 8000))
                        ])))
            try await first.end(number)
        }
        #expect(try await first.renew())
        #expect(try hub.archive(of: partition)[0].chunks > 6)
        first.opened.store.close()
        let copies = MemoryCopies()
        let second = try await LogOwner(of: hub, "b", copies: copies)
        for _ in 0..<chunks { try await second.opened.archive?.fetch() }
        second.opened.store.close()
        let third = try await LogOwner(of: hub, "c", copies: copies)
        #expect(third.opened.archive?.isComplete == false)
        try await third.fetchArchive()
        let isWhole = third.contents.instances == first.contents.instances
        #expect(isWhole)
    }

    @Test("A copy that lacked streams which others have taken up finds it all the same", arguments: 0..<6)
    func mergedMeanwhile(chunks: Int) async throws {
        let hub = try await ReplicatedHub()
        let whole = MemoryCopies()
        let first = try await owner(of: hub, copies: whole)
        try await first.goOn(5, events: 3..<4)
        for number in 6..<8 {
            try await first.append(
                .checkpoint(
                    Checkpoint(
                        time: SampleRecords.time(5000),
                        changes: [
                            InstanceChange(
                                instanceID: id(number), time: SampleRecords.time(5000),
                                history: SampleRecords.history(of: id(number), 3..<303, payloadBytes: 8000))
                        ])))
            try await first.end(number)
        }
        #expect(try await first.renew())
        first.opened.store.close()
        let copies = MemoryCopies()
        let second = try await LogOwner(of: hub, "b", copies: copies)
        for _ in 0..<chunks { try await second.opened.archive?.fetch() }
        second.opened.store.close()
        let third = try await LogOwner(of: hub, "c", copies: whole)
        try await third.end(8)
        #expect(try await third.renew())
        third.opened.store.close()
        let fourth = try await LogOwner(of: hub, "d", copies: copies)
        try await fourth.fetchArchive()
        let isWhole = fourth.contents.instances == third.contents.instances
        #expect(isWhole)
    }

    @Test("A standby's copy gets the archive too")
    func standby() async throws {
        let hub = try await ReplicatedHub()
        let first = try await owner(of: hub)
        #expect(try await first.renew())
        try await first.start(20)
        let copies = MemoryCopies()
        try await hub.follow(copies, through: first.contents.position)
        let copy = try copies.open(partition)
        #expect(try copy.missingArchive() == nil)
        #expect(try PartitionContents(tablesOf: copy) == first.contents)
        copy.close()
        // It had ended in the standby's eyes at another position: at worst it is in the archive twice.
        let second = try await LogOwner(of: hub, "standby", copies: copies)
        try await second.end(6)
        #expect(try await second.renew())
        let third = try await LogOwner(of: hub, "c")
        try await third.fetchArchive()
        #expect(third.contents.instances == second.contents.instances)
    }

    @Test("An owner that stood still when its announcement counted deletes nothing that others have built on")
    func lateOwner() async throws {
        let hub = try await ReplicatedHub()
        let first = try await LogOwner(of: hub, "a", archiveBytes: 1)
        for number in 3..<6 { try await first.start(number) }
        try await first.end(3)
        // What it reads next it attaches to anew.
        hub.broker.cut("a", .consuming)
        let due = hub.clock.now() + .seconds(1)
        let name = hub.topology.name(.journal)
        hub.broker.setFaults(
            FaultPlan { point in
                point.transport == "a" && point.call == .consume(queue: name) ? .delay(.seconds(1)) : .none
            })
        let renewing = Task { try await first.renew() }
        await hub.clock.waitForSleeper(until: due)
        while try hub.fold()[partition].announcement?.generation.epoch != first.epoch { await Task.yield() }
        hub.broker.setFaults(.none)

        let second = try await LogOwner(of: hub, "b", archiveBytes: 1)
        try await second.fetchArchive()
        try await second.end(4)
        #expect(try await second.renew())
        #expect(try hub.archive(of: partition).count == 2)
        hub.clock.advance(by: .seconds(1))
        await #expect(throws: LogError.fenced(newest: second.epoch)) { try await renewing.value }

        let third = try await LogOwner(of: hub, "c")
        try await third.fetchArchive()
        #expect(third.contents.instances == second.contents.instances)
    }

    @Test("What was written beside a stream nobody announced is deleted with it")
    func orphans() async throws {
        let hub = try await ReplicatedHub()
        let first = try await owner(of: hub)
        let renewal = try await first.renewal()
        #expect(await renewal.prepare())
        #expect(try await hub.archiveStreams().count == 1)
        first.opened.store.close()
        let second = try await LogOwner(of: hub, "b")
        #expect(try await hub.archiveStreams() == [])
        #expect(second.contents.instances == first.contents.instances)
        #expect(try await second.renew())
        #expect(try await hub.archiveStreams().count == 1)
    }

    @Test("Verifying the hub knows its archive, and deleting the hub deletes it")
    func administration() async throws {
        let hub = try await ReplicatedHub()
        let admin = hub.broker.connect(as: "admin")
        let administration = HubAdministration(
            transport: admin, hub: hub.descriptor.hub, clock: hub.clock, storage: MemoryStorage())
        _ = try await admin.publish([hub.topology.descriptorRecord(hub.descriptor, at: hub.clock.now())])
        let first = try await owner(of: hub)
        #expect(try await first.renew())
        #expect(try await administration.verify() == [])
        let streams = try await hub.archiveStreams()
        try await admin.delete(queues: streams, exchanges: [])
        #expect(try await administration.verify().map(\.text) == streams.map { "stream '\($0)' (stream) is missing" })
        try await first.end(6)
        #expect(try await first.renew())
        try await first.end(7)
        let unfinished = try await first.renewal()
        #expect(await unfinished.prepare())
        let all = try hub.generationNames()
        // It listens for workers for a while.
        let ticking = Task { [clock = hub.clock] in
            while !Task.isCancelled {
                clock.advance(by: .milliseconds(100))
                try? await Task.sleep(for: .milliseconds(1))
            }
        }
        defer { ticking.cancel() }
        _ = try await administration.delete(isForced: true)
        for name in all {
            #expect(try await admin.inspect(queue: name) == nil, "\(name)")
        }
    }

    @Test("An archive stream that is gone is said to be, and keeps nothing else from being served")
    func missingStream() async throws {
        let hub = try await ReplicatedHub()
        let first = try await owner(of: hub)
        #expect(try await first.renew())
        let admin = hub.broker.connect(as: "admin")
        try await admin.delete(queues: try await hub.archiveStreams(), exchanges: [])
        let second = try await LogOwner(of: hub, "b")
        await #expect {
            try await second.opened.archive?.fetch()
        } throws: { error in
            if case .damaged = error as? LogError { true } else { false }
        }
        #expect(try second.opened.archive?.mayHave(id(3)) == true)
        try await second.start(20)
    }
}

extension LogOwner {
    func renewal() async throws -> any LogRenewal {
        try flush()
        return try #require(opened.log.renewal(epoch: epoch))
    }
}

extension ReplicatedHub {
    /// What the journal says.
    func archive(of partition: PartitionID) throws -> [ArchiveSegment] {
        try fold()[partition].announcement?.archive ?? []
    }

    /// Every stream that owners of partition 0 may have made.
    func generationNames() throws -> [String] {
        try broker.readyMessages(in: topology.name(.journal)).flatMap { delivery -> [String] in
            guard case .generationStarted(let generation, _) = try JournalRecord(wire: delivery.body) else { return [] }
            return [generation.stream] + topology.archiveStreams(besides: generation.stream)
        }
    }

    /// Archive streams of partition 0 that are there, of those that may ever have been.
    func archiveStreams() async throws -> [String] {
        var found: [String] = []
        let transport = broker.connect(as: "inspector")
        for delivery in broker.readyMessages(in: topology.name(.journal)) {
            guard case .generationStarted(let generation, _) = try JournalRecord(wire: delivery.body) else { continue }
            for name in topology.archiveStreams(besides: generation.stream) {
                if try await transport.inspect(queue: name) != nil { found.append(name) }
            }
        }
        return found
    }
}
