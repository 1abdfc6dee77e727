import DurableCore
import DurableTask

extension Scenario {
    /// What is tried again, and what is undone.
    static let recoveries: [Scenario] = [
        Scenario(name: "retries with jitter, side by side, one cancelled between its attempts") { context, trace in
            let policy = RetryPolicy(
                maximumAttempts: .max, firstInterval: .seconds(1), backoffCoefficient: 1.5, jitter: 0.5)
            return try await withThrowingTaskGroup(of: String.self) { group in
                for index in 0..<4 {
                    group.addTask {
                        let result = try await context.callActivity(
                            "flaky\(index)", "\(index)", retry: policy, as: String.self)
                        trace.say("\(index) at \(context.now), \(context.randomNumberGenerator.next())", context)
                        return result
                    }
                }
                group.addTask {
                    try await context.callSubOrchestration(
                        "flakyChild", "c", instanceID: InstanceID("c"), retry: policy, as: String.self)
                }
                group.addTask {
                    do {
                        let _: String = try await context.callActivity("failAlways", "x", retry: policy)
                    } catch is CancellationError { trace.say("stopped", context) }
                    return ""
                }
                var text = ""
                for _ in 0..<5 { text += try await group.next() ?? "nothing" }
                group.cancelAll()
                return text
            }
        },
    ]
}
