import DurableCore

/// Who waits for a condition, in order of request.
struct Conditions {
    fileprivate struct Waiter {
        let ticket: Int
        let condition: @Sendable () -> Bool
        let continuation: WaitContinuation
    }

    fileprivate var waiters: [Waiter] = []
    fileprivate var lastTicket = 0

    var waitingCount: Int { waiters.count }
    var isEmpty: Bool { waiters.isEmpty }

    mutating func removeAll() -> [WaitContinuation] {
        defer { waiters = [] }
        return waiters.map(\.continuation)
    }
}

extension OrchestratorRuntime {
    func wait(until condition: @escaping @Sendable () -> Bool) async throws {
        if holds(condition) { return }
        try checkTask()
        conditions.lastTicket += 1
        let ticket = conditions.lastTicket
        let outcome = await withTaskCancellationHandler {
            await withUnsafeContinuation { continuation in
                conditions.waiters.append(
                    .init(ticket: ticket, condition: condition, continuation: continuation))
            }
        } onCancel: {
            cancelCondition(ticket)
        }
        switch outcome {
        case .completed: return
        case .cancelled: throw CancellationError()
        case .failed, .timerFired, .interrupted: throw OrchestrationInterrupted()
        }
    }

    func holds(_ condition: () -> Bool) -> Bool {
        let (holds, violation) = looking("a condition") { condition() }
        if let violation, fault == nil {
            fault = .contextMisuse(
                "the condition of a context.wait \(violation): it is asked any number of times, so it may only look")
        }
        return holds
    }

    /// Lets the first one go on whose condition holds; false: none does. To be called when all code waits.
    func resumeCondition() -> Bool {
        if isComplete || fault != nil || unencodable != nil { return false }
        for (index, waiter) in conditions.waiters.enumerated() where holds(waiter.condition) {
            conditions.waiters.remove(at: index)
            waiter.continuation.resume(returning: .completed(nil))
            return true
        }
        return false
    }

    private func cancelCondition(_ ticket: Int) {
        guard isInside("Task.cancel"), !mode.isEvicted,
            let index = conditions.waiters.firstIndex(where: { $0.ticket == ticket })
        else { return }
        conditions.waiters.remove(at: index).continuation.resume(returning: .cancelled)
    }
}
