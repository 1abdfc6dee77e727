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
        /// Behind the last turn.
        var chore: Chore?
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
                try await context.count(tally)
            }
        ]
    } plan: { draft in
        let tally = Tally.draw(&draft)
        draft.addTally("Tally", tally, outcomes: [.completedSomehow], isTerminated: draft.chance(0.15))
    }
}

extension OrchestrationContext {
    func count(_ tally: Programs.Tally) async throws -> Int {
        func update(_ kind: Programs.ChangeKind) -> Update<Programs.Change, Int> { Update(kind.rawValue) }
        let sum = state(tally.sum)
        if let milliseconds = tally.opensAfterMilliseconds {
            _ = try await echo("open", milliseconds: milliseconds)
        }
        let validate: @Sendable (Programs.Change) throws -> Void = { change in
            if change.amount < 0 { throw Programs.Refusal(label: change.label) }
        }
        @Sendable func add(_ change: Programs.Change) -> Int {
            sum.value += change.amount
            return sum.value
        }
        handle(update(.add), validate: validate) { add($0) }
        handle(update(.check), validate: validate) { change in
            _ = try await self.echo("check \(change.label)", milliseconds: change.milliseconds)
            return add(change)
        }
        handle(update(.permit)) { change in
            _ = try await self.waitForExternalEvent("permit \(change.label)", as: Note.self)
            return add(change)
        }
        handle(update(.fail)) { change in
            try await self.sleep(for: .milliseconds(change.milliseconds))
            throw Programs.Refusal(label: change.label)
        }
        _ = try await waitForExternalEvent("turn", as: Note.self)
        if tally.isPatient { try await waitForHandlers() }
        if tally.rounds == 0 {
            if let chore = tally.chore { _ = try await follow(chore) }
            return sum.value
        }
        var next = tally
        next.sum = sum.value
        next.rounds -= 1
        next.opensAfterMilliseconds = nil
        try continueAsNew(next)
    }
}

extension Programs.Tally {
    static func draw(_ draft: inout WorkloadDraft) -> Self {
        Programs.Tally(
            rounds: draft.int(0...2), isPatient: draft.chance(0.7),
            opensAfterMilliseconds: draft.chance(0.3) ? draft.work() : nil)
    }
}

extension WorkloadDraft {
    /// One instance, what it waits for, and updates before its start, while it runs and after its end.
    @discardableResult
    mutating func addTally(
        _ program: String, _ tally: Programs.Tally, outcomes: [Expectation.Outcome], isTerminated: Bool
    ) -> (index: Int, at: Duration) {
        let id = newID(program.lowercased())
        let (index, start) = add(program, id: id, input: json(tally), isIndependent: false, outcomes: outcomes)
        for turn in 0...tally.rounds {
            raise("turn", to: id, value: turn, at: start + duration(.seconds(1) ... .seconds(6)))
        }
        for number in 0..<int(1...8) {
            let kind = Programs.ChangeKind.allCases[[0, 0, 1, 1, 2, 3, 4][int(0...6)]]
            let change = Programs.Change(amount: int(-1...9), milliseconds: work(), label: "\(id).change-\(number)")
            let time = max(.zero, start - .seconds(1)) + duration(.zero ... .seconds(7))
            let repeats = (0..<[0, 0, 1, 2][int(0...3)]).map { _ in duration(.zero ... .seconds(6)) }
            perform(
                .update(
                    id, UpdateRequest(id: UpdateID(change.label), name: kind.rawValue, input: json(change)),
                    repeats: repeats), at: time)
            if kind == .permit {
                raise("permit \(change.label)", to: id, at: max(start, time) + duration(.zero ... .seconds(4)))
            }
        }
        if chance(0.4) {
            pause(
                index, at: start + duration(.zero ... .seconds(4)), for: duration(.zero ... .seconds(4)),
                isRepeated: tally.chore == nil)
        }
        if isTerminated { terminate(index, at: start + duration(.zero ... .seconds(6))) }
        for _ in 0..<int(0...2) {
            let time = start + duration(.zero ... .seconds(8))
            perform(chance(0.5) ? .status(id) : .history(id), at: time)
        }
        return (index, start)
    }
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
            case .executionCompleted(.completed, let result, _)
            where ["Tally", "MendedTally"].contains(instance.name):
                if result != json(sum) {
                    found.append("ends with \(result?.text ?? "nothing"), all updates come to \(sum)")
                }
            default: break
            }
        }
        return found
    }
}
