import DurableBackend
import DurableConformance
import DurableCore
import DurableEngine
import DurableMemory
import DurableWire
import Testing

@Suite("A log that is appended to while its snapshot is written", .timeLimit(.minutes(5))) struct RenewalTests {
    private let partition = LogOwner.partition

    private func owner(of hub: ReplicatedHub, copies: any PartitionCopies = MemoryCopies()) async throws -> LogOwner {
        let owner = try await LogOwner(of: hub, "a", copies: copies)
        for number in 3..<9 { try await owner.start(number) }
        try owner.flush()
        return owner
    }

    /// What a new owner finds, with a copy and without one.
    private func check(_ hub: ReplicatedHub, _ expected: PartitionContents, _ copies: MemoryCopies) async throws {
        var expected = expected
        for copies in [copies, MemoryCopies()] {
            let next = try await LogOwner(of: hub, "next", copies: copies)
            expected.position.value += 1
            #expect(next.contents == expected)
            next.opened.store.close()
        }
    }

    @Test("What is appended before, while and after the snapshot is written is in the new stream")
    func appendsMeanwhile() async throws {
        let hub = try await ReplicatedHub()
        let copies = MemoryCopies()
        let first = try await owner(of: hub, copies: copies)
        let renewal = try #require(first.opened.log.renewal(epoch: first.epoch))
        #expect(first.opened.log.renewal(epoch: first.epoch) == nil)
        try await first.start(20)
        try await first.goOn(4, events: 3..<9)
        #expect(await renewal.prepare())
        try await first.start(21)
        // The tables go on as well; the snapshot has what was there before.
        try first.flush()
        try await first.start(22)
        #expect(try await renewal.finish())
        #expect(try await hub.logStreams() == [hub.topology.logStream(of: partition, madeIn: first.epoch, number: 1)])
        try await first.start(23)
        try first.flush()
        let contents = first.contents
        first.opened.store.close()
        try await check(hub, contents, copies)
    }

    @Test("The snapshot is of when it began, whatever the tables become")
    func snapshotIsFrozen() async throws {
        let hub = try await ReplicatedHub()
        let first = try await owner(of: hub)
        let before = first.contents.position
        let renewal = try #require(first.opened.log.renewal(epoch: first.epoch))
        try await first.goOn(4, events: 3..<200)
        try first.flush()
        #expect(await renewal.prepare())
        #expect(try await renewal.finish())
        #expect(try hub.generation(of: partition)?.base == before)
        try await check(hub, first.contents, MemoryCopies())
    }

    @Test("A copy that had followed the old stream beyond the cut goes on in the new one")
    func copyBeyondTheCut() async throws {
        let hub = try await ReplicatedHub()
        let copies = MemoryCopies()
        let first = try await owner(of: hub)
        let renewal = try #require(first.opened.log.renewal(epoch: first.epoch))
        for number in 20..<24 { try await first.start(number) }
        try await hub.follow(copies, through: first.contents.position)
        try await first.start(24)
        #expect(await renewal.prepare())
        #expect(try await renewal.finish())
        try await first.start(25)
        try await hub.follow(copies, through: first.contents.position)
        let copy = try copies.open(partition)
        #expect(try PartitionContents(tablesOf: copy) == first.contents)
        copy.close()
        try await check(hub, first.contents, copies)
    }

    @Test("A renewal that is given up leaves the log where it was, and the next one takes", arguments: [false, true])
    func abandoned(isPrepared: Bool) async throws {
        let hub = try await ReplicatedHub()
        let copies = MemoryCopies()
        let first = try await owner(of: hub, copies: copies)
        let renewal = try #require(first.opened.log.renewal(epoch: first.epoch))
        if isPrepared { #expect(await renewal.prepare()) }
        try await first.start(20)
        renewal.abandon()
        #expect(try await !renewal.finish())
        try await first.start(21)
        #expect(try await first.renew())
        try await first.start(22)
        try await check(hub, first.contents, copies)
        #expect(try await hub.logStreams().count == 1)
    }

    @Test("An owner that ends in the middle leaves a stream that the next one deletes")
    func orphaned() async throws {
        let hub = try await ReplicatedHub()
        let first = try await owner(of: hub)
        let renewal = try #require(first.opened.log.renewal(epoch: first.epoch))
        #expect(await renewal.prepare())
        try await first.start(20)
        first.opened.store.close()
        #expect(try await hub.logStreams().count == 2)
        try await check(hub, first.contents, MemoryCopies())
        #expect(try await hub.logStreams() == [hub.stream()])
    }

    @Test("Many appends meanwhile are written in few, none of them torn")
    func manyAppends() async throws {
        let hub = try await ReplicatedHub()
        let first = try await owner(of: hub)
        let renewal = try #require(first.opened.log.renewal(epoch: first.epoch))
        for number in 20..<620 { try await first.start(number) }
        #expect(!renewal.isCrowded)
        #expect(await renewal.prepare())
        #expect(try await renewal.finish())
        try await check(hub, first.contents, MemoryCopies())
    }

    @Test("Preparing leaves the last of what was appended to the end: under load more comes all the time")
    func rest() async throws {
        let hub = try await ReplicatedHub()
        let first = try await owner(of: hub)
        func appends(_ number: Int) throws -> Int {
            let stream = hub.topology.logStream(of: partition, madeIn: first.epoch, number: number)
            return try hub.broker.readyMessages(in: stream).count {
                if case .part = try LogMessage(wire: $0.body) { true } else { false }
            }
        }
        for (number, (bytes, isWritten)) in [(16, false), (300 << 10, true)].enumerated() {
            let renewal = try #require(first.opened.log.renewal(epoch: first.epoch))
            for instance in 0..<3 { try await first.start(20 + 3 * number + instance, payloadBytes: bytes) }
            #expect(await renewal.prepare())
            #expect(try (appends(number + 1) > 0) == isWritten)
            if isWritten { #expect(try await renewal.finish()) } else { renewal.abandon() }
            try first.flush()
        }
        try await check(hub, first.contents, MemoryCopies())
    }
}
