import DurableCore
import Testing

@Suite("Purged instances and tags") struct PurgingTests {
    private func time(_ milliseconds: Int64) -> Timestamp { Timestamp(millisecondsSinceEpoch: milliseconds) }

    private func segment(
        _ after: UInt64, _ through: UInt64, writtenAt: UInt64?, newestEnd: Int64 = 0, expiredBefore: Int64? = nil
    ) -> ArchiveSegment {
        ArchiveSegment(
            stream: "s", epoch: Epoch(generation: 1, offset: 1), after: LogPosition(after),
            through: LogPosition(through),
            newestEnd: time(newestEnd), writtenAt: writtenAt.map { LogPosition($0) },
            expiredBefore: expiredBefore.map(time))
    }

    private func purged(at position: UInt64, end: UInt64?) -> PurgedInstance {
        PurgedInstance(
            id: InstanceID("a"), position: LogPosition(position), endedAt: end.map { LogPosition($0) })
    }

    @Test("One may be in the stream of its end if that was written before it was purged")
    func mayBeIn() {
        let segment = segment(10, 20, writtenAt: 30)
        #expect(purged(at: 31, end: 11).mayBeIn(segment))
        #expect(purged(at: 31, end: 20).mayBeIn(segment))
        #expect(!purged(at: 31, end: 10).mayBeIn(segment))
        #expect(!purged(at: 31, end: 21).mayBeIn(segment))
        #expect(!purged(at: 30, end: 15).mayBeIn(segment))
        #expect(purged(at: 31, end: nil).mayBeIn(segment))
        #expect(!purged(at: 30, end: nil).mayBeIn(segment))
    }

    @Test("A stream of an earlier build may have what ended later, too")
    func earlierBuild() {
        let segment = segment(10, 20, writtenAt: nil)
        #expect(purged(at: 40, end: 35).mayBeIn(segment))
        #expect(!purged(at: 40, end: 10).mayBeIn(segment))
        #expect(!purged(at: 20, end: 15).mayBeIn(segment))
    }

    @Test("What is in a stream has expired once the time before which all has moved on beyond its end")
    func expires() {
        let segment = segment(0, 1, writtenAt: 1, newestEnd: 100, expiredBefore: 50)
        #expect(segment.expires(time(60), before: time(61)))
        #expect(!segment.expires(time(60), before: time(60)))
        #expect(!segment.expires(time(60), before: nil))
        // It ended by a clock that was set back: since it was written nothing has expired.
        #expect(!segment.expires(time(40), before: time(50)))
        #expect(segment.expires(time(40), before: time(51)))
        #expect(!segment.isExpired(before: time(100)))
        #expect(segment.isExpired(before: time(101)))
    }

    @Test("A partition knows before when all has expired; that never goes back")
    func expiredBefore() {
        var state = PartitionState()
        for (before, expected) in [(nil, nil), (50, 50), (nil, 50), (40, 50), (60, 60)] as [(Int64?, Int64?)] {
            let record = PartitionRecord.purged(
                .init(time: time(0), ids: [InstanceID("a")], expiredBefore: before.map(time)))
            state.evolve(with: record, partitionCount: 1)
            #expect(state.expiredBefore == expected.map(time))
        }
    }

    @Test("Tags have limits, each with a reason")
    func tags() {
        func defect(_ tags: [String: String]) -> String? { [ExecutionStarted.Tag](tags).defect }
        #expect(defect([:]) == nil)
        #expect(defect(["region": "eu", "größe": "süß", "x": "a=b"]) == nil)
        #expect(defect(["": "x"])?.contains("empty key") == true)
        #expect(defect(["a=b": "x"])?.contains("must not have") == true)
        #expect(defect(["a\nb": "x"])?.contains("must not have") == true)
        #expect(defect(["a": "x\u{7f}"])?.contains("control character") == true)
        #expect(defect([String(repeating: "k", count: 64): String(repeating: "v", count: 256)]) == nil)
        #expect(defect([String(repeating: "k", count: 65): "v"])?.contains("65 bytes") == true)
        #expect(defect(["k": String(repeating: "v", count: 257)])?.contains("257 bytes") == true)
        let many = Dictionary(uniqueKeysWithValues: (0..<17).map { ("k\($0)", "") })
        #expect(defect(many)?.contains("17 tags") == true)
        #expect([ExecutionStarted.Tag](["b": "1", "a": "2"]).map(\.key) == ["a", "b"])
    }
}
