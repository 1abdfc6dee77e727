import DurableCore
import Testing

@Suite("Fold of a log that begins with a snapshot") struct SnapshotFoldTests {
    private static let epoch = Epoch(generation: 1, offset: 8)
    private static let generation = LogGeneration(
        hubID: "hub-1", partition: PartitionID(3), stream: "s2", base: LogPosition(40), incarnation: 7, epoch: epoch,
        previous: "s1")

    private static func unit(_ index: UInt64, _ epoch: Epoch = epoch) -> LogUnit {
        LogUnit(epoch: epoch, index: index, writer: "a", recordCount: 1, content: [1, 2, 3])
    }

    private static func chunk(_ index: UInt64) -> LogMessage { .snapshot(unit(index).parts(byteLimit: 8)[0]) }
    private static func part(_ index: UInt64, _ epoch: Epoch = epoch) -> LogMessage {
        .part(unit(index, epoch).parts(byteLimit: 8)[0])
    }

    private static func complete() throws -> LogFold {
        var fold = LogFold()
        for message in [.generation(generation), chunk(1), chunk(2), .snapshotComplete(chunks: 2)] {
            _ = try fold.take(message)
        }
        return fold
    }

    @Test("Behind the snapshot its owner's appends go on from the base, counted from 1")
    func goesOn() throws {
        var fold = try Self.complete()
        #expect(fold.position == LogPosition(40))
        #expect(fold.newest == Self.epoch)
        #expect(fold.snapshotBytes == 6)
        #expect(try fold.take(Self.part(1)) == .unit(Self.unit(1)))
        #expect(fold.position == LogPosition(41))
        #expect(fold.bytes == 9)
        let next = Epoch(generation: 1, offset: 9)
        #expect(try fold.take(Self.part(0, next)) == .unit(Self.unit(0, next)))
        #expect(try fold.take(Self.part(2)) == .void(.superseded))
    }

    @Test("Chunks written twice count once")
    func repeats() throws {
        var fold = LogFold()
        _ = try fold.take(.generation(Self.generation))
        #expect(try fold.take(Self.chunk(1)) == .chunk(Self.unit(1)))
        #expect(try fold.take(Self.chunk(1)) == .repeated)
        #expect(fold.bookmark(at: 2) == nil)
        #expect(try fold.take(.snapshotComplete(chunks: 1)) == .snapshotComplete)
        #expect(try fold.take(.snapshotComplete(chunks: 1)) == .repeated)
        #expect(try fold.take(Self.chunk(1)) == .repeated)
        #expect(fold.bookmark(at: 4)?.position == LogPosition(40))
    }

    @Test("A snapshot that is not whole is damage")
    func incomplete() throws {
        var fold = LogFold()
        _ = try fold.take(.generation(Self.generation))
        _ = try fold.take(Self.chunk(1))
        var short = fold
        #expect(throws: LogFold.Damage.self) { try short.take(.snapshotComplete(chunks: 2)) }
        #expect(throws: LogFold.Damage.self) { try fold.take(Self.part(1)) }
    }

    @Test("A fold from behind the snapshot goes on like one from the stream's beginning")
    func bookmark() throws {
        let whole = try Self.complete()
        let announcement = GenerationAnnouncement(generation: Self.generation, snapshotEnd: 3, snapshotBytes: 6)
        let bookmark = LogBookmark(announcement)
        #expect(whole.bookmark(at: 3) == bookmark)
        #expect(LogFold(from: bookmark) == whole)
        #expect(bookmark.fits(.snapshotComplete(chunks: 2)))
        #expect(!bookmark.fits(Self.chunk(2)))
    }
}
