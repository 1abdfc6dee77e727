package import DurableBackend
import DurableCore

/// A wait that somebody else can cut short, once and for all: backing off must not delay a stop.
package final class Pause: Sendable {
    private struct State {
        var isOver = false
        var naps: [Int: Task<Void, Never>] = [:]  // look-up only
        var nextNap = 0
    }

    private let clock: any EngineClock
    private let state = PlatformLock(State())

    package init(clock: any EngineClock) { self.clock = clock }

    /// Returns after `duration`, or as soon as `end()` is called; at once if it was.
    package func sleep(for duration: Duration) async {
        let clock = clock
        let nap = Task { await clock.sleep(for: duration) }
        let number = state.withLock { state -> Int? in
            if state.isOver { return nil }
            state.nextNap += 1
            state.naps[state.nextNap] = nap
            return state.nextNap
        }
        guard let number else {
            nap.cancel()
            return
        }
        await nap.value
        state.withLock { _ = $0.naps.removeValue(forKey: number) }
    }

    package func end() {
        let naps = state.withLock { state in
            state.isOver = true
            return state.naps
        }
        for nap in naps.values { nap.cancel() }
    }
}

/// Lets others run who wait for the caller's executor. Not `Task.yield`, which resumes on a thread of its own choice: the
/// simulation could not order it.
func giveWay() async { await Task {}.value }
