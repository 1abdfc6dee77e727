import DurableCore
import DurableTask

extension Programs {
    /// External events of clients.
    static let events: [Program] = [timerAgainstEvent, timedWait, waiters, eventCounter, earlyEvent, waitsForEver]

    struct Waits: Codable, Sendable {
        var count: Int
        var milliseconds: Int
    }

    /// Whatever comes first; the loser is cancelled.
    private static let timerAgainstEvent = Program("TimerAgainstEvent") { _ in
        [
            Orchestration("TimerAgainstEvent") { (waits: Waits, context: OrchestrationContext) -> String in
                let first = try await withThrowingTaskGroup(of: String.self) { group in
                    group.addTask { try await context.waitForExternalEvent("approval", as: Note.self).label }
                    group.addTask {
                        try await context.sleep(for: .milliseconds(waits.milliseconds))
                        return "timer"
                    }
                    let first = try await group.next() ?? "nobody"
                    group.cancelAll()
                    return first
                }
                return try await context.echo(first)
            }
        ]
    } plan: { draft in
        let waits = Waits(count: draft.int(0...2), milliseconds: draft.int(1000...6000))
        var outcomes = [Expectation.Outcome.completed(json("timer"))]
        let id = draft.newID("race")
        let (index, start) = draft.add("TimerAgainstEvent", id: id, input: json(waits), outcomes: outcomes)
        for _ in 0..<waits.count {
            let time = start + draft.duration(.zero ... .milliseconds(2 * waits.milliseconds))
            let note = draft.raise("approval", to: id, at: time, mustArrive: false)
            outcomes.append(.completed(json(note.label)))
        }
        draft.permit(outcomes, of: index)
    }

    /// Waits with a limit, again and again until the events are there.
    private static let timedWait = Program("TimedWait") { _ in
        [
            Orchestration("TimedWait") { (waits: Waits, context: OrchestrationContext) -> Int in
                var sum = 0
                var left = waits.count
                var silences = 0
                while left > 0 {
                    do {
                        sum += try await context.waitForExternalEvent(
                            "item", as: Note.self, timeout: .milliseconds(waits.milliseconds)
                        ).value
                        left -= 1
                    } catch is ExternalEventTimeout {
                        silences += 1
                        context.setCustomStatus("silent \(silences) times")
                    }
                }
                return sum
            }
        ]
    } plan: { draft in
        let waits = Waits(count: draft.int(1...4), milliseconds: draft.int(300...2000))
        planEvents("TimedWait", "item", waits, &draft)
    }

    /// Several wait for the same event at once; each event goes to one of them.
    private static let waiters = Program("Waiters") { _ in
        [
            Orchestration("Waiters") { (waits: Waits, context: OrchestrationContext) -> Int in
                let values = try await withThrowingTaskGroup(of: (Int, Int).self) { group in
                    for index in 0..<waits.count {
                        group.addTask {
                            (index, try await context.waitForExternalEvent("turn", as: Note.self).value)
                        }
                    }
                    return try await group.reduce(into: [(Int, Int)]()) { $0.append($1) }
                }
                // Who got what is for replay to check: it follows from the order of arrival.
                let order = values.sorted { $0.0 < $1.0 }.map { "\($0.1)" }.joined(separator: ",")
                context.setCustomStatus(order)
                _ = try await context.echo(order)
                return values.reduce(0) { $0 + $1.1 }
            }
        ]
    } plan: { draft in
        planEvents("Waiters", "turn", Waits(count: draft.int(2...6), milliseconds: 0), &draft)
    }

    /// Takes its events one after the other; a repeated one would be counted twice.
    private static let eventCounter = Program("EventCounter") { _ in
        [
            Orchestration("EventCounter") { (waits: Waits, context: OrchestrationContext) -> Int in
                var sum = 0
                for _ in 0..<waits.count { sum += try await context.waitForExternalEvent("tick", as: Note.self).value }
                return sum
            }
        ]
    } plan: { draft in
        planEvents("EventCounter", "tick", Waits(count: draft.int(1...20), milliseconds: 0), &draft)
    }

    /// Its events come before it waits for them.
    private static let earlyEvent = Program("EarlyEvent") { _ in
        [
            Orchestration("EarlyEvent") { (waits: Waits, context: OrchestrationContext) -> Int in
                _ = try await context.echo("busy", milliseconds: waits.milliseconds)
                try await context.sleep(for: .milliseconds(waits.milliseconds))
                var sum = 0
                for index in 0..<waits.count {
                    sum += try await context.waitForExternalEvent("part-\(index % 2)", as: Note.self).value
                }
                return sum
            }
        ]
    } plan: { draft in
        let waits = Waits(count: draft.int(1...4), milliseconds: draft.int(500...3000))
        let values = (0..<waits.count).map { 1 << $0 }
        let id = draft.newID("early")
        let (_, start) = draft.add(
            "EarlyEvent", id: id, input: json(waits), outcomes: [.completed(json(values.reduce(0, +)))])
        for index in (0..<waits.count).reversed() {
            draft.raise("part-\(index % 2)", to: id, value: values[index], at: start)
        }
    }

    /// Until it is terminated, or for ever.
    private static let waitsForEver = Program("WaitsForEver") { _ in
        [
            Orchestration("WaitsForEver") { (context: OrchestrationContext) -> String in
                _ = try await context.echo("waiting")
                context.setCustomStatus("waiting")
                return try await context.waitForExternalEvent("never", as: Note.self).label
            }
        ]
    } plan: { draft in
        let isTerminated = draft.chance(0.8)
        let (index, start) = draft.add("WaitsForEver", outcomes: isTerminated ? [] : [.open])
        if isTerminated { draft.terminate(index, at: start + draft.duration(.zero ... .seconds(8))) }
    }

    /// An instance that adds up the values of `count` events of one name.
    private static func planEvents(_ program: String, _ event: String, _ waits: Waits, _ draft: inout WorkloadDraft) {
        // Powers of two: another selection of events has another sum.
        let values = (0..<waits.count).map { 1 << $0 }
        let id = draft.newID(program.lowercased())
        let (_, start) = draft.add(
            program, id: id, input: json(waits), outcomes: [.completed(json(values.reduce(0, +)))])
        let span: Duration = draft.chance(0.02) ? .seconds(300) : .seconds(5)
        for value in values {
            draft.raise(
                event, to: id, value: value, bytes: draft.chance(0.1) ? draft.int(1000...20_000) : 0,
                at: start + draft.duration(.zero...span))
        }
    }
}
