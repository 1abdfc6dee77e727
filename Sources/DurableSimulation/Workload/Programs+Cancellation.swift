import DurableCore
import DurableTask

extension Programs {
    /// What is called off, from outside or by the code that waits for it.
    package static let cancellations: [Program] = [withdrawn, race]

    struct Withdrawal: Codable, Sendable {
        var steps: Int
        /// Whether it undoes what it did when it is terminated.
        var includesTermination: Bool
        var milliseconds: Int
    }

    /// Steps that are undone when the instance is cancelled, or terminated if it asked for that.
    private static let withdrawn = Program("Withdrawn") { _ in
        [
            Orchestration("Withdrawn") { (plan: Withdrawal, context: OrchestrationContext) -> String in
                try await context.withCompensation(includingTermination: plan.includesTermination) { saga in
                    for step in 0..<plan.steps {
                        saga.addCompensation {
                            _ = try await context.echo(undoing(step), milliseconds: plan.milliseconds)
                        }
                        _ = try await context.echo(doing(step), milliseconds: plan.milliseconds)
                        try await context.sleep(for: .milliseconds(plan.milliseconds))
                    }
                }
                return "done"
            }
        ]
    } plan: { draft in
        let plan = Withdrawal(
            steps: draft.int(1...4), includesTermination: draft.chance(0.6), milliseconds: draft.work())
        let (index, start) = draft.add(
            "Withdrawn", input: json(plan), isIndependent: false, outcomes: [.completed(json("done"))])
        let time = start + draft.duration(.zero ... .seconds(4))
        if draft.chance(0.6) { draft.cancel(index, at: time) }
        if draft.chance(0.6) { draft.terminate(index, at: time + draft.duration(.zero ... .seconds(1))) }
    }

    struct Heat: Codable, Sendable {
        var child: InstanceID
        var children: Int
        /// After which the race is called off.
        var milliseconds: Int
        /// Of a child's work.
        var childMilliseconds: Int
    }

    /// Activities and children against a timer: who is late is called off. Each child undoes what it did then.
    private static let race = Program("Race") { _ in
        [
            Orchestration("Race") { (heat: Heat, context: OrchestrationContext) -> String in
                await withTaskGroup(of: Bool.self) { group in
                    for number in 0..<heat.children {
                        group.addTask {
                            _ = try? await context.callSubOrchestration(
                                "Runner", heat.childMilliseconds, instanceID: heat.runner(number), as: String.self)
                            return false
                        }
                        group.addTask {
                            _ = try? await context.echo("run \(number)", milliseconds: heat.childMilliseconds)
                            return false
                        }
                    }
                    group.addTask {
                        try? await context.sleep(for: .milliseconds(heat.milliseconds))
                        return true
                    }
                    for await isOver in group where isOver { group.cancelAll() }
                }
                return try await context.echo("over")
            },
            Orchestration("Runner") { (milliseconds: Int, context: OrchestrationContext) -> String in
                try await context.withCompensation { saga in
                    saga.addCompensation { _ = try await context.echo("walk back", milliseconds: milliseconds) }
                    _ = try await context.echo("run", milliseconds: milliseconds)
                    try await context.sleep(for: .milliseconds(milliseconds))
                }
                return "there"
            },
        ]
    } plan: { draft in
        let id = draft.newID("heat")
        let heat = Heat(
            child: draft.newID("runner"), children: draft.int(1...3), milliseconds: draft.int(1...3000),
            childMilliseconds: draft.work())
        let (index, start) = draft.add(
            "Race", id: id, input: json(heat), isIndependent: false, outcomes: [.completed(json("over"))])
        let isCancelled = draft.chance(0.3)
        if isCancelled { draft.cancel(index, at: start + draft.duration(.zero ... .seconds(4))) }
        for number in 0..<heat.children {
            // Called for in this order, each before the activity that runs beside it.
            var permitted: [Expectation.Outcome] = [.completed(json("there")), .canceled(reason: nil)]
            if isCancelled { permitted.append(.absent) }
            _ = draft.addChild(
                "Race", orchestration: "Runner", id: heat.runner(number), of: draft.instances[index],
                event: 2 * number, input: json(heat.childMilliseconds), outcomes: permitted)
        }
    }
}

extension Programs.Heat {
    fileprivate func runner(_ number: Int) -> InstanceID { InstanceID("\(child.value)-\(number)") }
}
