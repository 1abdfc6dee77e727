import DurableCore
import DurableTask

/// What is tried again, and what is undone, told from the history alone.
extension HistoryChecks {
    static func recoveries(_ history: [HistoryEvent], of instance: PlannedInstance) -> [String] {
        func input<Value: Decodable>(_ type: Value.Type) -> Value? {
            try? PayloadCoding.decode(type, from: instance.input, as: "the input of a planned instance")
        }
        switch instance.name {
        case "PolicyRetry": return attempts(history, input(Programs.Persistence.self)?.patience)
        case "RetriedChild": return attempts(history, input(Programs.Errand.self)?.patience)
        case "Saga", "CancelledSaga": return compensations(history)
        default: return []
        }
    }

    /// No more requests than the policy allows, and pauses between them that are as long as it says.
    private static func attempts(_ history: [HistoryEvent], _ patience: Programs.Patience?) -> [String] {
        guard let patience else { return ["has an input without a policy"] }
        var found: [String] = []
        var requests = 0
        var isPaused = true
        for event in history {
            switch event.kind {
            case .taskScheduled, .subOrchestrationCreated:
                if !isPaused { found.append("makes attempt \(requests + 1) without a pause") }
                isPaused = false
                requests += 1
            case .timerCreated(let fireAt):
                // Not as the policy reckons: one step for each attempt.
                var longest = Double(patience.firstMilliseconds)
                for _ in 1..<max(1, requests) { longest *= patience.coefficient }
                longest = min(longest, Double(patience.capMilliseconds))
                let pause = fireAt.since(event.timestamp) / .milliseconds(1)
                if pause > longest + 1 || pause < max(1, longest * (1 - patience.jitter) - 1) {
                    found.append("pauses for \(pause) ms after attempt \(requests), the policy says \(longest) ms")
                }
            case .timerFired: isPaused = true
            default: break
            }
        }
        if requests > patience.attempts {
            found.append("makes \(requests) attempts, \(patience.attempts) are allowed")
        }
        return found
    }

    /// What was begun is undone in reverse order, each step once, when one fails or all are called off.
    private static func compensations(_ history: [HistoryEvent]) -> [String] {
        var begun: [String] = []
        var undone: [String] = []
        for case .taskScheduled(_, let input) in history.map(\.kind) {
            let text = try? PayloadCoding.decode(SimulatedActivities.Echo.self, from: input, as: "a step").text
            guard let text else { continue }  // an attempt of a compensation
            if text.hasPrefix("do ") { begun.append("un" + text) }
            if text.hasPrefix("undo ") { undone.append(text) }
        }
        let expected = Array(begun.reversed())
        if !expected.starts(with: undone) { return ["undoes \(undone), expected \(expected)"] }
        guard case .executionCompleted(.completed, let result, _)? = history.last?.kind else { return [] }
        let isSuccess = result == json("done")
        if isSuccess != undone.isEmpty || (!isSuccess && undone.count != expected.count) {
            return ["ends with \(undone) undone, although \(begun.count) steps were begun"]
        }
        return []
    }
}
