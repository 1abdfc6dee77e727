import DurableCore
import DurableTask

extension Programs {
    /// Many things at once.
    static let groups: [Program] = [fanOut, asyncLet, nestedGroups, cancelledChild]

    struct Width: Codable, Sendable {
        var outer: Int
        var inner = 0
        var milliseconds: [Int]
    }

    /// Activities in a task group, each of its own length.
    private static let fanOut = Program("FanOut") { setting in
        [
            Orchestration("FanOut") { (width: Width, context: OrchestrationContext) -> Int in
                if setting.diverges(context) { try await context.sleep(for: .seconds(1)) }
                return try await withThrowingTaskGroup(of: Int.self) { group in
                    for index in 0..<width.outer {
                        group.addTask {
                            try await context.call(
                                SimulatedActivities.add,
                                .init(value: index, step: index, milliseconds: width.milliseconds[index]))
                        }
                    }
                    return try await group.reduce(0, +)
                }
            }
        ]
    } plan: { draft in
        let count = draft.int(1...20)
        let width = Width(outer: count, milliseconds: (0..<count).map { _ in draft.work() })
        draft.add("FanOut", input: json(width), outcomes: [.completed(json(count * (count - 1)))])
    }

    /// Two activities and a helper with two more, as `async let`.
    private static let asyncLet = Program("AsyncLet") { _ in
        [
            Orchestration("AsyncLet") { (width: Width, context: OrchestrationContext) -> String in
                async let first = context.echo("a", milliseconds: width.milliseconds[0])
                async let second = context.echo("b", milliseconds: width.milliseconds[1])
                async let third = twice("c", context, milliseconds: width.milliseconds[2])
                return try await "\(third)\(first)\(second)"
            }
        ]
    } plan: { draft in
        let width = Width(outer: 3, milliseconds: (0..<3).map { _ in draft.work() })
        draft.add("AsyncLet", input: json(width), outcomes: [.completed(json("c+c-ab"))])
    }

    private static func twice(
        _ text: String, _ context: OrchestrationContext, milliseconds: Int
    ) async throws -> String {
        let first = try await context.echo("\(text)+", milliseconds: milliseconds)
        return try await first + context.echo("\(text)-", milliseconds: milliseconds)
    }

    /// Groups within a group, a timer in each.
    private static let nestedGroups = Program("NestedGroups") { _ in
        [
            Orchestration("NestedGroups") { (width: Width, context: OrchestrationContext) -> Int in
                try await withThrowingTaskGroup(of: Int.self) { group in
                    for outer in 0..<width.outer {
                        group.addTask {
                            async let pause: Void = context.sleep(for: .milliseconds(100 * (outer + 1)))
                            let sum = try await innerSum(outer, width, context)
                            try await pause
                            return sum
                        }
                    }
                    return try await group.reduce(0, +)
                }
            }
        ]
    } plan: { draft in
        let outer = draft.int(1...4)
        let inner = draft.int(1...4)
        let width = Width(outer: outer, inner: inner, milliseconds: (0..<outer).map { _ in draft.work() })
        var sum = 0
        for row in 0..<outer { for column in 0..<inner { sum += row + column } }
        draft.add("NestedGroups", input: json(width), outcomes: [.completed(json(sum))])
    }

    private static func innerSum(
        _ outer: Int, _ width: Width, _ context: OrchestrationContext
    ) async throws -> Int {
        try await withThrowingTaskGroup(of: Int.self) { group in
            for inner in 0..<width.inner {
                group.addTask {
                    try await context.call(
                        SimulatedActivities.add,
                        .init(value: outer, step: inner, milliseconds: width.milliseconds[outer]))
                }
            }
            return try await group.reduce(0, +)
        }
    }

    /// The first answer cancels an activity, a timer and a wait for an event; late answers must do no harm.
    private static let cancelledChild = Program("CancelledChild") { _ in
        [
            Orchestration("CancelledChild") { (width: Width, context: OrchestrationContext) -> String in
                let first = try await withThrowingTaskGroup(of: String.self) { group in
                    group.addTask { try await context.echo("left", milliseconds: width.milliseconds[0]) }
                    group.addTask { try await context.echo("right", milliseconds: width.milliseconds[1]) }
                    group.addTask {
                        try await context.sleep(for: .seconds(7200))
                        return "timer"
                    }
                    group.addTask { try await context.waitForExternalEvent("never", as: Note.self).label }
                    let first = try await group.next() ?? "nobody"
                    group.cancelAll()
                    return first
                }
                // The loser's answer comes while this runs, or later.
                return try await context.echo("after \(first)", milliseconds: width.milliseconds[2])
            }
        ]
    } plan: { draft in
        let width = Width(outer: 3, milliseconds: (0..<3).map { _ in draft.work() })
        draft.add(
            "CancelledChild", input: json(width),
            outcomes: [.completed(json("after left")), .completed(json("after right"))])
    }
}
