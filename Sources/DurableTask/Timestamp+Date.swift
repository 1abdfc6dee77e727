public import DurableCore
public import FoundationEssentials

extension Timestamp {
    /// The millisecond nearest to `date`.
    public init(_ date: Date) {
        let milliseconds = (date.timeIntervalSince1970 * 1000).rounded()
        self =
            Int64(exactly: milliseconds).map { Timestamp(millisecondsSinceEpoch: $0) }
            ?? (milliseconds < 0 ? .distantPast : .distantFuture)
    }
}

extension Date {
    /// The same time; a `Date` near the ends of the range is exact to less than a millisecond.
    public init(_ timestamp: Timestamp) {
        self.init(timeIntervalSince1970: Double(timestamp.millisecondsSinceEpoch) / 1000)
    }
}
