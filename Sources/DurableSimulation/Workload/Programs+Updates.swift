import DurableCore
import DurableTask

extension Programs {
    /// What clients change while it runs.
    package static let updates: [Program] = [tally]

    struct Tally: Codable, Sendable {
        var sum = 0
        /// Executions to come.
        var rounds: Int
        /// Whether handlers may finish before an execution ends.
        var isPatient: Bool
        /// Of the work before its handlers are there; nil: they are at once.
        var opensAfterMilliseconds: Int?
    }

    struct Change: Codable, Sendable {
        var amount: Int
        var milliseconds: Int
        var label: String
    }

    enum ChangeKind: String, CaseIterable { case add, check, permit, fail, nobody }

    /// A sum that updates add to, in several ways. Its result, and theirs, say which counted (`HistoryChecks.updates`).
    private static let tally = Program("Tally") { _ in
        [
            Orchestration("Tally") { (tally: Tally, context: OrchestrationContext) -> Int in
                let sum = context.state(tally.sum)
                if let milliseconds = tally.opensAfterMilliseconds {
                    _ = try await context.echo("open", milliseconds: milliseconds)
                }
                let validate: @Sendable (Change) throws -> Void = { change in
                    if change.amount < 0 { throw Refusal(label: change.label) }
                }
                @Sendable func add(_ change: Change) -> Int {
                    sum.value += change.amount
                    return sum.value
                }
                context.handle(update(.add), validate: validate) { add($0) }
                context.handle(update(.check), validate: validate) { change in
                    _ = try await context.echo("check \(change.label)", milliseconds: change.milliseconds)
                    return add(change)
                }
                context.handle(update(.permit)) { change in
                    _ = try await context.waitForExternalEvent("permit \(change.label)", as: Note.self)
                    return add(change)
                }
                context.handle(update(.fail)) { change in
                    try await context.sleep(for: .milliseconds(change.milliseconds))
                    throw Refusal(label: change.label)
                }
                _ = try await context.waitForExternalEvent("turn", as: Note.self)
                if tally.isPatient { try await context.waitForHandlers() }
                if tally.rounds == 0 { return sum.value }
                try context.continueAsNew(
                    Tally(sum: sum.value, rounds: tally.rounds - 1, isPatient: tally.isPatient))
            }
        ]
    } plan: { draft in
        let tally = Tally(
            rounds: draft.int(0...2), isPatient: draft.chance(0.7),
            opensAfterMilliseconds: draft.chance(0.3) ? draft.work() : nil)
        let id = draft.newID("tally")
        let (index, start) = draft.add(
            "Tally", id: id, input: json(tally), isIndependent: false, outcomes: [.completedSomehow])
        for turn in 0...tally.rounds {
            draft.raise("turn", to: id, value: turn, at: start + draft.duration(.seconds(1) ... .seconds(6)))
        }
        for number in 0..<draft.int(1...8) {
            let kind = ChangeKind.allCases[[0, 0, 1, 1, 2, 3, 4][draft.int(0...6)]]
            let change = Change(
                amount: draft.int(-1...9), milliseconds: draft.work(), label: "\(id).change-\(number)")
            // Before its start, and after its end, too.
            let time = max(.zero, start - .seconds(1)) + draft.duration(.zero ... .seconds(7))
            let repeats = (0..<[0, 0, 1, 2][draft.int(0...3)]).map { _ in draft.duration(.zero ... .seconds(6)) }
            draft.perform(
                .update(
                    id, UpdateRequest(id: UpdateID(change.label), name: kind.rawValue, input: json(change)),
                    repeats: repeats), at: time)
            if kind == .permit {
                draft.raise("permit \(change.label)", to: id, at: time + draft.duration(.zero ... .seconds(4)))
            }
        }
        if draft.chance(0.4) {
            draft.pause(
                index, at: start + draft.duration(.zero ... .seconds(4)), for: draft.duration(.zero ... .seconds(4)))
        }
        if draft.chance(0.15) { draft.terminate(index, at: start + draft.duration(.zero ... .seconds(6))) }
        for _ in 0..<draft.int(0...2) {
            let time = start + draft.duration(.zero ... .seconds(8))
            draft.perform(draft.chance(0.5) ? .status(id) : .history(id), at: time)
        }
    }

    private static func update(_ kind: ChangeKind) -> Update<Change, Int> { Update(kind.rawValue) }
}

extension HistoryChecks {
    /// Each update was asked for, ran once for its ID, and counted once: its result is the sum when it ended, and the
    /// instance's is that of all.
    static func updates(_ history: [HistoryEvent], of instance: PlannedInstance, _ workload: Workload) -> [String] {
        var found: [String] = []
        var asked: [UpdateID: UpdateRequest] = [:]
        for case .update(instance.id, let request, _) in workload.operations.map(\.kind) { asked[request.id] = request }
        var begun: [UpdateID: Int] = [:]
        var open: Set<UpdateID> = []  // look-up only
        var sum = 0
        for event in history {
            switch event.kind {
            case .orchestratorStarted, .executionStarted: break
            case .updateRequested(let request):
                if request != asked[request.id] { found.append("update \(request.id) was asked for by nobody") }
                if begun[request.id] != nil { found.append("update \(request.id) runs twice") }
                let change = try? PayloadCoding.decode(
                    Programs.Change.self, from: request.input, as: "the input of a planned update")
                begun[request.id] = change?.amount ?? 0
                open.insert(request.id)
                if change?.amount ?? 0 < 0, ["add", "check"].contains(request.name) {
                    found.append("update \(request.id) runs although it is refused")
                }
            case .updateCompleted(let id, let result, let failure):
                if open.remove(id) == nil { found.append("update \(id) ends, which does not run") }
                guard failure == nil else { continue }
                sum += begun[id] ?? 0
                if result != json(sum) {
                    found.append("update \(id) gives \(result?.text ?? "nothing"), all so far come to \(sum)")
                }
            case .executionCompleted(.completed, let result, _) where instance.name == "Tally":
                if result != json(sum) {
                    found.append("ends with \(result?.text ?? "nothing"), all updates come to \(sum)")
                }
            default: break
            }
        }
        return found
    }
}
