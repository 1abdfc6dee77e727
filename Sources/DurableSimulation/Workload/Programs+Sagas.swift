import DurableCore
import DurableTask

extension Programs {
    struct Trip: Codable, Sendable {
        var steps: Int
        /// The step that fails; `steps`: none.
        var failsAt: Int
        /// Compensations at once, not in reverse order.
        var isParallel: Bool
        var patience: Patience
        var milliseconds: Int

        static func draw(_ draft: inout WorkloadDraft, steps: ClosedRange<Int>) -> Self {
            let steps = draft.int(steps)
            return Trip(
                steps: steps, failsAt: draft.int(0...steps), isParallel: draft.chance(0.3),
                patience: .draw(&draft, attempts: .max), milliseconds: draft.work())
        }
    }

    /// What a step, and what undoing it, has "Echo" say.
    static func doing(_ step: Int) -> String { "do \(step)" }
    static func undoing(_ step: Int) -> String { "undo \(step)" }

    /// Steps that are undone when one of them fails.
    static let sagaProgram = Program("Saga") { _ in
        [
            Orchestration("Saga") { (trip: Trip, context: OrchestrationContext) -> String in
                do {
                    try await context.go(on: trip)
                    return "done"
                } catch let failure as ActivityFailure {
                    return try await context.echo("undone after \(failure.details.message)")
                }
            }
        ]
    } plan: { draft in
        let trip = Trip.draw(&draft, steps: 1...4)
        let message = SimulatedActivities.failure(of: doing(trip.failsAt)).message
        draft.add(
            "Saga", input: json(trip),
            outcomes: [.completed(json(trip.failsAt < trip.steps ? "undone after \(message)" : "done"))])
    }

    /// The same in a child task that is cancelled, wherever it is then: what it did is undone all the same.
    static let cancelledSaga = Program("CancelledSaga") { _ in
        [
            Orchestration("CancelledSaga") { (trip: Trip, context: OrchestrationContext) -> String in
                do {
                    try await withThrowingTaskGroup(of: Void.self) { group in
                        group.addTask { try await context.go(on: trip, waitingAtTheEnd: true) }
                        group.addTask {
                            try await context.sleep(for: .milliseconds(2 * trip.milliseconds))
                            throw Refusal(label: "trip")
                        }
                        // Not `waitForAll`, which throws only when the last child is done.
                        for try await _ in group {}
                    }
                    return "nothing failed"
                } catch is Refusal {
                    return try await context.echo("called off")
                }
            }
        ]
    } plan: { draft in
        var trip = Trip.draw(&draft, steps: 1...4)
        trip.failsAt = trip.steps
        draft.add("CancelledSaga", input: json(trip), outcomes: [.completed(json("called off"))])
    }
}

extension OrchestrationContext {
    fileprivate func go(on trip: Programs.Trip, waitingAtTheEnd: Bool = false) async throws {
        try await withCompensation(order: trip.isParallel ? .parallel : .reverse) { saga in
            for step in 0..<trip.steps {
                // First: a step that is cancelled may have been made.
                saga.addCompensation {
                    _ = try await echo(Programs.undoing(step), milliseconds: trip.milliseconds)
                    try await sleep(for: .milliseconds(trip.milliseconds))
                    try await undoStubbornly(trip)
                }
                if step == trip.failsAt {
                    _ = try await call(
                        SimulatedActivities.broken,
                        .init(text: Programs.doing(step), milliseconds: trip.milliseconds))
                }
                _ = try await echo(Programs.doing(step), milliseconds: trip.milliseconds)
            }
            if waitingAtTheEnd { try await sleep(for: .seconds(7200)) }
        }
    }

    /// Needs a second or third attempt at most.
    private func undoStubbornly(_ trip: Programs.Trip) async throws {
        let _: String = try await callActivity(
            SimulatedActivities.flaky.name,
            SimulatedActivities.Attempt(
                label: "undo", number: 0, succeedsAt: 1, milliseconds: trip.milliseconds,
                succeedsFrom: 3 * trip.steps),
            retry: trip.patience.policy)
    }
}
