package import DurableCore

extension EngineConfiguration {
    /// A payload over the limit fails the orchestration, that of an update's result the update alone, and too many events
    /// that it left to its next execution fail it too: nothing of that size may enter the log.
    package func limited(_ actions: [OrchestratorAction]) -> [OrchestratorAction] {
        var actions = actions
        for (index, action) in actions.enumerated() {
            let failure: FailureDetails
            if let bytes = action.payloadBytes, bytes > payloadLimit {
                failure = OperatorText.payloadTooLarge(bytes, limit: payloadLimit, what: action.payloadDescription)
                if case .completeUpdate(let id, _, _) = action {
                    actions[index] = .completeUpdate(id: id, result: nil, failure: failure)
                    continue
                }
            } else if case .continueAsNew(_, _, _, let events) = action,
                case let bytes = events.reduce(0, { $0 + $1.estimatedBytes }), bytes > carryOverLimit
            {
                failure = OperatorText.tooManyEvents(events.count, bytes, limit: carryOverLimit)
            } else {
                continue
            }
            return [.completeOrchestration(id: .none, status: .failed, result: nil, failure: failure)]
        }
        return actions
    }
}
