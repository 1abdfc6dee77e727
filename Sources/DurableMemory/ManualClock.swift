internal import DurableBackend
package import DurableCore

/// A clock that stands still until a test moves it, and tells the test when someone waits for it.
package final class ManualClock: EngineClock {
    private struct State {
        var now: Timestamp
        var nextID: UInt64 = 0
        var sleepers: [Sleeper] = []
        var watchers: [Watcher] = []
    }

    private struct Sleeper {
        var id: UInt64
        var due: Timestamp
        var continuation: UnsafeContinuation<Void, Never>
    }

    private struct Watcher {
        var id: UInt64
        var isSatisfied: @Sendable ([Timestamp]) -> Bool
        var continuation: UnsafeContinuation<Void, Never>
    }

    private let state: PlatformLock<State>

    package init(startingAt time: Timestamp = Timestamp(millisecondsSinceEpoch: 1_795_510_800_000)) {
        state = PlatformLock(State(now: time))
    }

    package func now() -> Timestamp { state.withLock(\.now) }

    package func uptime() -> Duration { now().since(Timestamp(millisecondsSinceEpoch: 0)) }

    /// When each sleeper is due, earliest first.
    package var sleepers: [Timestamp] { state.withLock { $0.sleepers.map(\.due).sorted() } }

    /// When the next sleeper is due; nil: nobody sleeps.
    package var nextDue: Timestamp? { sleepers.first }

    package func sleep(for duration: Duration) async {
        if duration <= .zero { return }
        let id = state.withLock { state in
            state.nextID += 1
            return state.nextID
        }
        await withTaskCancellationHandler {
            await withUnsafeContinuation { (continuation: UnsafeContinuation<Void, Never>) in
                let ready = state.withLock { state -> [UnsafeContinuation<Void, Never>] in
                    if Task.isCancelled { return [continuation] }
                    state.sleepers.append(
                        Sleeper(id: id, due: state.now + duration, continuation: continuation))
                    return Self.takeSatisfied(&state)
                }
                for continuation in ready { continuation.resume() }
            }
        } onCancel: {
            let sleeper = state.withLock { state -> Sleeper? in
                state.sleepers.firstIndex { $0.id == id }.map { state.sleepers.remove(at: $0) }
            }
            sleeper?.continuation.resume()
        }
    }

    /// Moves time on and wakes whoever is due by then, in order of due time, then of arrival.
    package func advance(by duration: Duration) {
        let due = state.withLock { state -> [Sleeper] in
            state.now = state.now + duration
            let now = state.now
            let due = state.sleepers.filter { $0.due <= now }
            state.sleepers.removeAll { $0.due <= now }
            return due.sorted { ($0.due, $0.id) < ($1.due, $1.id) }
        }
        for sleeper in due { sleeper.continuation.resume() }
    }

    /// Moves time to `time`, unless it is past already.
    package func advance(to time: Timestamp) {
        let duration = time.since(now())
        if duration > .zero { advance(by: duration) }
    }

    /// Returns once at least `count` sleep at the same time.
    package func waitForSleepers(_ count: Int) async {
        await wait { $0.count >= count }
    }

    /// Returns once someone sleeps until exactly `time`: the timer a test is about to fire is armed.
    package func waitForSleeper(until time: Timestamp) async {
        await wait { $0.contains(time) }
    }

    private func wait(until isSatisfied: @escaping @Sendable ([Timestamp]) -> Bool) async {
        let id = state.withLock { state in
            state.nextID += 1
            return state.nextID
        }
        await withTaskCancellationHandler {
            await withUnsafeContinuation { (continuation: UnsafeContinuation<Void, Never>) in
                let ready = state.withLock { state -> [UnsafeContinuation<Void, Never>] in
                    if Task.isCancelled { return [continuation] }
                    state.watchers.append(Watcher(id: id, isSatisfied: isSatisfied, continuation: continuation))
                    return Self.takeSatisfied(&state)
                }
                for continuation in ready { continuation.resume() }
            }
        } onCancel: {
            let watcher = state.withLock { state -> Watcher? in
                state.watchers.firstIndex { $0.id == id }.map { state.watchers.remove(at: $0) }
            }
            watcher?.continuation.resume()
        }
    }

    private static func takeSatisfied(_ state: inout State) -> [UnsafeContinuation<Void, Never>] {
        let dues = state.sleepers.map(\.due)
        let satisfied = state.watchers.filter { $0.isSatisfied(dues) }
        state.watchers.removeAll { watcher in satisfied.contains { $0.id == watcher.id } }
        return satisfied.map(\.continuation)
    }
}
