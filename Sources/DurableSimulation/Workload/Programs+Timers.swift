import DurableCore
import DurableTask

extension Programs {
    /// Durable timers.
    static let timers: [Program] = [nap, chainedTimers, parallelTimers]

    /// Lengths in milliseconds.
    struct Pauses: Codable, Sendable {
        var milliseconds: [Int]
    }

    /// One timer, at times a long one.
    private static let nap = Program("Nap") { _ in
        [
            Orchestration("Nap") { (pauses: Pauses, context: OrchestrationContext) -> String in
                try await pause(pauses.milliseconds[0], context)
            }
        ]
    } plan: { draft in
        // Rarely a long one: while it runs, all that happens are the fleet's heartbeats.
        let milliseconds = draft.chance(0.04) ? draft.int(60_000...600_000) : draft.int(0...5000)
        draft.add("Nap", input: json(Pauses(milliseconds: [milliseconds])), outcomes: [.completed(json("rested"))])
    }

    /// One after the other.
    private static let chainedTimers = Program("ChainedTimers") { _ in
        [
            Orchestration("ChainedTimers") { (pauses: Pauses, context: OrchestrationContext) -> [String] in
                var rests: [String] = []
                for milliseconds in pauses.milliseconds { rests.append(try await pause(milliseconds, context)) }
                return rests
            }
        ]
    } plan: { draft in
        let pauses = Pauses(milliseconds: (0..<draft.int(2...8)).map { _ in draft.int(-5...1500) })
        draft.add(
            "ChainedTimers", input: json(pauses),
            outcomes: [.completed(json(pauses.milliseconds.map { _ in "rested" }))])
    }

    /// All at once, some due at the same time, one with an activity after it.
    private static let parallelTimers = Program("ParallelTimers") { _ in
        [
            Orchestration("ParallelTimers") { (pauses: Pauses, context: OrchestrationContext) -> Int in
                try await withThrowingTaskGroup(of: Int.self) { group in
                    for (index, milliseconds) in pauses.milliseconds.enumerated() {
                        group.addTask {
                            let rest = try await pause(milliseconds, context)
                            let text = index == 0 ? try await context.echo(rest) : rest
                            return text == "rested" ? 1 : 0
                        }
                    }
                    return try await group.reduce(0, +)
                }
            }
        ]
    } plan: { draft in
        let pauses = Pauses(milliseconds: (0..<draft.int(2...15)).map { _ in draft.int(0...6) * 500 })
        draft.add(
            "ParallelTimers", input: json(pauses), outcomes: [.completed(json(pauses.milliseconds.count))])
    }

    private static func pause(_ milliseconds: Int, _ context: OrchestrationContext) async throws -> String {
        let before = context.now
        try await context.sleep(for: .milliseconds(milliseconds))
        return context.now.since(before) >= .milliseconds(milliseconds) ? "rested" : "woken early"
    }
}
