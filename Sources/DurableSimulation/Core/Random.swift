/// SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, OOPSLA 2014): small, good enough,
/// and the same on each machine.
package struct SeededGenerator: RandomNumberGenerator, Sendable {
    private var state: UInt64

    package init(seed: UInt64) { state = seed }

    /// A generator of its own for one purpose: what the others draw does not change what it gives.
    package init(seed: UInt64, purpose: StaticString) {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        purpose.withUTF8Buffer { for byte in $0 { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 } }
        state = seed ^ hash
        _ = next()
    }

    package mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }

    /// True with the given probability, 0 to 1.
    package mutating func chance(_ probability: Double) -> Bool {
        Double(next() >> 11) * 0x1p-53 < probability
    }

    /// Uniform over the range; both ends included.
    package mutating func duration(_ range: ClosedRange<Duration>) -> Duration {
        let low = range.lowerBound / .microseconds(1)
        let high = range.upperBound / .microseconds(1)
        return .microseconds(Int64.random(in: Int64(low)...max(Int64(low), Int64(high)), using: &self))
    }
}
