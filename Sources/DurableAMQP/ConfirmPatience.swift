/// How long a publish may go unanswered before it counts as forgotten. It grows with how slow the broker is, so that
/// one under load, which answers late, is not taken for one that forgets and burdened with repeats.
package struct ConfirmPatience {
    /// Of a broker that answers quickly.
    private let least: Duration
    /// Times it ran out since the last answer.
    private var misses = 0
    /// The slowest confirm of the period that began at `start`, and of the one before.
    private var slowest = Duration.zero
    private var slowestBefore = Duration.zero
    private var start = ContinuousClock.now

    private static let period = Duration.seconds(30)
    private static let most = Duration.seconds(60)

    package init(atLeast least: Duration) { self.least = least }

    package var current: Duration {
        max(least, min(Self.most, max(least * (1 << min(misses, 10)), max(slowest, slowestBefore) * 2)))
    }

    package mutating func noteConfirm(after time: Duration, at now: ContinuousClock.Instant) {
        misses = 0
        if now - start >= Self.period {
            slowestBefore = now - start < Self.period * 2 ? slowest : .zero
            slowest = .zero
            start = now
        }
        slowest = max(slowest, time)
    }

    package mutating func noteMiss() { misses += 1 }
}
