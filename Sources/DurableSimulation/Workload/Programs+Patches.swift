import DurableCore
import DurableTask

extension Programs {
    /// What is changed while it is under way.
    package static let patches: [Program] = [patched, patchRemoved]

    struct Route: Codable, Sendable {
        var rounds: Int
        var milliseconds: Int
    }

    /// Goes another way since a patch, which the divergent code does not have: an execution goes one way or the other,
    /// in each round and in each child.
    private static let patched = Program("Patched") { setting in
        [
            Orchestration("Patched") { (route: Route, context: OrchestrationContext) -> [String] in
                @Sendable func way() -> String {
                    setting.variant != .divergent && context.isPatched("other way") ? "new" : "old"
                }
                _ = try await context.echo("before", milliseconds: route.milliseconds)
                var ways: [String] = []
                for _ in 0..<route.rounds {
                    let way = way()
                    if way == "new" { try await context.sleep(for: .milliseconds(route.milliseconds)) }
                    ways.append(try await context.echo(way, milliseconds: route.milliseconds))
                }
                return try await withThrowingTaskGroup(of: String.self) { group in
                    for _ in 0..<2 {
                        group.addTask {
                            let before = way()
                            let answer = try await context.echo(before, milliseconds: route.milliseconds)
                            return answer == way() ? answer : "both"
                        }
                    }
                    for try await way in group { ways.append(way) }
                    return ways
                }
            }
        ]
    } plan: { draft in
        let route = Route(rounds: draft.int(1...3), milliseconds: draft.work())
        let ends = ["new", "old"].map { way in
            Expectation.Outcome.completed(json(Array(repeating: way, count: route.rounds + 2)))
        }
        draft.add("Patched", input: json(route), outcomes: ends)
    }

    /// Has one way again. The original still says so, the compatible code asks no more.
    private static let patchRemoved = Program("PatchRemoved") { setting in
        [
            Orchestration("PatchRemoved") { (route: Route, context: OrchestrationContext) -> Int in
                for round in 0..<route.rounds {
                    _ = try await context.echo("round \(round)", milliseconds: route.milliseconds)
                    if setting.variant != .compatible { context.deprecatePatch("other way") }
                    try await context.sleep(for: .milliseconds(route.milliseconds))
                }
                return route.rounds
            }
        ]
    } plan: { draft in
        let route = Route(rounds: draft.int(1...3), milliseconds: draft.work())
        draft.add("PatchRemoved", input: json(route), outcomes: [.completed(json(route.rounds))])
    }
}
