import DurableCore
import DurableTask

extension Programs {
    /// What goes wrong, as planned.
    static let failures: [Program] = [retryLoop, caughtFailure, uncaughtFailure, throwing, failingGroup, fuse]

    struct Trouble: Codable, Sendable {
        var label: String
        var attempts: Int
        var milliseconds: Int
    }

    /// Tries again after a pause that doubles, on a durable timer.
    private static let retryLoop = Program("RetryLoop") { _ in
        [
            Orchestration("RetryLoop") { (trouble: Trouble, context: OrchestrationContext) -> String in
                var failures = 0
                while true {
                    do {
                        let answer = try await context.call(
                            SimulatedActivities.flaky,
                            .init(
                                label: trouble.label, number: failures + 1, succeedsAt: trouble.attempts,
                                milliseconds: trouble.milliseconds))
                        return "\(answer) after \(failures) failures"
                    } catch is ActivityFailure {
                        failures += 1
                        try await context.sleep(for: .milliseconds(100 << failures))
                    }
                }
            }
        ]
    } plan: { draft in
        let trouble = Trouble(label: "order", attempts: draft.int(1...5), milliseconds: draft.work())
        draft.add(
            "RetryLoop", input: json(trouble),
            outcomes: [.completed(json("order done after \(trouble.attempts - 1) failures"))])
    }

    /// Fails, undoes, ends well.
    private static let caughtFailure = Program("CaughtFailure") { _ in
        [
            Orchestration("CaughtFailure") { (trouble: Trouble, context: OrchestrationContext) -> String in
                do {
                    return try await context.call(
                        SimulatedActivities.broken, .init(text: trouble.label, milliseconds: trouble.milliseconds))
                } catch let failure as ActivityFailure {
                    return try await context.echo("undone: \(failure.details.message)")
                }
            }
        ]
    } plan: { draft in
        let trouble = Trouble(label: "payment \(draft.int(0...9))", attempts: 0, milliseconds: draft.work())
        let message = SimulatedActivities.failure(of: trouble.label).message
        draft.add(
            "CaughtFailure", input: json(trouble), outcomes: [.completed(json("undone: \(message)"))])
    }

    /// The activity's failure is the instance's.
    private static let uncaughtFailure = Program("UncaughtFailure") { _ in
        [
            Orchestration("UncaughtFailure") { (trouble: Trouble, context: OrchestrationContext) -> String in
                _ = try await context.echo("before")
                return try await context.call(
                    SimulatedActivities.broken, .init(text: trouble.label, milliseconds: trouble.milliseconds))
            }
        ]
    } plan: { draft in
        let trouble = Trouble(label: "delivery \(draft.int(0...9))", attempts: 0, milliseconds: draft.work())
        let failure = ActivityFailure(
            activityName: SimulatedActivities.broken.name, taskID: EventID(1),
            details: SimulatedActivities.failure(of: trouble.label))
        draft.add(
            "UncaughtFailure", input: json(trouble), outcomes: [.failed(FailureDetails(describing: failure))])
    }

    /// Ends its worker in the middle, where the code that is deployed does so.
    static let fuse = Program("Fuse") { setting in
        [
            Orchestration("Fuse") { (trouble: Trouble, context: OrchestrationContext) -> String in
                let answer = try await context.echo(trouble.label, milliseconds: trouble.milliseconds)
                if setting.variant == .trapping { setting.services.trap(context.instanceID) }
                return try await context.echo("\(answer) held")
            }
        ]
    } plan: { draft in
        let trouble = Trouble(label: "fuse \(draft.int(0...9))", attempts: 0, milliseconds: draft.work())
        draft.add("Fuse", input: json(trouble), outcomes: [.completed(json("\(trouble.label) held"))])
    }

    struct Refusal: Error, CustomStringConvertible {
        var label: String
        var description: String { "refused \(label)" }
    }

    /// Throws an error of its own, at once or after an activity.
    private static let throwing = Program("Throwing") { _ in
        [
            Orchestration("Throwing") { (trouble: Trouble, context: OrchestrationContext) -> String in
                for attempt in 0..<trouble.attempts { _ = try await context.echo("attempt \(attempt)") }
                throw Refusal(label: trouble.label)
            }
        ]
    } plan: { draft in
        let trouble = Trouble(label: "visit \(draft.int(0...9))", attempts: draft.int(0...2), milliseconds: 0)
        draft.add(
            "Throwing", input: json(trouble),
            outcomes: [.failed(FailureDetails(describing: Refusal(label: trouble.label)))])
    }

    /// One child fails: its siblings are cancelled, and what was done is undone.
    private static let failingGroup = Program("FailingGroup") { _ in
        [
            Orchestration("FailingGroup") { (trouble: Trouble, context: OrchestrationContext) -> String in
                do {
                    try await withThrowingTaskGroup(of: Void.self) { group in
                        group.addTask { _ = try await context.echo("fine", milliseconds: trouble.milliseconds) }
                        group.addTask {
                            _ = try await context.call(
                                SimulatedActivities.broken,
                                .init(text: trouble.label, milliseconds: trouble.milliseconds / 2))
                        }
                        group.addTask { try await context.sleep(for: .seconds(7200)) }
                        // Not `waitForAll`, which throws only when the last child is done.
                        for try await _ in group {}
                    }
                    return "nothing failed"
                } catch let failure as ActivityFailure {
                    return try await context.echo("undone after \(failure.details.message)")
                }
            }
        ]
    } plan: { draft in
        let trouble = Trouble(label: "booking \(draft.int(0...9))", attempts: 0, milliseconds: draft.work())
        let message = SimulatedActivities.failure(of: trouble.label).message
        draft.add(
            "FailingGroup", input: json(trouble), outcomes: [.completed(json("undone after \(message)"))])
    }
}
