package import DurableBackend
package import DurableCore

/// Waits for a payload store, but not for ever, and leaves one alone for a while that is in trouble: whoever waits
/// holds others up.
///
/// Trouble is that it did not answer in time, or failed as `.unavailable`.
package final class StorePatience: Sendable {
    /// How long anybody waits for the store at most.
    package static var limit: Duration { .seconds(10) }
    /// How long it is not asked for anything after trouble.
    package static var respite: Duration { .seconds(5) }

    private let clock: any EngineClock
    /// By the clock's uptime.
    private let troubleEnd = PlatformLock(Duration.zero)

    package init(clock: any EngineClock) { self.clock = clock }

    /// Has the store do several things at a time, and waits for all of them.
    ///
    /// - Returns: What came of each, in order; `.unavailable` where it did not answer in time or before the task was
    ///   cancelled, and for all when it is in trouble.
    package func results<Value: Sendable>(
        of work: [@Sendable () async throws(PayloadFault) -> Value]
    ) async -> [Result<Value, PayloadFault>] {
        if clock.uptime() < troubleEnd.withLock({ $0 }) { return work.map { _ in .failure(Self.silence) } }
        let deadline = clock.uptime() + Self.limit
        let outcomes = PlatformLock([Result<Value, PayloadFault>?](repeating: nil, count: work.count))
        let finished = Signal()
        for (index, work) in work.enumerated() {
            // Not in a group: one that does not answer cannot be waited for.
            Task {
                let result: Result<Value, PayloadFault>
                do throws(PayloadFault) {
                    result = .success(try await work())
                } catch {
                    result = .failure(error)
                }
                outcomes.withLock { $0[index] = result }
                finished.raise()
            }
        }
        let alarm = finished.raise(after: Self.limit, by: clock)
        while outcomes.withLock({ $0.contains { $0 == nil } }), clock.uptime() < deadline, !Task.isCancelled {
            await finished.wait()
        }
        alarm.cancel()
        let results = outcomes.withLock { $0 }.map { $0 ?? .failure(Self.silence) }
        if results.contains(where: \.isTrouble) {
            troubleEnd.withLock { $0 = clock.uptime() + Self.respite }
        }
        return results
    }

    /// The same for one thing.
    package func result<Value: Sendable>(
        of work: @escaping @Sendable () async throws(PayloadFault) -> Value
    ) async throws(PayloadFault) -> Value {
        try await results(of: [work])[0].get()
    }

    private static let silence = PayloadFault(
        .unavailable, "DTQ2019", "the payload store does not answer",
        remedy: "See to it that it can be reached; nothing is lost meanwhile")
}

extension Result where Failure == PayloadFault {
    fileprivate var isTrouble: Bool { if case .failure(let fault) = self { fault.kind == .unavailable } else { false } }
}
