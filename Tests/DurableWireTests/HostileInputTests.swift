import DurableCore
import DurableWire
import Testing

@Suite("Hostile input") struct HostileInputTests {
    @Test("A sample cut off anywhere decodes or is refused, and nothing crashes", arguments: TopLevel.all)
    func truncated(_ kind: TopLevel) {
        var refused = 0
        for sample in kind.samples {
            for length in 0..<sample.count {
                if (try? kind.recode(Array(sample.prefix(length)))) == nil { refused += 1 }
            }
        }
        #expect(refused > 0)
    }

    /// 11 types times 1,000 mutations; a value that decodes must also survive another round.
    @Test("A thousand mutations of each type decode to something sound or are refused", arguments: TopLevel.all)
    func mutated(_ kind: TopLevel) throws {
        var random = SplitMix(state: 0x5eed)
        var refused = 0
        for _ in 0..<1000 {
            var bytes = kind.samples[Int.random(in: 0..<kind.samples.count, using: &random)]
            for _ in 0..<Int.random(in: 1...4, using: &random) { mutate(&bytes, using: &random) }
            guard let once = try? kind.recode(bytes) else {
                refused += 1
                continue
            }
            #expect(try kind.recode(once) == once)
        }
        #expect(refused > 100)
    }

    @Test("Random bytes are refused or decode, and nothing crashes", arguments: TopLevel.all)
    func random(_ kind: TopLevel) {
        var random = SplitMix(state: 0xbad)
        for length in 0..<500 {
            let bytes = [0x08, 0x01] + (0..<length).map { _ in UInt8.random(in: .min ... .max, using: &random) }
            _ = try? kind.recode(bytes)
            _ = try? kind.recode(Array(bytes.dropFirst(2)))
        }
    }

    @Test("A list by more tags than an instance has is refused: it would be a statement of its own for each number")
    func manyTags() throws {
        func bytes(_ count: Int) -> [UInt8] {
            Question.count(ListFilter(tags: (0..<count).map { TagFilter(key: "\($0)") })).wireBytes
        }
        #expect(throws: Never.self) { try Question(wire: bytes(16)) }
        let error = #expect(throws: WireError.self) { try Question(wire: bytes(17)) }
        #expect("\(String(describing: error))".contains("at most 16 tags, these are 17"))
    }

    @Test("A failure nested a thousand deep is refused, not followed until the stack ends")
    func deepNesting() {
        var failure: [UInt8] = []
        for _ in 0..<1000 { failure = [0x22] + varint(failure.count) + failure }
        let kind = [0x08, 0x05, 0x12] + varint(failure.count) + failure
        let event = [0x42] + varint(kind.count) + kind
        #expect(throws: WireError.self) {
            try HistoryCodec.decode([0x08, 0x01, 0x12] + varint(event.count) + event)
        }
    }

    private func varint(_ value: Int) -> [UInt8] {
        var (rest, bytes) = (value, [UInt8]())
        while rest >= 0x80 {
            bytes.append(UInt8(rest & 0x7f) | 0x80)
            rest >>= 7
        }
        return bytes + [UInt8(rest)]
    }

    private func mutate(_ bytes: inout [UInt8], using random: inout SplitMix) {
        guard bytes.count > 2 else { return bytes.append(0) }
        let index = Int.random(in: 0..<bytes.count, using: &random)
        switch Int.random(in: 0..<6, using: &random) {
        case 0: bytes[index] ^= 1 << UInt8.random(in: 0..<8, using: &random)
        case 1: bytes[index] = .random(in: .min ... .max, using: &random)
        case 2: bytes.remove(at: index)
        case 3: bytes.insert(.random(in: .min ... .max, using: &random), at: index)
        case 4: bytes.removeLast(bytes.count - index)
        default: bytes.insert(contentsOf: bytes[index...].prefix(20), at: index)
        }
    }
}

/// A seed gives the same numbers everywhere (SplitMix64 of Steele, Lea and Flood).
struct SplitMix: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }
}
