import DurableCore

final class Counter: Sendable {
    private let count = PlatformLock(0)
    var value: Int { count.withLock { $0 } }
    func increment() { count.withLock { $0 += 1 } }
}

/// Counts its own end.
final class Token: Sendable {
    private let freed: Counter
    init(_ freed: Counter) { self.freed = freed }
    deinit { freed.increment() }
}
