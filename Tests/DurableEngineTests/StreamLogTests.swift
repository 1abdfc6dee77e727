import DurableBackend
import DurableConformance
import DurableCore
import DurableEngine
import DurableMemory
import DurableWire
import Testing

@Suite("A log in a stream", .timeLimit(.minutes(5))) struct StreamLogTests {
    private let partition = PartitionID(0)
    private let first = SampleRecords.epoch(5)
    private let second = SampleRecords.epoch(9)

    /// Does `fault` to the next publish of "worker".
    private func failNextPublish(of hub: ReplicatedHub, _ fault: FaultPlan.Fault) {
        let isDue = PlatformLock(true)
        hub.broker.setFaults(
            FaultPlan { point in
                guard case .publish = point.call, point.transport == "worker" else { return .none }
                return isDue.withLock { isDue in
                    defer { isDue = false }
                    return isDue ? fault : .none
                }
            })
    }

    private func positions(_ log: any PartitionLog) async throws -> [UInt64] {
        try await log.read(after: LogPosition(0), limit: 1000).map(\.position.value)
    }

    @Test("Messages that a policy had the broker drop are damage, for who begins and for who goes on")
    func dropped() async throws {
        let hub = try await ReplicatedHub()
        let log = try hub.storage().open(partition).log
        _ = try await log.begin(SampleRecords.begin(first))
        let other = try hub.storage("other").open(partition).log
        #expect(try await positions(other) == [1])
        hub.broker.cut("other")
        hub.broker.retain(StreamRetention(bytes: 500, segmentBytes: 100), of: hub.stream())
        while try #require(hub.broker.readyMessages(in: hub.stream()).first?.streamOffset) < 5 {
            _ = try await log.append(SampleRecords.records(3), epoch: first)
        }
        for reader in [other, try hub.storage("new").open(partition).log] {
            await #expect {
                _ = try await positions(reader)
            } throws: { error in
                if case .damaged = error as? LogError { true } else { false }
            }
        }
    }

    // MARK: Appending

    @Test(
        "An append whose confirm is lost is published again and counts once",
        arguments: [FaultPlan.Fault.cutAfter, .cutBefore])
    func lostConfirm(_ fault: FaultPlan.Fault) async throws {
        let hub = try await ReplicatedHub()
        let log = try hub.storage().open(partition).log
        _ = try await log.begin(SampleRecords.begin(first))
        failNextPublish(of: hub, fault)
        let records = SampleRecords.records(3)
        #expect(try await log.append(records, epoch: first) == LogPosition(4))
        #expect(try await log.append(SampleRecords.records(1), epoch: first) == LogPosition(5))
        let copies = try hub.messages().count { message in
            if case .part(let part) = message { part.index == 1 } else { false }
        }
        #expect(copies == (fault == .cutAfter ? 2 : 1))
        let other = try hub.storage("other").open(partition).log
        #expect(try await positions(other) == [1, 2, 3, 4, 5])
        #expect(try await other.read(after: LogPosition(1), limit: 3).map(\.record) == records)
    }

    @Test(
        "After an append of unknown outcome its epoch is over; the next one finds what is there",
        arguments: [true, false])
    func unknownOutcome(_ isTaken: Bool) async throws {
        let hub = try await ReplicatedHub()
        let log = try hub.storage().open(partition).log
        _ = try await log.begin(SampleRecords.begin(first))
        failNextPublish(of: hub, .reject(isTaken: isTaken))
        for _ in 0..<2 {
            await #expect(throws: LogError.self) { try await log.append(SampleRecords.records(2), epoch: first) }
        }
        let begin = try await log.begin(SampleRecords.begin(second))
        #expect(begin == LogPosition(isTaken ? 4 : 2))
        #expect(try await log.append(SampleRecords.records(1), epoch: second).value == begin.value + 1)
    }

    @Test("What a superseded owner writes is in the stream and counts for nobody")
    func zombie() async throws {
        let hub = try await ReplicatedHub()
        let old = try hub.storage("old").open(partition).log
        let new = try hub.storage("new").open(partition).log
        _ = try await old.begin(SampleRecords.begin(first))
        _ = try await new.begin(SampleRecords.begin(second))
        let before = try hub.messages().count
        await #expect(throws: LogError.fenced(newest: second)) {
            try await old.append(SampleRecords.records(2), epoch: first)
        }
        #expect(try hub.messages().count == before + 1)
        #expect(try await new.append(SampleRecords.records(1), epoch: second) == LogPosition(3))
        #expect(try await positions(hub.storage("reader").open(partition).log) == [1, 2, 3])
    }

    @Test("An owner goes on over a lost connection of its reader")
    func lostReader() async throws {
        let hub = try await ReplicatedHub()
        let log = try hub.storage().open(partition).log
        _ = try await log.begin(SampleRecords.begin(first))
        for round in 0..<5 {
            hub.broker.cut("worker", .consuming)
            let position = try await log.append(SampleRecords.records(1), epoch: first)
            #expect(position == LogPosition(UInt64(round) + 2))
        }
    }

    @Test("Of a record in several messages, readers see all or nothing")
    func incomplete() async throws {
        let hub = try await ReplicatedHub()
        let log = try hub.storage().open(partition).log
        _ = try await log.begin(SampleRecords.begin(first))
        let big = PartitionRecord.checkpoint(SampleRecords.checkpoint(3, payloadBytes: 400_000))
        let unit = LogUnit(epoch: first, index: 1, writer: "gone", records: [big])
        let parts = unit.parts(byteLimit: 256 << 10)
        #expect(parts.count > 2)
        // Its writer dies before the last one.
        _ = try await hub.broker.connect().publish(
            parts.dropLast().map { hub.topology.logMessage(.part($0), to: hub.stream(), at: hub.clock.now()) })
        let next = try hub.storage("next").open(partition).log
        #expect(try await positions(next) == [1])
        _ = try await next.begin(SampleRecords.begin(second))
        #expect(try await next.append([big], epoch: second) == LogPosition(3))
        let reader = try hub.storage("reader").open(partition).log
        #expect(try await reader.read(after: LogPosition(2), limit: 10).map(\.record) == [big])
    }

    @Test("A log larger than what is kept in memory is read page by page")
    func largeLog() async throws {
        let hub = try await ReplicatedHub()
        let log = try hub.storage().open(partition).log
        _ = try await log.begin(SampleRecords.begin(first))
        var expected: [PartitionRecord] = [.begin(SampleRecords.begin(first))]
        for number in 0..<20 {
            let records = [
                PartitionRecord.checkpoint(SampleRecords.checkpoint(3 + number, payloadBytes: 100_000)),
                .outboxConfirmed([OutboxID(UInt64(number))]),
            ]
            _ = try await log.append(records, epoch: first)
            expected += records
        }
        let next = try hub.storage("next").open(partition).log
        let end = try await next.begin(SampleRecords.begin(second))
        expected.append(.begin(SampleRecords.begin(second)))
        var found: [LogEntry] = []
        while found.last?.position != end {
            let page = try await next.read(after: found.last?.position ?? LogPosition(0), limit: 3)
            #expect(page.count == min(3, expected.count - found.count))
            if page.isEmpty { break }
            found += page
        }
        #expect(found.map(\.record) == expected)
        #expect(found.map(\.position.value) == Array(1...end.value))
    }

    // MARK: Streams that are not whole

    @Test("A stream that lost its beginning is damaged, never taken for a new one")
    func emptiedStream() async throws {
        let hub = try await ReplicatedHub()
        let admin = hub.broker.connect(as: "admin")
        try await admin.delete(queues: [hub.stream()], exchanges: [])
        await damaged(try hub.storage().open(partition).log)
        try await admin.declare(hub.topology.log(hub.stream()))
        await damaged(try hub.storage().open(partition).log)
    }

    @Test("A stream of another hub is damaged")
    func foreignStream() async throws {
        let hub = try await ReplicatedHub()
        let admin = hub.broker.connect(as: "admin")
        try await admin.delete(queues: [hub.stream()], exchanges: [])
        try await admin.declare(hub.topology.log(hub.stream()))
        var generation = LogGeneration.first(of: hub.descriptor, partition)
        generation.hubID = "hub-2"
        _ = try await admin.publish([
            hub.topology.logMessage(.generation(generation), to: hub.stream(), at: hub.clock.now())
        ])
        await damaged(try hub.storage().open(partition).log)
    }

    private func damaged(_ log: any PartitionLog) async {
        do {
            _ = try await log.begin(SampleRecords.begin(first))
            Issue.record("it began")
        } catch {
            guard case .damaged = error else {
                Issue.record("\(error)")
                return
            }
        }
    }

    // MARK: Copies

    /// A hub whose copy stands at 6 of 7 records.
    private func hubWithCopy(_ copies: MemoryCopies) async throws -> ReplicatedHub {
        let hub = try await ReplicatedHub()
        let opened = try hub.storage(copies: copies).open(partition)
        _ = try await opened.log.begin(SampleRecords.begin(first))
        _ = try await opened.log.append(SampleRecords.records(2), epoch: first)
        _ = try await opened.log.append(SampleRecords.records(4), epoch: first)
        try opened.store.flush(
            StoreFlush(
                previous: LogPosition(0), position: LogPosition(6), epoch: first,
                instances: [.init(state: SampleRecords.instance("a"), newHistory: [], firstIndex: 0)]))
        opened.store.close()
        return hub
    }

    @Test("A copy goes on where it was, also within an append")
    func copyGoesOn() async throws {
        let copies = MemoryCopies()
        let hub = try await hubWithCopy(copies)
        #expect(try copies.open(partition).bookmark()?.position == LogPosition(3))
        let opened = try hub.storage(copies: copies).open(partition)
        #expect(try await opened.log.begin(SampleRecords.begin(second)) == LogPosition(8))
        #expect(try opened.store.recover().position == LogPosition(6))
        #expect(try opened.store.instance(InstanceID("a")) != nil)
        let rest = try await opened.log.read(after: LogPosition(6), limit: 10)
        #expect(rest.map(\.position.value) == [7, 8])
        #expect(rest.map(\.epoch) == [first, second])
    }

    @Test("A worker without a copy fills one from the stream's beginning")
    func copyIsMissing() async throws {
        let hub = try await hubWithCopy(MemoryCopies())
        let opened = try hub.storage().open(partition)
        #expect(try await opened.log.begin(SampleRecords.begin(second)) == LogPosition(8))
        #expect(try opened.store.recover().position == LogPosition(0))
        #expect(try await positions(opened.log) == Array(1...8))
    }

    @Test("A copy that is ahead of its stream, or of another hub, is filled anew", arguments: ["hub-1", "hub-2"])
    func copyIsForeign(_ hubID: String) async throws {
        let copies = MemoryCopies()
        _ = try await hubWithCopy(copies)
        // The stream begins again on another broker.
        let hub = try await ReplicatedHub(hubID: hubID)
        let opened = try hub.storage(copies: copies).open(partition)
        #expect(try await opened.log.begin(SampleRecords.begin(second)) == LogPosition(1))
        #expect(try opened.store.recover().position == LogPosition(0))
        #expect(try opened.store.instance(InstanceID("a")) == nil)
        #expect(try await positions(opened.log) == [1])
    }

    @Test("A copy whose place in the stream holds something else is filled anew")
    func copyHasDiverged() async throws {
        let copies = MemoryCopies()
        _ = try await hubWithCopy(copies)
        let hub = try await ReplicatedHub()
        let other = try hub.storage("other").open(partition).log
        _ = try await other.begin(SampleRecords.begin(SampleRecords.epoch(6)))
        for _ in 0..<9 { _ = try await other.append(SampleRecords.records(1), epoch: SampleRecords.epoch(6)) }
        let opened = try hub.storage(copies: copies).open(partition)
        #expect(try await opened.log.begin(SampleRecords.begin(second)) == LogPosition(11))
        #expect(try opened.store.recover().position == LogPosition(0))
        #expect(try await positions(opened.log) == Array(1...11))
    }

    @Test("The incarnation is the log's, the same for every copy of it")
    func incarnation() async throws {
        let hub = try await ReplicatedHub()
        let one = try hub.storage().open(partition).store.recover().incarnation
        let two = try hub.storage("other").open(partition).store.recover().incarnation
        #expect(one == two)
        #expect(one != (try hub.storage().open(PartitionID(1)).store.recover().incarnation))
    }
}
