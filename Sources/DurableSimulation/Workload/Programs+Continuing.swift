import DurableCore
import DurableTask

extension Programs {
    /// Instances of several executions.
    package static let continuing: [Program] = [rounds, countdown, feeder]

    struct Rounds: Codable, Sendable {
        /// Events, or steps, still to come.
        var left: Int
        var perRound: Int
        /// Whether something is left open whose result comes too late.
        var leavesOpen = false
        var sum = 0
    }

    /// Takes some events an execution; those that come faster wait for the next one.
    private static let rounds = Program("Rounds") { _ in
        [
            Orchestration("Rounds") { (rounds: Rounds, context: OrchestrationContext) -> Int in
                var next = rounds
                context.setCustomStatus("\(rounds.left) left")
                try await withThrowingTaskGroup(of: Void.self) { group in
                    if rounds.leavesOpen {
                        group.addTask { _ = try await context.echo("late") }
                        group.addTask { try await context.sleep(for: .seconds(3600)) }
                    }
                    for _ in 0..<min(rounds.perRound, rounds.left) {
                        next.sum += try await context.waitForExternalEvent("item", as: Note.self).value
                        next.left -= 1
                    }
                    group.cancelAll()
                }
                if rounds.left % 3 == 0 { _ = try await context.echo("round") }
                if next.left == 0 { return next.sum }
                do {
                    try context.continueAsNew(next)
                } catch {
                    // It is the execution's last word all the same, whatever replays the call meanwhile.
                    if rounds.leavesOpen { _ = try await context.echo("tidy up") }
                    throw error
                }
            }
        ]
    } plan: { draft in
        let rounds = draw(&draft, 1...8)
        let id = draft.newID("rounds")
        var sum = 0
        let (index, start) = draft.add("Rounds", id: id, input: json(rounds), isIndependent: false, outcomes: [])
        for value in 1...rounds.left {
            sum += value
            draft.raise("item", to: id, value: value, at: start + draft.duration(.zero ... .seconds(3)))
        }
        let isTerminated = draft.chance(0.2)
        draft.permit([.completed(json(sum))], of: index)
        if isTerminated { draft.terminate(index, at: start + draft.duration(.zero ... .seconds(3))) }
    }

    /// Continues without waiting for anybody, as a child: its parent hears of its last execution's end alone.
    private static let countdown = Program("Countdown") { _ in
        [
            Orchestration("Countdown") { (rounds: Rounds, context: OrchestrationContext) -> Int in
                var next = rounds
                next.left -= 1
                next.sum += 1
                if rounds.left % 2 == 0 { _ = try await context.echo("step") }
                if next.left == 0 { return next.sum }
                try context.continueAsNew(next)
            },
            Orchestration("CountdownParent") { (rounds: Rounds, context: OrchestrationContext) -> Int in
                try await context.callSubOrchestration("Countdown", rounds)
            },
        ]
    } plan: { draft in
        let rounds = draw(&draft, 1...10)
        let outcomes = [Expectation.Outcome.completed(json(rounds.left))]
        let (index, _) = draft.add(
            "Countdown", orchestration: "CountdownParent", input: json(rounds), isIndependent: false,
            outcomes: outcomes)
        let parent = draft.instances[index]
        _ = draft.addChild(
            "Countdown", orchestration: "Countdown", id: InstanceID("\(parent.startID):0"), of: parent, event: 0,
            input: json(rounds), outcomes: outcomes)
    }

    struct Feed: Codable, Sendable {
        var target: InstanceID
        var rounds: Rounds
        var pauseMilliseconds: Int
    }

    /// Sends its child events, which come in order whichever execution they meet.
    private static let feeder = Program("Feeder") { _ in
        [
            Orchestration("Feeder") { (feed: Feed, context: OrchestrationContext) -> Int in
                async let sum: Int = context.callSubOrchestration(
                    "Rounds", feed.rounds, instanceID: feed.target)
                // The child is asked for while this waits; what was sent before it would meet nobody.
                _ = try await context.echo("ready")
                for value in 1...feed.rounds.left {
                    context.send("item", to: feed.target, value, number: value, bytes: 0)
                    if value % 2 == 0 { try await context.sleep(for: .milliseconds(feed.pauseMilliseconds)) }
                }
                return try await sum
            }
        ]
    } plan: { draft in
        let id = draft.newID("fed")
        let feed = Feed(target: id, rounds: draw(&draft, 2...12), pauseMilliseconds: draft.int(0...400))
        let outcomes = [Expectation.Outcome.completed(json(feed.rounds.left * (feed.rounds.left + 1) / 2))]
        let (index, _) = draft.add("Feeder", input: json(feed), isIndependent: false, outcomes: outcomes)
        _ = draft.addChild(
            "Feeder", orchestration: "Rounds", id: id, of: draft.instances[index], event: 1,
            input: json(feed.rounds), outcomes: outcomes)
    }

    private static func draw(_ draft: inout WorkloadDraft, _ count: ClosedRange<Int>) -> Rounds {
        Rounds(left: draft.int(count), perRound: draft.int(1...3), leavesOpen: draft.chance(0.5))
    }
}
