import DurableCore
import DurableWire
import Testing

@Suite("Log streams") struct LogStreamTests {
    private static let generation = LogGeneration(
        hubID: "hub-1", partition: PartitionID(3), stream: "dtq.h.log.3.0-0.1", base: LogPosition(7), incarnation: .max)
    private static let epoch = Epoch(generation: 2, offset: 11)

    static let messages: [LogMessage] = [
        .generation(generation), .mark("writer/1"),
        .part(
            LogPart(
                epoch: epoch, index: 4, writer: "w", recordCount: 512, number: 2, count: 3, content: [0, 255, 7])),
        .generation(later),
        .snapshot(
            LogPart(epoch: epoch, index: 4, writer: "w", recordCount: 1, number: 1, count: 2, content: [1])),
        .snapshotComplete(chunks: 0), .snapshotComplete(chunks: .max),
    ]

    private static let later = LogGeneration(
        hubID: "hub-1", partition: PartitionID(3), stream: "dtq.h.log.3.2-11.1", base: LogPosition(70), incarnation: 5,
        epoch: epoch, previous: "dtq.h.log.3.0-0.1")

    @Test(
        "Journal records of streams come back as written",
        arguments: [
            JournalRecord.generationStarted(later, removed: ["a", "b"]), .generationStarted(later, removed: []),
            .generationAnnounced(.init(generation: later, snapshotEnd: 9, snapshotBytes: 8)), .mark("m"),
            .generationAnnounced(.init(generation: later, snapshotEnd: 9, snapshotBytes: 8, archive: segments)),
            .snapshot(JournalSnapshot(end: 0, partitions: [])),
            .snapshot(
                JournalSnapshot(
                    end: .max,
                    partitions: [
                        .init(id: PartitionID(0), state: JournalFold.Partition()),
                        .init(id: PartitionID(3), state: state(released: false, [])),
                        .init(id: PartitionID(9), state: state(released: true, segments)),
                    ])),
        ])
    func journal(_ record: JournalRecord) throws {
        #expect(try JournalRecord(wire: record.wireBytes) == record)
    }

    private static func state(released: Bool, _ archive: [ArchiveSegment]) -> JournalFold.Partition {
        var state = JournalFold.Partition()
        state.claim = epoch
        state.owner = WorkerID("w")
        if released { state.release = .init(nextDue: archive.isEmpty ? nil : Timestamp(millisecondsSinceEpoch: 5)) }
        state.announcement = .init(generation: later, snapshotEnd: 9, snapshotBytes: 8, archive: archive)
        state.leftovers = [.init(stream: "a", epoch: nil), .init(stream: "b", epoch: epoch)]
        return state
    }

    private static let segments = [
        ArchiveSegment(
            stream: "dtq.h.archive.3.2-11.1", epoch: epoch, after: LogPosition(0), through: LogPosition(.max),
            chunks: 3,
            bytes: .max, instances: 9, newestEnd: Timestamp(millisecondsSinceEpoch: 12)),
        ArchiveSegment(stream: "", epoch: epoch, after: LogPosition(1), through: LogPosition(2)),
    ]

    @Test("What a copy lacks of an archive comes back as written")
    func missingArchive() throws {
        var filter = InstanceFilter(capacity: 3)
        filter.insert(InstanceID("a"))
        var missing = MissingArchive(filter: filter, segments: Self.segments)
        #expect(try MissingArchive(wire: missing.wireBytes, filter: filter.bytes) == missing)
        missing.chunks = 2
        missing.partial = InstanceID("b")
        #expect(try MissingArchive(wire: missing.wireBytes, filter: filter.bytes) == missing)
        missing = MissingArchive(filter: filter, segments: [])
        #expect(try MissingArchive(wire: missing.wireBytes, filter: filter.bytes) == missing)
    }

    @Test("Messages come back as written", arguments: messages)
    func message(_ message: LogMessage) throws {
        #expect(try LogMessage(wire: message.wireBytes) == message)
    }

    @Test("Units and bookmarks come back as written")
    func others() throws {
        let records: [PartitionRecord] = [.outboxConfirmed([OutboxID(1)]), .released(nextDue: nil)]
        let unit = LogUnit(epoch: Self.epoch, index: 1, writer: "w", records: records)
        #expect(unit.recordCount == 2)
        #expect(try unit.records() == records)
        let bookmark = LogBookmark(
            generation: Self.generation, offset: 9, position: LogPosition(12), newest: Self.epoch, lastIndex: 4,
            bytes: 90, snapshotBytes: 30)
        #expect(try LogBookmark(wire: bookmark.wireBytes) == bookmark)
    }

    @Test("What cannot be a message is refused", arguments: [(0, 1, 1), (2, 1, 1), (1, 1, 0), (1, 1, 513)])
    func refused(_ number: Int, _ count: Int, _ records: Int) {
        let part = LogPart(
            epoch: Self.epoch, index: 4, writer: "w", recordCount: records, number: number, count: count, content: [])
        #expect(throws: WireError.self) { try LogMessage(wire: LogMessage.part(part).wireBytes) }
    }

    @Test("A unit that does not hold what it says is refused")
    func wrongUnit() {
        var unit = LogUnit(epoch: Self.epoch, index: 1, writer: "w", records: [.released(nextDue: nil)])
        unit.recordCount = 2
        #expect(throws: WireError.self) { try unit.records() }
        let begin = LogUnit(epoch: Self.epoch, index: 0, writer: "w", records: [.released(nextDue: nil)])
        #expect(throws: WireError.self) { try begin.records() }
    }
}
