import DurableCore
import DurableTask
import Testing

@Suite("Determinism") struct DeterminismTests {
    @Test("Replay of every prefix takes the way of the cached run", arguments: Scenario.all)
    func replayEqualsCachedRun(_ scenario: Scenario) throws {
        for seed in 0..<25 as Range<UInt64> {
            let trace = Trace()
            var live = Driver(scenario.orchestration(trace))
            try live.runToEnd(seed: seed, external: scenario.external, trace: trace)
            #expect(live.outcome?.hasPrefix("completed") == true, "seed \(seed): \(live.outcome ?? "still running")")
            live.session.evict()
            for cut in live.episodes.indices {
                for usesFastPath in [true, false] {
                    try check(
                        scenario, live, liveTrace: trace.lines, upTo: cut, usesFastPath: usesFastPath, seed: seed)
                }
            }
        }
    }

    @Test("Each order of completion is a way of its own") func ordersDiffer() throws {
        let scenario = try #require(Scenario.all.first { $0.name.hasPrefix("group of 20") })
        let ways = try (0..<25 as Range<UInt64>).map { seed in
            let trace = Trace()
            var live = Driver(scenario.orchestration(trace))
            try live.runToEnd(seed: seed, trace: trace)
            return trace.lines
        }
        #expect(Set(ways).count == 25)
    }

    /// Replays the episodes before `cut` in pages of random size, runs that one, and compares.
    private func check(
        _ scenario: Scenario, _ live: Driver, liveTrace: [String], upTo cut: Int, usesFastPath: Bool, seed: UInt64
    ) throws {
        let place: Testing.Comment = "\(scenario.name), seed \(seed), episode \(cut), fast path \(usesFastPath)"
        var generator = SeededGenerator(seed: seed &+ UInt64(cut))
        let trace = Trace()
        var options = NativeOrchestration.Options()
        options.usesFastPath = usesFastPath
        var past = live.episodes[..<cut].flatMap(\.history)[...]
        let session = Driver.session(
            scenario.orchestration(trace), patches: past.recordedPatches, options: options)
        while !past.isEmpty {
            let page = past.prefix(Int.random(in: 1...8, using: &generator))
            try session.replay(Array(page))
            past = past.dropFirst(page.count)
        }
        let before = cut == 0 ? 0 : live.episodes[cut - 1].traceLength
        #expect(trace.lines == Array(liveTrace.prefix(before)), place)
        #expect(trace.freshCount == 0, place)
        let actions = try session.run(live.episodes[cut].newEvents)
        #expect(actions == live.episodes[cut].actions, place)
        #expect(trace.lines == Array(liveTrace.prefix(live.episodes[cut].traceLength)), place)
        #expect(trace.freshCount == live.episodes[cut].traceLength - before, place)
        session.evict()
    }
}
