import DurableCore

/// What was asked of the instance from outside about its end.
struct RequestedEnd {
    /// Cancels the code; nil: it has not begun.
    var cancelCode: (() -> Void)?
    /// Scopes in the code that are to be undone should the instance be terminated.
    var compensatingScopes = 0
    /// The first cancellation asked for, with its reason; nil: there was none.
    fileprivate var cancellation: Payload??
    /// The first termination told to the code, with its reason; nil: there was none.
    fileprivate var termination: Payload??
    /// What came when the code had continued as new: the next execution's.
    var passedOn: [HistoryEvent.Kind] = []

    /// What the instance ends as because somebody asked for it, with the reason; nil: as its code ended.
    func imposed(on end: OrchestrationEnd) -> (status: OrchestrationStatus, reason: Payload?)? {
        if let termination { return (.terminated, termination) }
        if case .canceled = end, let cancellation { return (.canceled, cancellation) }
        return nil
    }
}

extension OrchestratorRuntime {
    /// Cancels the code's task, as a surrounding task would be.
    func requestCancellation(_ reason: Payload?) {
        if isComplete { return passOn(.cancellationRequested(reason: reason)) }
        if ending.cancellation == nil { ending.cancellation = .some(reason) }
        ending.cancelCode?()
    }

    /// The instance is terminated and had, when its last episode was over, scopes to undo.
    func tellOfTermination(_ reason: Payload?, recurse: Bool) {
        if isComplete { return passOn(.executionTerminated(reason: reason, recurse: recurse)) }
        if ending.termination != nil { return }
        ending.termination = .some(reason)
        if ending.compensatingScopes > 0 {
            ending.cancelCode?()
        } else {
            // By now there is nothing to undo: what the code does from here on does not count.
            finish(.completed(nil))
        }
    }

    private func passOn(_ request: HistoryEvent.Kind) {
        if continuation != nil, ending.termination == nil { ending.passedOn.append(request) }
    }

    /// Runs `steps` as something that is undone should the instance be terminated.
    func compensatingTermination<Output>(_ steps: () async throws -> Output) async rethrows -> Output {
        ending.compensatingScopes += 1
        if ending.compensatingScopes == 1 { askUnlessReplaying(.setCompensatesTermination(true)) }
        defer {
            ending.compensatingScopes -= 1
            if ending.compensatingScopes == 0 { askUnlessReplaying(.setCompensatesTermination(false)) }
        }
        return try await steps()
    }
}
