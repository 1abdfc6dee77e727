import DurableCore
import DurableTask

extension Programs {
    /// What fails until it is mended, and is rewound meanwhile.
    package static let rewindings: [Program] = [mendedSteps, mendedGroup, mendedFamily, mendedTally, hasty]

    struct Chore: Codable, Sendable {
        struct Step: Codable, Sendable {
            /// Runs of a request that fail before one succeeds.
            var failures: Int
            var milliseconds: Int
        }

        var steps: [Step]
        var patience: Patience?
        /// Of a pause behind each step, or of the timer that runs beside all of them.
        var pauseMilliseconds: Int?
        /// Whether the timer that runs beside them ends them.
        var isDeadline = false
        /// Whether it undoes something when it fails or is called off.
        var compensates = false

        /// What the steps say, in order.
        var words: String { steps.indices.map { "step \($0) done" }.joined(separator: " ") }
        /// More rewinds than it needs, though each failure that is on its way when it is rewound may cost one.
        var limit: Int { 5 + 3 * steps.reduce(0) { $0 + $1.failures } }

        static func draw(_ draft: inout WorkloadDraft, steps: ClosedRange<Int>) -> Self {
            let count = draft.int(steps)
            return Chore(
                steps: (0..<count).map { _ in
                    Step(failures: [0, 0, 1, 1, 2, 3][draft.int(0...5)], milliseconds: draft.work())
                })
        }
    }

    /// One step after the other.
    private static let mendedSteps = Program("MendedSteps") { _ in
        [
            Orchestration("MendedSteps") { (chore: Chore, context: OrchestrationContext) -> String in
                try await context.follow(chore)
            }
        ]
    } plan: { draft in
        var chore = Chore.draw(&draft, steps: 1...4)
        if draft.chance(0.4) { chore.patience = .draw(&draft, attempts: draft.int(1...3)) }
        if draft.chance(0.4) { chore.pauseMilliseconds = draft.work() }
        let (index, start) = draft.add(
            "MendedSteps", input: json(chore), isIndependent: false, outcomes: [.completed(json(chore.words))])
        if draft.chance(0.15) { draft.terminate(index, at: start + draft.duration(.zero ... .seconds(6))) }
        draft.mend(index, from: start, limit: chore.limit)
    }

    /// All steps at once, a timer beside them. What fails calls the rest off.
    private static let mendedGroup = Program("MendedGroup") { _ in
        [
            Orchestration("MendedGroup") { (chore: Chore, context: OrchestrationContext) -> String in
                try await withThrowingTaskGroup(of: String?.self) { group in
                    for step in chore.steps.indices { group.addTask { try await context.attempt(step, of: chore) } }
                    if let milliseconds = chore.pauseMilliseconds {
                        group.addTask {
                            try await context.sleep(for: .milliseconds(milliseconds))
                            if chore.isDeadline { throw Refusal(label: "late") }
                            return nil
                        }
                    }
                    var words: [String] = []
                    while words.count < chore.steps.count, let word = try await group.next() {
                        if let word { words.append(word) }
                    }
                    group.cancelAll()
                    return words.sorted().joined(separator: " ")
                }
            }
        ]
    } plan: { draft in
        var chore = Chore.draw(&draft, steps: 1...5)
        if draft.chance(0.3) { chore.patience = .draw(&draft, attempts: draft.int(2...3)) }
        if draft.chance(0.7) { chore.pauseMilliseconds = draft.work() }
        chore.isDeadline = chore.pauseMilliseconds != nil && draft.chance(0.3)
        var outcomes: [Expectation.Outcome] = [.completed(json(chore.words))]
        // A deadline that has passed has passed; a pause that was asked for as the rest failed cannot be taken back.
        if chore.isDeadline || chore.patience != nil { outcomes.append(.failedSomehow) }
        let (index, start) = draft.add(
            "MendedGroup", input: json(chore), isIndependent: false, outcomes: outcomes)
        draft.mend(index, from: start, limit: chore.limit)
    }

    struct Household: Codable, Sendable {
        struct Member: Codable, Sendable {
            /// nil: the one it gets by itself.
            var id: InstanceID?
            var chore: Chore
        }

        var members: [Member]
        /// Beside them.
        var own: Chore
    }

    /// A parent's work beside its children's: who fails calls the others off, and a rewind brings them all back.
    private static let mendedFamily = Program("MendedFamily") { _ in
        [
            Orchestration("MendedParent") { (house: Household, context: OrchestrationContext) -> String in
                try await withThrowingTaskGroup(of: String.self) { group in
                    for member in house.members {
                        group.addTask {
                            try await context.callSubOrchestration("MendedChild", member.chore, instanceID: member.id)
                        }
                    }
                    group.addTask { try await context.follow(house.own) }
                    var words: [String] = []
                    for try await word in group { words.append(word) }
                    return words.sorted().joined(separator: ", ")
                }
            },
            Orchestration("MendedChild") { (chore: Chore, context: OrchestrationContext) -> String in
                guard chore.compensates else { return try await context.follow(chore) }
                return try await context.withCompensation { saga in
                    saga.addCompensation { _ = try await context.echo("undo all") }
                    return try await context.follow(chore)
                }
            },
        ]
    } plan: { draft in
        let id = draft.newID("mendedfamily")
        var house = Household(members: [], own: Chore.draw(&draft, steps: 1...1))
        let isSimple = draft.chance(0.5)
        for _ in 0..<draft.int(1...3) {
            var chore = Chore.draw(&draft, steps: isSimple ? 1...1 : 1...3)
            if !isSimple {
                if draft.chance(0.4) { chore.pauseMilliseconds = draft.work() }
                chore.compensates = draft.chance(0.3)
            }
            house.members.append(.init(id: draft.chance(0.5) ? draft.newID("mendedchild") : nil, chore: chore))
        }
        let chores = house.members.map(\.chore) + [house.own]
        // A child that asked for something in the step in which it was called off, be it its first, stays as it is.
        let outcomes: [Expectation.Outcome] = [
            .completed(json(chores.map(\.words).sorted().joined(separator: ", "))), .failedSomehow,
        ]
        let (index, start) = draft.add(
            "MendedFamily", orchestration: "MendedParent", id: id, input: json(house), isIndependent: false,
            outcomes: outcomes)
        let parent = draft.instances[index]
        for (event, member) in house.members.enumerated() {
            let permitted: [Expectation.Outcome] = [
                .completed(json(member.chore.words)), .failedSomehow, .canceled(reason: nil),
            ]
            let child = draft.addChild(
                "MendedFamily", orchestration: "MendedChild",
                id: member.id ?? InstanceID("\(parent.startID):\(event)"), of: parent, event: event,
                input: json(member.chore), outcomes: permitted)
            if draft.chance(0.2) { draft.rewind(child.id, at: start + draft.duration(.zero ... .seconds(6))) }
        }
        // Some are never mended.
        let limit = chores.reduce(0) { $0 + $1.limit }
        draft.mend(index, from: start, limit: min(limit, isSimple ? 16 : 8))
    }

    /// Takes updates, and fails until it is mended.
    private static let mendedTally = Program("MendedTally") { _ in
        [
            Orchestration("MendedTally") { (tally: Tally, context: OrchestrationContext) -> Int in
                try await context.count(tally)
            }
        ]
    } plan: { draft in
        var tally = Tally.draw(&draft)
        let chore = Chore.draw(&draft, steps: 1...2)
        tally.chore = chore
        // What is asked for, or ends, in the step in which it fails stays.
        let (index, start) = draft.addTally(
            "MendedTally", tally, outcomes: [.completedSomehow, .failedSomehow], isTerminated: false)
        draft.mend(index, from: start, limit: min(chore.limit, 8))
    }

    /// Fails in the step in which it asks for something: it stays so. Beside it, one that is not there.
    private static let hasty = Program("Hasty") { _ in
        [
            Orchestration("Hasty") { (chore: Chore, context: OrchestrationContext) -> String in
                for step in chore.steps.indices { _ = try await context.echo("step \(step)") }
                context.send("sorry", to: context.instanceID, 0, number: 0, bytes: 0)
                throw Refusal(label: "hasty")
            }
        ]
    } plan: { draft in
        let chore = Chore.draw(&draft, steps: 1...2)
        let (index, start) = draft.add(
            "Hasty", input: json(chore), isIndependent: false,
            outcomes: [.failed(FailureDetails(describing: Refusal(label: "hasty")))])
        draft.mend(index, from: start, limit: 1)
        let nobody = draft.addAbsent("nowhere")
        draft.rewind(nobody, at: draft.duration(.zero ... .seconds(4)))
    }
}

extension WorkloadDraft {
    /// Rewinds at some times, which may be too early, and in the end as often as it takes.
    mutating func mend(_ index: Int, from start: Duration, limit: Int) {
        let id = instances[index].id
        for _ in 0..<int(0...3) { rewind(id, at: start + duration(.zero ... .seconds(6))) }
        if chance(0.4) {
            pause(index, at: start + duration(.zero ... .seconds(4)), for: duration(.zero ... .seconds(3)))
        }
        for _ in 0..<int(0...3) {
            let time = start + duration(.zero ... .seconds(8))
            perform(chance(0.5) ? .status(id) : .history(id), at: time)
        }
        perform(.mend(id, limit: limit), at: start + duration(.zero ... .seconds(6)))
    }
}

extension OrchestrationContext {
    fileprivate func attempt(_ step: Int, of chore: Programs.Chore) async throws -> String {
        try await callActivity(
            SimulatedActivities.flaky.name,
            SimulatedActivities.Attempt(
                label: "step \(step)", number: 1, succeedsAt: 1, milliseconds: chore.steps[step].milliseconds,
                failures: chore.steps[step].failures),
            retry: chore.patience?.policy)
    }

    func follow(_ chore: Programs.Chore) async throws -> String {
        var words: [String] = []
        for step in chore.steps.indices {
            words.append(try await attempt(step, of: chore))
            if let milliseconds = chore.pauseMilliseconds { try await sleep(for: .milliseconds(milliseconds)) }
        }
        return words.joined(separator: " ")
    }
}
