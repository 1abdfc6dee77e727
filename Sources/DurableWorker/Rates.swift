import DurableCore

/// How fast two counters grow, measured over an interval at a time.
struct Rates {
    private let interval: Duration
    private var since: Timestamp
    private var episodes: UInt64 = 0
    private var runs: UInt64 = 0
    /// nil before the first interval has passed.
    private(set) var episodesPerSecond: Double?
    private(set) var runsPerSecond: Double?

    init(since: Timestamp, interval: Duration) {
        self.since = since
        self.interval = interval
    }

    mutating func note(episodes: UInt64, runs: UInt64, at now: Timestamp) {
        let elapsed = now.since(since)
        guard elapsed >= interval, elapsed > .zero else { return }
        let seconds = elapsed / .seconds(1)
        // Two heartbeats may be made at a time: the later count may come first.
        episodesPerSecond = Double(episodes - min(episodes, self.episodes)) / seconds
        runsPerSecond = Double(runs - min(runs, self.runs)) / seconds
        (since, self.episodes, self.runs) = (now, episodes, runs)
    }
}
