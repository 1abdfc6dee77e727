import DurableCore
import DurableMemory
import Testing

@Suite("Manual clock") struct ManualClockTests {
    @Test("Time stands still until it is moved, and a sleeper wakes when it is due, not before")
    func sleepers() async {
        let clock = ManualClock()
        let start = clock.now()
        let order = Recorder()
        await withTaskGroup(of: Void.self) { group in
            for seconds in [3, 1, 2] {
                group.addTask {
                    await clock.sleep(for: .seconds(seconds))
                    await order.add("\(seconds) at \(clock.now().since(start))")
                }
                await clock.waitForSleeper(until: start + .seconds(seconds))
            }
            #expect(clock.sleepers == [1, 2, 3].map { start + .seconds($0) })
            for seconds in [1, 2, 3] {
                clock.advance(by: .milliseconds(999))
                #expect(clock.nextDue == start + .seconds(seconds))
                clock.advance(by: .milliseconds(1))
                await group.next()
            }
            #expect(clock.nextDue == nil)
        }
        #expect(await order.texts == (1...3).map { "\($0) at \(Duration.seconds($0))" })
    }

    @Test("A cancelled sleeper returns and is forgotten")
    func cancellation() async {
        let clock = ManualClock()
        let task = Task { await clock.sleep(for: .seconds(60)) }
        await clock.waitForSleepers(1)
        task.cancel()
        await task.value
        #expect(clock.sleepers.isEmpty)
        await Task { await clock.sleep(for: .seconds(60)) }.cancelledValue
        #expect(clock.sleepers.isEmpty)
    }

    @Test("No time is no wait")
    func zero() async {
        let clock = ManualClock()
        await clock.sleep(for: .zero)
        await clock.sleep(for: .seconds(-1))
        clock.advance(to: clock.now() - .seconds(5))
        #expect(clock.now() == ManualClock().now())
    }
}

extension Task where Failure == Never {
    /// Cancels at once, then waits.
    var cancelledValue: Success {
        get async {
            cancel()
            return await value
        }
    }
}

actor Recorder {
    private(set) var texts: [String] = []
    func add(_ text: String) { texts.append(text) }
}
