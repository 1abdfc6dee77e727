import DurableBackend
import DurableConformance
import DurableCore
import DurableEngine
import DurableMemory
import DurableSQLite
import DurableWire
import Foundation
import Testing

/// What was purged is in streams that were written before, and must not come back from them.
@Suite("Purged instances and the archive", .timeLimit(.minutes(5))) struct PurgedArchiveTests {
    private let partition = LogOwner.partition

    private func id(_ number: Int) -> InstanceID { InstanceID("instance-\(number)") }

    /// An owner with instances 3 to 18, of which the first `ended` have ended and are in the archive.
    private func owner(
        of hub: ReplicatedHub, ended: Int = 8, copies: any PartitionCopies = MemoryCopies(),
        archiveBytes: UInt64 = 16 << 20
    ) async throws -> LogOwner {
        let owner = try await LogOwner(of: hub, "a", copies: copies, archiveBytes: archiveBytes)
        for number in 3..<19 { try await owner.start(number) }
        for number in 3..<3 + ended { try await owner.end(number) }
        #expect(try await owner.renew())
        return owner
    }

    /// What a worker without a copy finds.
    private func found(in hub: ReplicatedHub, _ name: String) async throws -> [InstanceID] {
        let owner = try await LogOwner(of: hub, name)
        try await owner.fetchArchive()
        let ids = owner.contents.instances.keys.sorted()
        owner.opened.store.close()
        return ids
    }

    @Test("What was purged after its stream was written stays away, from the log and from the next snapshot on")
    func staysAway() async throws {
        let hub = try await ReplicatedHub()
        let copies = MemoryCopies()
        let first = try await owner(of: hub, copies: copies, archiveBytes: 1)
        try await first.purge([4])
        try first.flush()
        let expected = first.contents.instances.keys.sorted()
        #expect(!expected.contains(id(4)) && expected.count == 15)
        first.opened.store.close()
        #expect(try await found(in: hub, "b") == expected)
        let again = try await LogOwner(of: hub, "c", copies: copies, archiveBytes: 1)
        #expect(try await again.renew())
        #expect(try hub.archive(of: partition).map(\.instances) == [8])
        again.opened.store.close()
        #expect(try await found(in: hub, "d") == expected)
    }

    @Test("A copy that reads the archive while it is purged ends without it", arguments: 0..<5)
    func meanwhile(chunks: Int) async throws {
        let hub = try await ReplicatedHub()
        let (whole, partial) = (MemoryCopies(), MemoryCopies())
        let first = try await LogOwner(of: hub, "a", copies: whole)
        for number in 3..<7 {
            try await first.start(number)
            for piece in 0..<4 {
                try await first.append(
                    .checkpoint(
                        Checkpoint(
                            time: SampleRecords.time(500),
                            changes: [
                                InstanceChange(
                                    instanceID: id(number), time: SampleRecords.time(500),
                                    history: SampleRecords.history(
                                        of: id(number), 3 + piece * 20..<23 + piece * 20, payloadBytes: 4000))
                            ])))
            }
            try await first.end(number)
        }
        #expect(try await first.renew())
        #expect(try hub.archive(of: partition)[0].chunks > 3)
        first.opened.store.close()
        let second = try await LogOwner(of: hub, "b", copies: partial)
        for _ in 0..<chunks { try await second.opened.archive?.fetch() }
        second.opened.store.close()
        let third = try await LogOwner(of: hub, "c", copies: whole)
        try await third.purge([3, 4, 5, 6])
        third.opened.store.close()
        let fourth = try await LogOwner(of: hub, "d", copies: partial)
        try await fourth.fetchArchive()
        let isEmpty = fourth.contents.instances.isEmpty
        #expect(isEmpty)
    }

    @Test("An ID that is used again is the later instance, wherever the one that was purged still is")
    func usedAgain() async throws {
        let hub = try await ReplicatedHub()
        let first = try await owner(of: hub, archiveBytes: 1)
        try await first.purge([4])
        try await first.start(4)
        try await first.goOn(4, events: 3..<9)
        try await first.end(4)
        #expect(try await first.renew())
        #expect(try hub.archive(of: partition).map(\.instances) == [8, 1])
        let expected = first.contents.instances
        #expect(expected[id(4)]?.history.count == 10)
        first.opened.store.close()
        let second = try await LogOwner(of: hub, "b", archiveBytes: 1)
        try await second.fetchArchive()
        #expect(second.contents.instances == expected)
        // And purged again it is gone with both.
        try await second.purge([4])
        #expect(try await second.renew())
        second.opened.store.close()
        let ids = try await found(in: hub, "c")
        #expect(ids == expected.keys.filter { $0 != id(4) }.sorted())
    }

    @Test("A stream of which much was purged is written again without that, and nothing is remembered for it")
    func rewritten() async throws {
        let hub = try await ReplicatedHub()
        let copies = MemoryCopies()
        let first = try await owner(of: hub, ended: 8, copies: copies, archiveBytes: 1)
        try await first.end(15)
        #expect(try await first.renew())
        #expect(try hub.archive(of: partition).map(\.instances) == [8, 1])
        try await first.purge([4])
        #expect(try await first.renew())
        #expect(try hub.archive(of: partition).map(\.instances) == [8, 1])
        let copy = try copies.open(partition)
        #expect(try copy.purged(after: nil, limit: 10).map(\.id) == [id(4)])
        try await first.purge([6])
        #expect(try await first.renew())
        let archive = try hub.archive(of: partition)
        #expect(archive.map(\.instances) == [6, 1])
        #expect(Set(try await hub.archiveStreams()) == Set(archive.map(\.stream)))
        #expect(try copy.purged(after: nil, limit: 10) == [])
        copy.close()
        let expected = first.contents.instances
        first.opened.store.close()
        let second = try await LogOwner(of: hub, "b", archiveBytes: 1)
        try await second.fetchArchive()
        #expect(second.contents.instances == expected)
        // All of a stream: it goes.
        try await second.purge([3, 5, 7, 8, 9, 10])
        #expect(try await second.renew())
        #expect(try hub.archive(of: partition).map(\.instances) == [1])
        #expect(try await hub.archiveStreams().count == 1)
    }

    @Test("Instances purged before they came into the archive are not remembered")
    func notRemembered() async throws {
        let hub = try await ReplicatedHub()
        let copies = MemoryCopies()
        let first = try await owner(of: hub, copies: copies, archiveBytes: 1)
        for number in 11..<15 {
            try await first.end(number)
            try await first.purge([number])
        }
        #expect(try await first.renew())
        let copy = try copies.open(partition)
        defer { copy.close() }
        #expect(try copy.purged(after: nil, limit: 10) == [])
        #expect(try await found(in: hub, "b") == first.contents.instances.keys.sorted())
    }

    @Test("A stream whose instances have all expired is dropped with the next snapshot, and deleted")
    func expired() async throws {
        let hub = try await ReplicatedHub()
        let copies = MemoryCopies()
        let first = try await owner(of: hub, ended: 4, copies: copies, archiveBytes: 1)
        for number in 7..<10 { try await first.end(number) }
        #expect(try await first.renew())
        let before = try hub.archive(of: partition)
        #expect(before.map(\.instances) == [4, 3])
        // Instance n ended at 1000 + n.
        let archive = try #require(first.opened.archive)
        try await first.purge([3, 4, 5], expiredBefore: 1006)
        #expect(!archive.hasExpired(before: first.contents.state.expiredBefore))
        try await first.purge([6, 7], expiredBefore: 1008)
        #expect(archive.hasExpired(before: first.contents.state.expiredBefore))
        let copy = try copies.open(partition)
        defer { copy.close() }
        try first.flush()
        #expect(try copy.purged(after: nil, limit: 10) == [])
        let expected = first.contents.instances.keys.sorted()
        #expect(try await first.renew())
        #expect(try hub.archive(of: partition).map(\.stream) == [before[1].stream])
        #expect(try await hub.archiveStreams() == [before[1].stream])
        #expect(!archive.hasExpired(before: first.contents.state.expiredBefore))
        first.opened.store.close()
        // Instance 7 is in the stream that stays.
        #expect(try await found(in: hub, "b") == expected)
    }

    @Test("What ended by a clock that was set back is not taken for expired")
    func setBack() async throws {
        let hub = try await ReplicatedHub()
        let first = try await owner(of: hub, ended: 1, archiveBytes: 1)
        try await first.purge([3], expiredBefore: 5000)
        // Its end is at 1004.
        try await first.end(4)
        #expect(try await first.renew())
        let expected = first.contents.instances.keys.sorted()
        #expect(expected.contains(id(4)))
        first.opened.store.close()
        #expect(try await found(in: hub, "b") == expected)
        let second = try await LogOwner(of: hub, "c", archiveBytes: 1)
        try await second.fetchArchive()
        try await second.purge([4], expiredBefore: 6000)
        #expect(try await second.renew())
        second.opened.store.close()
        #expect(try await found(in: hub, "d") == expected.filter { $0 != id(4) })
    }

    @Test("Copies on disk remember as those in memory do")
    func onDisk() async throws {
        let directory = FileManager.default.temporaryDirectory.path + "/dtq-purged-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let hub = try await ReplicatedHub()
        let copies = try SQLiteCopies(descriptor: hub.descriptor, directory: directory)
        let first = try await owner(of: hub, copies: copies, archiveBytes: 1)
        try await first.purge([4])
        #expect(try await first.renew())
        try await first.purge([5])
        let expected = first.contents.instances.keys.sorted()
        try first.flush()
        first.opened.store.close()
        let more = directory + "-2"
        defer { try? FileManager.default.removeItem(atPath: more) }
        let second = try await LogOwner(
            of: hub, "b", copies: try SQLiteCopies(descriptor: hub.descriptor, directory: more), archiveBytes: 1)
        try await second.fetchArchive()
        #expect(second.contents.instances.keys.sorted() == expected)
        try await second.purge([6])
        #expect(try await second.renew())
        #expect(try hub.archive(of: partition).map(\.instances) == [5])
        second.opened.store.close()
        #expect(try await found(in: hub, "c") == expected.filter { $0 != id(6) })
    }
}
