import DurableBackend
import DurableCore
import DurableMemory

/// A wall clock somebody may set; what sleeps goes on by the time that really passes.
final class AdjustedClock: EngineClock {
    private let base: ManualClock
    private let offset = PlatformLock(Duration.zero)

    init(_ base: ManualClock) { self.base = base }

    /// From where it is; negative: back.
    func set(ahead duration: Duration) { offset.withLock { $0 += duration } }

    func now() -> Timestamp { base.now() + offset.withLock { $0 } }
    func uptime() -> Duration { base.uptime() }
    func sleep(for duration: Duration) async { await base.sleep(for: duration) }
}
