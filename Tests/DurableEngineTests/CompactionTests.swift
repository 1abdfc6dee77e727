import DurableBackend
import DurableClient
import DurableConformance
import DurableCore
import DurableEngine
import DurableMemory
import DurableWire
import Testing

@Suite("A log that goes on in another stream", .timeLimit(.minutes(5))) struct CompactionTests {
    private let partition = LogOwner.partition

    /// An owner with a few instances, one with a history of several chunks.
    private func owner(
        of hub: ReplicatedHub, _ name: String = "a", copies: any PartitionCopies = MemoryCopies()
    ) async throws -> LogOwner {
        let owner = try await LogOwner(of: hub, name, copies: copies)
        for number in 3..<9 { try await owner.start(number) }
        try await owner.goOn(4, events: 3..<300)
        try await owner.append(.outboxConfirmed([OutboxID(5), OutboxID(6)]))
        return owner
    }

    @Test("It holds what it held, for its owner and for whoever comes next, with and without a copy")
    func renews() async throws {
        let hub = try await ReplicatedHub()
        let copies = MemoryCopies()
        let first = try await owner(of: hub, copies: copies)
        let before = try #require(first.opened.log.size?.total)
        #expect(try await first.renew())
        #expect(try #require(first.opened.log.size).snapshot > 0)
        #expect(try #require(first.opened.log.size).total < before * 2)
        #expect(try await hub.logStreams() == [hub.topology.logStream(of: partition, madeIn: first.epoch, number: 1)])
        try await first.start(20)
        try first.flush()
        first.opened.store.close()

        let second = try await LogOwner(of: hub, "b", copies: copies)
        var expected = first.contents
        expected.position.value += 1
        #expect(second.contents == expected)
        second.opened.store.close()
        let third = try await LogOwner(of: hub, "c")
        expected.position.value += 1
        #expect(third.contents == expected)
    }

    @Test("It can be renewed again and again, also with nothing appended in between")
    func renewsOften() async throws {
        let hub = try await ReplicatedHub()
        let first = try await owner(of: hub)
        for round in 0..<4 {
            #expect(try await first.renew())
            #expect(try await first.renew())
            try await first.start(20 + round)
        }
        #expect(try await hub.logStreams().count == 1)
        let second = try await LogOwner(of: hub, "b")
        var expected = first.contents
        expected.position.value += 1
        #expect(second.contents == expected)
        #expect(try await second.renew())
    }

    @Test("A copy at the cut goes on behind the snapshot; one before it is filled from the snapshot")
    func copies() async throws {
        let hub = try await ReplicatedHub()
        let (old, atCut) = (MemoryCopies(), MemoryCopies())
        let first = try await owner(of: hub, copies: old)
        try first.flush()
        first.opened.store.close()
        let second = try await LogOwner(of: hub, "b", copies: atCut)
        try await second.start(20)
        #expect(try await second.renew())
        second.opened.store.close()

        let read = PlatformLock(0)
        hub.broker.setFaults(
            FaultPlan { point in
                if case .acknowledge = point.call, point.transport == "c" { read.withLock { $0 += 1 } }
                return .none
            })
        let third = try await LogOwner(of: hub, "c", copies: atCut)
        var expected = second.contents
        expected.position.value += 1
        #expect(third.contents == expected)
        third.opened.store.close()
        let fourth = try await LogOwner(of: hub, "d", copies: old)
        expected.position.value += 1
        #expect(fourth.contents == expected)
        #expect(try old.open(partition).bookmark()?.generation.epoch == second.epoch)
    }

    @Test("A copy whose filling from the snapshot was cut short is filled anew")
    func interruptedRestore() async throws {
        let hub = try await ReplicatedHub()
        let first = try await owner(of: hub)
        #expect(try await first.renew())
        let copies = MemoryCopies()
        var flush = StoreFlush(previous: LogPosition(0), position: LogPosition(0), epoch: .zero)
        flush.instances = [.init(state: SampleRecords.instance("half"), newHistory: [], firstIndex: 0)]
        let half = try copies.open(partition)
        try half.flush(flush)
        half.close()
        let second = try await LogOwner(of: hub, "b", copies: copies)
        #expect(second.contents.instances == first.contents.instances)
    }

    @Test("An announcement behind a newer claim counts for nobody, and its owner is fenced")
    func lateAnnouncement() async throws {
        let hub = try await ReplicatedHub()
        let first = try await owner(of: hub)
        let authority = JournalEpochAuthority(hub.journal("b"))
        let claim = try await authority.claim(partition, by: WorkerID("b"))
        await #expect(throws: LogError.fenced(newest: claim)) { try await first.renew() }
        await #expect(throws: LogError.self) { try await first.start(20) }
        #expect(try await hub.logStreams() == [hub.stream()])
        let third = try await LogOwner(of: hub, "c")
        #expect(third.contents.instances == first.contents.instances)
    }

    @Test("A superseded owner that has not noticed, and finds its stream gone, is fenced")
    func zombie() async throws {
        let hub = try await ReplicatedHub()
        let first = try await owner(of: hub)
        let second = try await LogOwner(of: hub, "b")
        #expect(try await second.renew())
        await #expect(throws: LogError.fenced(newest: second.epoch)) { try await first.start(20) }
        #expect(try await !first.renew())
        try await second.start(21)
    }

    @Test("A stream the journal names and that is gone is damage, never an empty log")
    func missingStream() async throws {
        let hub = try await ReplicatedHub()
        let first = try await owner(of: hub)
        #expect(try await first.renew())
        let admin = hub.broker.connect(as: "admin")
        try await admin.delete(queues: try await hub.logStreams(), exchanges: [])
        try await hub.create()
        await #expect {
            _ = try await LogOwner(of: hub, "b")
        } throws: { error in
            if case .damaged = error as? LogError { true } else { false }
        }
    }

    @Test("What cannot be made leaves the log where it is")
    func refused() async throws {
        let hub = try await ReplicatedHub()
        let first = try await owner(of: hub)
        hub.broker.setFaults(
            FaultPlan { point in
                point.call == .declare && point.transport == "a" ? .cutBefore : .none
            })
        #expect(try await !first.renew())
        hub.broker.setFaults(.none)
        try await first.start(20)
        #expect(try await first.renew())
        #expect(try await hub.logStreams().count == 1)
    }

    @Test("Chunks of a snapshot come back as written")
    func chunk() throws {
        let id = InstanceID("instance-3")
        var state = SampleRecords.instance("instance-3", timer: 5, historyCount: 3)
        state.hold = Hold(code: "DTQ2001", text: "why")
        var kept = PartitionState(
            epoch: SampleRecords.epoch(5), nextOutboxID: OutboxID(8), sequences: [PartitionID(1): 4])
        kept.deduplication.markApplied(Origin(partition: PartitionID(1), incarnation: 9, sequence: 3))
        kept.deduplication.markApplied(Origin(partition: PartitionID(0), incarnation: .max, sequence: 7))
        for chunk in [
            SnapshotChunk(),
            SnapshotChunk(
                instances: [
                    .init(state: state, newHistory: SampleRecords.history(of: id, 0..<3), firstIndex: 0),
                    .init(state: SampleRecords.instance("other"), newHistory: [], firstIndex: 0),
                ], outbox: [SampleRecords.outboxTask(3), SampleRecords.outboxMessage(4)], state: kept),
        ] {
            #expect(try SnapshotChunk(wire: chunk.wireBytes) == chunk)
        }
    }

    @Test("Creating the hub once more leaves its streams alone, and verifying knows them")
    func administration() async throws {
        let hub = try await ReplicatedHub()
        let admin = hub.broker.connect(as: "admin")
        let administration = HubAdministration(
            transport: admin, hub: hub.descriptor.hub, clock: hub.clock, storage: MemoryStorage())
        let request = HubAdministration.Request(partitionCount: 2, defaultDataDirectory: "")
        _ = try await admin.publish([hub.topology.descriptorRecord(hub.descriptor, at: hub.clock.now())])
        let first = try await owner(of: hub)
        #expect(try await first.renew())
        let streams = try await hub.logStreams()
        _ = try await administration.create(request)
        #expect(try await hub.logStreams() == streams)
        #expect(try await administration.verify() == [])
        try await admin.delete(queues: streams, exchanges: [])
        _ = try await administration.create(request)
        let texts = try await administration.verify().map(\.text)
        #expect(texts == streams.map { "stream '\($0)' (stream) is missing" })
    }

    // MARK: Standby

    @Test("Who takes over reads on where it followed, unless the log has gone on elsewhere", arguments: [false, true])
    func takesOver(isRenewed: Bool) async throws {
        let hub = try await ReplicatedHub()
        let copies = MemoryCopies()
        let first = try await owner(of: hub)
        let journal = hub.journal("standby")
        let followed = try await hub.followed(copies, through: first.contents.position, journal: journal)
        try await first.start(20)
        if isRenewed { #expect(try await first.renew()) }
        try await first.start(21)
        let reads = Counter()
        hub.broker.setFaults(
            FaultPlan { point in
                if case .consume(let queue) = point.call, queue != hub.topology.name(.journal) { reads.next() }
                return .none
            })
        let second = try await LogOwner(of: hub, "standby", copies: copies, journal: journal, followed: followed)
        #expect(reads.count == (isRenewed ? 1 : 0))
        var expected = first.contents
        expected.position.value += 1
        #expect(second.contents == expected)
        try await second.start(22)
        second.opened.store.close()
        #expect(try await LogOwner(of: hub, "c").contents.instances == second.contents.instances)
    }

    @Test("A standby's copy follows the log, also into another stream, and is what its owner has")
    func standby() async throws {
        let hub = try await ReplicatedHub()
        let copies = MemoryCopies()
        let first = try await owner(of: hub)
        try await hub.follow(copies, through: first.contents.position)
        try await first.start(20)
        #expect(try await first.renew())
        try await first.goOn(20, events: 3..<9)
        // One behind the cut is filled from the snapshot.
        try await hub.follow(copies, through: first.contents.position)
        #expect(try await first.renew())
        try await first.start(21)
        // One at the cut goes on behind it.
        try await hub.follow(copies, through: first.contents.position)
        let copy = try copies.open(partition)
        #expect(try PartitionContents(tablesOf: copy) == first.contents)
        copy.close()
        let second = try await LogOwner(of: hub, "standby", copies: copies)
        #expect(second.contents.instances == first.contents.instances)
    }

    // MARK: Accidents

    enum Accident: CaseIterable, Sendable {
        /// The connection ends before or after one call, or before it and all that follow.
        case cutBefore, cutAfter, cutForGood
        /// One publish is refused, having been taken or not.
        case refused, refusedAndTaken
        /// Somebody else owns the partition while one call is on its way.
        case takenOver, takenOverAndCompacted
    }

    @Test("An accident at any call leaves one log, with everything in it", arguments: Accident.allCases)
    func accidents(_ accident: Accident) async throws {
        var call = 1
        while try await survives(accident, atCall: call) { call += 1 }
        #expect(call > 10)
    }

    /// - Returns: Whether there was such a call.
    private func survives(_ accident: Accident, atCall call: Int) async throws -> Bool {
        let hub = try await ReplicatedHub()
        let copies = MemoryCopies()
        let first = try await owner(of: hub, copies: copies)
        let delay = Duration.milliseconds(1234)
        let due = hub.clock.now() + delay
        let calls = PlatformLock(0)
        hub.broker.setFaults(
            FaultPlan { point in
                guard point.transport == "a" else { return .none }
                let number = calls.withLock { calls in
                    calls += 1
                    return calls
                }
                if accident == .cutForGood, number >= call { return .cutBefore }
                guard number == call else { return .none }
                return switch accident {
                case .cutBefore, .cutForGood: .cutBefore
                case .cutAfter: .cutAfter
                case .refused: .reject(isTaken: false)
                case .refusedAndTaken: .reject(isTaken: true)
                case .takenOver, .takenOverAndCompacted: .delay(delay)
                }
            })
        var truths = [first.contents]
        let armed = Task { [clock = hub.clock] in await clock.waitForSleeper(until: due) }
        let renewing = Task {
            defer { armed.cancel() }
            do {
                _ = try await first.renew()
                try await first.start(20)
                return true
            } catch {
                return false
            }
        }
        await armed.value
        var second: LogOwner?
        if hub.clock.sleepers.contains(due) {
            let owner = try await LogOwner(of: hub, "b")
            try await owner.start(21)
            if accident == .takenOverAndCompacted { #expect(try await owner.renew(), "call \(call)") }
            second = owner
            hub.clock.advance(to: due)
        }
        let isAppended = await renewing.value
        hub.broker.setFaults(.none)
        if let second {
            #expect(!isAppended || second.contents.instances[InstanceID("instance-20")] != nil, "call \(call)")
            truths = [second.contents]
            try await second.start(22)
            truths = [second.contents]
        } else if isAppended {
            truths = [first.contents]
        } else {
            // Of unknown outcome.
            var longer = first.contents
            try longer.take(.checkpoint(SampleRecords.checkpoint(20)))
            truths.append(longer)
        }
        try? first.flush()
        first.opened.store.close()
        let last = try await LogOwner(of: hub, "c", copies: call.isMultiple(of: 2) ? copies : MemoryCopies())
        for index in truths.indices { truths[index].position.value += 1 }
        #expect(truths.contains(last.contents), "\(accident) at call \(call)")
        #expect(try await last.renew(), "\(accident) at call \(call)")
        #expect(try await hub.logStreams().count == 1, "\(accident) at call \(call)")
        await #expect(throws: LogError.self, "\(accident) at call \(call)") { try await first.start(23) }
        return calls.withLock { $0 } >= call
    }
}
