package import DurableCore

extension EngineConfiguration {
    /// A payload over the limit fails the orchestration, and so do too many events that it left to its next execution:
    /// nothing of that size may enter the log.
    package func limited(_ actions: [OrchestratorAction]) -> [OrchestratorAction] {
        for action in actions {
            let failure: FailureDetails
            if let bytes = action.payloadBytes, bytes > payloadLimit {
                failure = OperatorText.payloadTooLarge(bytes, limit: payloadLimit, what: action.payloadDescription)
            } else if case .continueAsNew(_, _, _, let events) = action,
                case let bytes = events.reduce(0, { $0 + $1.estimatedBytes }), bytes > carryOverLimit
            {
                failure = OperatorText.tooManyEvents(events.count, bytes, limit: carryOverLimit)
            } else {
                continue
            }
            return [.completeOrchestration(id: action.eventID, status: .failed, result: nil, failure: failure)]
        }
        return actions
    }
}
