import DurableCore
import FoundationEssentials

/// The random numbers and UUIDs of one execution: the same on each replay, in each process and version.
///
/// Fixed for ever, since running instances depend on it. The seed text is `<instance ID>/<execution ID>`.
/// - Random numbers: SplitMix64 (Steele, Lea and Flood, 2014) whose state starts at the FNV-1a 64 hash of
///   `random/<seed text>`.
/// - UUIDs: version 8 (RFC 9562, section 5.8). High and low half are one step each of two more SplitMix64 series, which
///   start at the hashes of `uuid-high/<seed text>` and `uuid-low/<seed text>`; then version and variant are set.
/// - Jitter of the pause after a failed attempt: the first step of a series of its own, which starts at the hash of
///   `retry-jitter/<event ID of the attempt>/<seed text>`; its upper 53 bits are the fraction. So a policy shifts no
///   number that the code draws, and no other pause.
struct RecordedValues {
    private var random: SplitMix64
    private var high: SplitMix64
    private var low: SplitMix64

    init(instanceID: InstanceID, executionID: ExecutionID) {
        func series(_ name: String) -> SplitMix64 {
            SplitMix64(state: FNV1a.hash("\(name)/\(instanceID)/\(executionID)".utf8))
        }
        random = series("random")
        high = series("uuid-high")
        low = series("uuid-low")
    }

    mutating func nextRandom() -> UInt64 { random.next() }

    /// The chance that goes with one attempt: from 0 up to, but not including, 1.
    static func jitter(afterAttempt id: EventID, instanceID: InstanceID, executionID: ExecutionID) -> Double {
        var series = SplitMix64(state: FNV1a.hash("retry-jitter/\(id)/\(instanceID)/\(executionID)".utf8))
        return Double(series.next() >> 11) / Double(1 << 53 as UInt64)
    }

    mutating func nextUUID() -> UUID {
        let high = high.next() & ~0xF000 | 0x8000
        let low = low.next() & ~(0b11 << 62) | 0b10 << 62
        func byte(_ index: Int) -> UInt8 {
            UInt8(truncatingIfNeeded: (index < 8 ? high : low) >> UInt64(56 - 8 * (index % 8)))
        }
        return UUID(
            uuid: (
                byte(0), byte(1), byte(2), byte(3), byte(4), byte(5), byte(6), byte(7),
                byte(8), byte(9), byte(10), byte(11), byte(12), byte(13), byte(14), byte(15)
            ))
    }
}

private struct SplitMix64 {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }
}
