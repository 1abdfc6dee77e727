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
        Scenario(name: "a saga is cancelled and undoes what it did") { context, trace in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for order in [CompensationOrder.reverse, .parallel, .reverseUntilFailure] {
                    group.addTask {
                        do {
                            try await context.withCompensation(order: order) { saga in
                                for index in 0..<3 {
                                    saga.addCompensation {
                                        _ = try await trace.echo("undo \(order) \(index)", context)
                                        try await context.sleep(for: .seconds(index))
                                        _ = try await trace.echo(index == 1 ? "failUndo" : "undone", context)
                                    }
                                    _ = try await trace.echo("do \(order) \(index)", context)
                                }
                                try await context.waitForExternalEvent("never")
                            }
                        } catch {
                            trace.say("\(order) ended with \(error)", context)
                        }
                    }
                }
                for index in 0..<3 { _ = try await trace.echo("beside \(index)", context) }
                group.cancelAll()
                try await group.waitForAll()
            }
            return try await trace.echo("after", context)
        },
        Scenario(name: "sagas inside a private actor") { context, trace in
            let agency = Agency()
            return try await withThrowingTaskGroup(of: String.self) { group in
                for name in ["a", "b", "c"] {
                    group.addTask {
                        do {
                            return try await agency.book(name, context, trace)
                        } catch let failure as ActivityFailure { return failure.activityName }
                    }
                }
                let text = try await group.reduce("", +)
                return await text + agency.log.joined(separator: ",")
            }
        },
    ]
}

private actor Agency {
    var log: [String] = []

    func book(_ name: String, _ context: OrchestrationContext, _ trace: Trace) async throws -> String {
        try await context.withCompensation(order: .parallel) { saga in
            for index in 0..<2 {
                log.append(try await trace.echo("\(name)\(index)", context))
                saga.addCompensation { await self.note(try await trace.echo("undo \(name)\(index)", context)) }
            }
            return try await trace.echo("fail\(name)", context)
        }
    }

    private func note(_ text: String) { log.append(text) }
}
