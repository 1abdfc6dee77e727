import DurableCore
import Testing

@Suite("Journal fold") struct JournalFoldTests {
    private let partition = PartitionID(2)

    private func claim(_ worker: String) -> JournalRecord {
        .claim(partition: partition, worker: WorkerID(worker), nonce: worker)
    }

    private func generation(_ stream: String, after previous: String, by epoch: UInt64) -> LogGeneration {
        LogGeneration(
            hubID: "h", partition: partition, stream: stream, base: LogPosition(5), incarnation: 1,
            epoch: Epoch(generation: 1, offset: epoch), previous: previous)
    }

    private func announced(_ generation: LogGeneration) -> JournalRecord {
        .generationAnnounced(GenerationAnnouncement(generation: generation, snapshotEnd: 3, snapshotBytes: 9))
    }

    private func fold(_ records: JournalRecord?...) -> JournalFold.Partition {
        var fold = JournalFold()
        for record in records { fold.take(record, at: fold.nextOffset, isNext: true) }
        #expect(fold.nextOffset == UInt64(records.count))
        return fold[partition]
    }

    @Test("A claim's epoch is its place, also among records of other partitions and of unknown kinds")
    func claims() {
        let other = JournalRecord.claim(partition: PartitionID(1), worker: WorkerID("x"), nonce: "x")
        let state = fold(nil, other, .mark("m"), claim("a"))
        #expect(state.claim == Epoch(generation: 1, offset: 3))
        #expect(state.owner == WorkerID("a"))
        #expect(state.announcement == nil)
    }

    @Test("An announcement counts when its owner's claim is the newest before it")
    func announcement() {
        let next = generation("s2", after: "s1", by: 0)
        let state = fold(claim("a"), .generationStarted(next, removed: []), announced(next), claim("b"))
        #expect(state.announcement?.generation == next)
        #expect(state.leftovers == [.init(stream: "s1", epoch: nil)])
    }

    @Test("Segments of an archive that an announcement leaves out are left over")
    func archive() {
        func segment(_ stream: String) -> ArchiveSegment {
            ArchiveSegment(stream: stream, epoch: .zero, after: LogPosition(0), through: LogPosition(1))
        }
        var second = GenerationAnnouncement(
            generation: generation("s2", after: "s1", by: 0), snapshotEnd: 3, snapshotBytes: 9)
        second.archive = [segment("a1"), segment("a2")]
        var third = second
        third.generation = generation("s3", after: "s2", by: 0)
        third.archive = [segment("a1"), segment("a3")]
        let state = fold(claim("a"), .generationAnnounced(second), .generationAnnounced(third))
        #expect(state.announcement?.archive == third.archive)
        #expect(state.leftovers.map(\.stream) == ["s1", "s2", "a2"])
    }

    @Test("An announcement behind a newer claim does not, and its stream is left over")
    func late() {
        let next = generation("s2", after: "s1", by: 0)
        let state = fold(claim("a"), .generationStarted(next, removed: []), claim("b"), announced(next))
        #expect(state.announcement == nil)
        #expect(state.leftovers == [.init(stream: "s2", epoch: next.epoch)])
    }

    @Test("One that comes again, when another has followed it, changes nothing")
    func twice() {
        let (second, third) = (generation("s2", after: "s1", by: 0), generation("s3", after: "s2", by: 0))
        let state = fold(
            claim("a"), .generationStarted(second, removed: []), announced(second),
            .generationStarted(third, removed: ["s1"]), announced(third), announced(second))
        #expect(state.announcement?.generation == third)
        #expect(state.leftovers == [.init(stream: "s2", epoch: nil)])
    }

    @Test("A release counts for the claim it ends")
    func release() {
        let first = Epoch(generation: 1, offset: 0)
        let due = Timestamp(millisecondsSinceEpoch: 7)
        let released = JournalRecord.released(partition: partition, epoch: first, nextDue: due)
        #expect(fold(claim("a"), released).release?.nextDue == due)
        #expect(fold(claim("a"), claim("b"), released).release == nil)
        #expect(fold(claim("a"), released, claim("b")).release == nil)
    }

    @Test("Where the oldest records are gone, a snapshot that takes them into account stands for them")
    func snapshot() throws {
        let next = generation("s2", after: "s1", by: 0)
        let records: [JournalRecord?] = [
            claim("a"), .generationStarted(next, removed: []), announced(next), claim("b"),
            .released(
                partition: partition, epoch: Epoch(generation: 1, offset: 3),
                nextDue: Timestamp(millisecondsSinceEpoch: 7)),
            .claim(partition: PartitionID(0), worker: WorkerID("c"), nonce: "c"), claim("d"),
        ]
        for end in 0...records.count {
            let snapshot = try #require(fold(records[..<end]).snapshot)
            // Others may have written before it arrived.
            for place in end...records.count {
                var journal = records
                journal.insert(.snapshot(snapshot), at: place)
                let whole = fold(journal[...])
                for start in 0..<journal.count {
                    let rest = fold(journal[start...])
                    #expect(rest.isKnown == (start <= end))
                    #expect(rest.nextOffset == whole.nextOffset)
                    #expect(rest.snapshot == (start <= end ? whole.snapshot : nil))
                }
            }
        }
    }

    @Test("An offset without a record moves on what stands behind it")
    func hole() {
        var fold = JournalFold()
        fold.take(claim("a"), at: 0, isNext: true)
        fold.take(claim("b"), at: 7, isNext: true)
        #expect(fold.isKnown)
        #expect(fold[partition].claim == Epoch(generation: 1, offset: 7))
        #expect(fold.snapshot?.end == 8)
    }

    @Test("A version that does not know all kinds writes no snapshot")
    func unknown() {
        #expect(fold([nil, claim("a")][...]).snapshot == nil)
        #expect(fold([claim("a")][...]).snapshot != nil)
    }

    /// Of records at the offsets of their places.
    private func fold(_ records: ArraySlice<JournalRecord?>) -> JournalFold {
        var fold = JournalFold()
        for (offset, record) in zip(records.indices, records) {
            fold.take(record, at: UInt64(offset), isNext: UInt64(offset) == fold.nextOffset)
        }
        return fold
    }
}
