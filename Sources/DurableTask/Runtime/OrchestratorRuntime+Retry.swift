import DurableCore

extension OrchestratorRuntime {
    /// Makes attempts until one succeeds or the policy says that a failure is final, which is then thrown as it is.
    ///
    /// - Parameters:
    ///   - policy: nil: one attempt.
    ///   - call: The call of the code, for texts.
    ///   - attempt: Requests the work and waits for it, given the attempt's number, from 1.
    /// - Throws: `InvalidRetryPolicy` before anything was requested; `CancellationError` also between attempts, the
    ///   pause's timer is dropped then; what an attempt throws other than the failure of what it called.
    func retrying(
        _ policy: RetryPolicy?, _ call: @autoclosure () -> String,
        _ attempt: (_ number: Int) async throws -> Payload?
    ) async throws -> Payload? {
        guard let policy else { return try await attempt(1) }
        if let defect = policy.defect {
            throw InvalidRetryPolicy(description: "the retry policy cannot be used: \(defect)")
        }
        let began = now
        var number = 1
        while true {
            do {
                return try await attempt(number)
            } catch {
                guard let failed = FailedAttempt(error) else { throw error }
                let chance = RecordedValues.jitter(
                    afterAttempt: failed.id, instanceID: instanceID, executionID: executionID)
                let pause = policy.pause(
                    after: failed.details, ofAttempt: number, elapsed: now.since(began), chance: chance)
                guard let pause else { throw error }
                try await admit(call())
                try await sleep(until: now + pause)
                try await admit(call())
                number += 1
            }
        }
    }
}

/// An attempt that was made and failed.
private struct FailedAttempt {
    var id: EventID
    var details: FailureDetails

    init?(_ error: any Error) {
        switch error {
        case let failure as ActivityFailure: (id, details) = (failure.taskID, failure.details)
        case let failure as SubOrchestrationFailure: (id, details) = (failure.taskID, failure.details)
        default: return nil
        }
    }
}
