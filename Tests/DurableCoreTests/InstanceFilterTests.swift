import DurableCore
import Testing

@Suite("Filter of instance IDs") struct InstanceFilterTests {
    @Test("It has what was inserted, and little else", arguments: [1, 10, 1000, 50_000])
    func contains(count: Int) {
        var filter = InstanceFilter(capacity: count)
        // Of one partition of 8, as an archive's are.
        let all = (0...).lazy.map { InstanceID("order-\($0)") }.filter { $0.partition(of: 8) == PartitionID(3) }
        let (inside, outside) = (Array(all.prefix(count)), Array(all.dropFirst(count).prefix(10_000)))
        for id in inside { filter.insert(id) }
        #expect(inside.allSatisfy(filter.mayContain))
        #expect(outside.count(where: filter.mayContain) < 200)
        #expect(InstanceFilter(bytes: filter.bytes) == filter)
    }

    @Test("What is missing of an archive is read segment by segment")
    func missing() {
        func segment(_ stream: String, _ chunks: UInt64) -> ArchiveSegment {
            ArchiveSegment(
                stream: stream, epoch: .zero, after: LogPosition(0), through: LogPosition(1), chunks: chunks)
        }
        let (one, two) = (segment("one", 2), segment("two", 1))
        let start = MissingArchive(filter: InstanceFilter(capacity: 1), segments: [one, two])
        let second = start.afterChunk(partial: InstanceID("a"))
        #expect(second?.segments == [one, two])
        #expect(second?.chunks == 1)
        #expect(second?.partial == InstanceID("a"))
        let third = second?.afterChunk(partial: nil)
        #expect(third?.segments == [two])
        #expect(third?.chunks == 0)
        #expect(third != nil && third?.partial == nil)
        #expect(third?.afterChunk(partial: nil) == nil)
    }

    @Test("One without bytes is none")
    func empty() {
        #expect(InstanceFilter(bytes: []) == nil)
        #expect(!InstanceFilter(capacity: 0).mayContain(InstanceID("a")))
    }
}
