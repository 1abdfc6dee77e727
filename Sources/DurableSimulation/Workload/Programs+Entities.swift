import DurableCore
import DurableTask

extension Programs {
    /// Entities, and orchestrations that use several at a time.
    package static let entities: [Program] = [vault]

    /// A sum under each key, which goes away where it is 0. Whatever is added is in histories or was sent by a client, so
    /// that what it must come to is known (`EntityChecks`).
    static let purse = Entity("Purse", initial: 0)
    static let add = purse.operation(EntityChecks.addition) {
        (sum: inout Int, amount: Int, context: EntityContext) -> Int in
        sum += amount
        if sum == 0 { context.removeState() }
        return sum
    }
    static let balance = purse.operation("balance") { (sum: inout Int, _: NoValue, context: EntityContext) -> Int in
        if sum == 0 { context.removeState() }
        return sum
    }
    static let fail = purse.operation("fail") { (sum: inout Int, _: NoValue) -> NoValue in
        sum = 1_000_000
        throw Refused()
    }
    /// Sends all it is given on to another one.
    static let pass = purse.operation(EntityChecks.passing) {
        (sum: inout Int, order: Passing, context: EntityContext) -> NoValue in
        if sum == 0 { context.removeState() }
        context.signal(add, on: order.to, order.amount)
        return NoValue()
    }

    /// Every worker that owns partitions must have them: they are not shipped.
    static let operations: [any Registrable] = [add, balance, fail, pass]

    struct Passing: Codable, Sendable {
        var to: String
        var amount: Int
    }

    private struct Refused: NonRetryableError {}

    struct Visit: Codable, Sendable {
        enum End: String, Codable, CaseIterable { case returns, throwsOut, continues }

        /// In any order, perhaps with repeats.
        var keys: [String]
        var amount: Int
        /// Of the work inside.
        var milliseconds: Int
        var end: End
        /// Sections to come.
        var rounds: Int
        /// After which it waits no longer for the section; nil: as long as it takes.
        var patienceMilliseconds: Int?
    }

    /// Moves an amount round its keys while nobody else gets at them.
    private static let vault = Program("Vault") { _ in
        [
            Orchestration("Vault") { (visit: Visit, context: OrchestrationContext) -> String in
                for key in visit.keys.prefix(1) { context.signal(add, on: key, 0) }
                var words: [String] = []
                for round in 1...max(1, visit.rounds) {
                    do {
                        words.append(try await enter(visit, isLast: round == visit.rounds, context))
                    } catch is Refused {
                        words.append("quiet")
                    }
                    if let first = visit.keys.first, let last = visit.keys.last {
                        context.signal(pass, on: first, Passing(to: last, amount: visit.amount))
                        _ = try await context.call(add, on: last, -visit.amount)
                    }
                }
                return Set(words.filter { $0 != "gave up" }).sorted().joined(separator: " ")
            }
        ]
    } plan: { draft in
        let stem = draft.newID("purse").value
        let keys = (0..<draft.int(1...4)).map { "\(stem)-\($0)" }
        for _ in 0..<draft.int(1...5) {
            let visit = Visit(
                keys: (0..<draft.int(1...3)).map { _ in keys[draft.int(0...keys.count - 1)] },
                amount: draft.int(-3...3), milliseconds: draft.chance(0.5) ? 0 : draft.work(),
                end: draft.chance(0.6) ? .returns : draft.chance(0.5) ? .throwsOut : .continues,
                rounds: draft.int(1...3), patienceMilliseconds: draft.chance(0.3) ? draft.int(0...500) : nil)
            let (index, start) = draft.add(
                "Vault", input: json(visit), isIndependent: false,
                outcomes: [.completed(json("quiet")), .completed(json(""))])
            let time = start + draft.duration(.zero ... .seconds(3))
            if draft.chance(0.25) { draft.terminate(index, at: time) }
            if draft.chance(0.2) { draft.cancel(index, at: time) }
        }
        for key in keys {
            for _ in 0..<draft.int(0...3) {
                draft.signal(
                    purse[key].instanceID, adding: draft.int(-2...4), at: draft.duration(.zero ... .seconds(4)))
            }
        }
    }

    /// - Returns: "quiet" when nobody else was noticed, "gave up" when it took too long to get in.
    private static func enter(_ visit: Visit, isLast: Bool, _ context: OrchestrationContext) async throws -> String {
        guard let patience = visit.patienceMilliseconds else { return try await inside(visit, isLast: isLast, context) }
        return try await withThrowingTaskGroup(of: String?.self) { group in
            group.addTask {
                do { return try await inside(visit, isLast: isLast, context) } catch is CancellationError { return nil }
            }
            group.addTask {
                try? await context.sleep(for: .milliseconds(patience))
                return nil
            }
            let first = try await group.next() ?? nil
            group.cancelAll()
            let second = try await group.next() ?? nil
            return first ?? second ?? "gave up"
        }
    }

    private static func inside(_ visit: Visit, isLast: Bool, _ context: OrchestrationContext) async throws -> String {
        let keys = Set(visit.keys).sorted()
        return try await context.lock(visit.keys.map { purse[$0] }) {
            var sums: [Int] = []
            for key in keys { sums.append(try await context.call(balance, on: key)) }
            for (index, key) in keys.enumerated() {
                sums[index] += visit.amount
                if try await context.call(add, on: key, visit.amount) != sums[index] { return "disturbed while adding" }
            }
            if visit.milliseconds > 0 { _ = try await context.echo("count", milliseconds: visit.milliseconds) }
            for (index, key) in keys.enumerated() {
                if try await context.call(balance, on: key) != sums[index] { return "disturbed" }
                do {
                    _ = try await context.call(fail, on: key)
                    return "did not fail"
                } catch is EntityOperationFailure {
                    // As it should.
                }
                if try await context.call(add, on: key, -visit.amount) != sums[index] - visit.amount {
                    return "disturbed while giving back"
                }
            }
            switch visit.end {
            case .returns: return "quiet"
            case .throwsOut: throw Refused()
            case .continues:
                if !isLast { return "quiet" }
                var next = visit
                next.end = .returns
                try context.continueAsNew(next)
            }
        }
    }
}
