import DurableCore
import DurableTask
import Testing

extension Driver {
    /// Runs code to its end, and checks that it takes the same turns when the history, or a beginning of it, is replayed.
    static func checkTurns(
        of code: (Trace) -> AnyOrchestration, to outcome: String, seed: UInt64, usesFastPath: Bool,
        external: [HistoryEvent.Kind] = []
    ) throws {
        var options = NativeOrchestration.Options()
        options.usesFastPath = usesFastPath
        let trace = Trace()
        var driver = Driver(code(trace), options: options)
        try driver.runToEnd(seed: seed, external: external, trace: trace)
        #expect(driver.outcome == outcome)
        let history = driver.history
        for count in 0...history.count {
            let again = Trace()
            let session = session(code(again), options: options)
            defer { session.evict() }
            try session.replay(Array(history.prefix(count)))
            let expected = count == history.count ? trace.lines.count : again.lines.count
            #expect(again.lines == Array(trace.lines.prefix(expected)))
        }
    }
}
