package import DurableCore

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Time as the engine takes it from outside; tests and the simulation pass one they move by hand.
package protocol EngineClock: Sendable {
    /// Wall-clock time, for what gets recorded. It may jump either way.
    func now() -> Timestamp
    /// Time since some fixed point, which nobody can set: what intervals and deadlines are measured by.
    func uptime() -> Duration
    /// Returns no earlier than `duration` from now, or when the task is cancelled.
    func sleep(for duration: Duration) async
}

package struct SystemClock: EngineClock {
    package init() {}

    package func now() -> Timestamp {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Timestamp(millisecondsSinceEpoch: Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000)
    }

    package func uptime() -> Duration {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
    }

    package func sleep(for duration: Duration) async {
        try? await Task.sleep(for: duration)
    }
}
