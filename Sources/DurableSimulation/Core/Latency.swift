/// How long things take, drawn anew each time.
package final class Latency: @unchecked Sendable {  // confined to the simulator's thread
    private let clock: SimulatedClock
    private var random: SeededGenerator
    private let usual: ClosedRange<Duration>
    /// How often something takes up to a hundred times as long.
    private let spikes: Double

    package init(
        clock: SimulatedClock, random: SeededGenerator, usual: ClosedRange<Duration>, spikes: Double
    ) {
        self.clock = clock
        self.random = random
        self.usual = usual
        self.spikes = spikes
    }

    package func next() -> Duration {
        let duration = random.duration(usual)
        return random.chance(spikes) ? duration * Int(1 + random.next() % 100) : duration
    }

    /// Whether a call takes its time after it was carried out, not before.
    package func isDrawnLate() -> Bool { random.chance(0.5) }

    package func pass() async { await clock.sleep(for: next()) }

    /// What takes long whatever is usual.
    package func passUpTo(_ limit: Duration) async { await clock.sleep(for: random.duration(.zero...limit)) }
}
