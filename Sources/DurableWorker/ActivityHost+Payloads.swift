import DurableBackend
import DurableCore
import DurableEngine
import DurableTask
import Logging

/// Inputs and results of activities, between how messages hold them and how code sees them: on no partition's thread, and
/// for all slots at a time.
extension ActivityHost {
    /// Deliveries after which a task whose input cannot be opened fails.
    private static var openingLimit: Int { 10 }
    /// How long this worker keeps a task that it cannot open before it gives it back.
    private static var openingPause: Duration { .seconds(5) }

    /// The opened input, or what the activity fails with.
    ///
    /// - Returns: nil: this worker cannot open it, another one may be able to: the task went back to its queue.
    @concurrent nonisolated func input(of task: TaskMessage, _ number: Int, _ deliveryCount: Int) async -> Result<
        Payload?, FailureDetails
    >? {
        do throws(PayloadFault) {
            return .success(try await parts.payloads.openFully(task.input))
        } catch {
            let subject = "the input of activity \"\(task.name)\" (instance \(task.instanceID), task \(task.taskID))"
            if error.kind == .unavailable, deliveryCount < Self.openingLimit {
                logger.warning(
                    """
                    \(error.code) \(subject): \(error.reason). The task goes back to its queue, delivery \(deliveryCount) of \
                    \(Self.openingLimit). \(error.remedy). See ops/errors/\(error.code).md
                    """)
                await giveBack(number, after: Self.openingPause)
                return nil
            }
            return .failure(
                FailureDetails(
                    errorType: error.kind == .unavailable ? "PayloadUnavailable" : "PayloadDecodingError",
                    message: "\(error.code) \(subject): \(error.reason). \(error.remedy).",
                    isNonRetryable: error.kind != .unavailable))
        }
    }

    /// The result as messages and histories are to hold it; what it fails with when it cannot be stored.
    @concurrent nonisolated func sealed(_ output: Payload?, of task: TaskMessage) async -> Result<
        Payload?, FailureDetails
    > {
        // The work is done: it is worth some patience that it need not be done again.
        for attempt in 1... {
            do throws(PayloadFault) {
                return .success(
                    try await parts.payloads.sealFully(output, for: PayloadOwner(task.instanceID, task.executionID)))
            } catch {
                if error.kind == .unavailable, attempt < 4, !Task.isCancelled {
                    await parts.clock.sleep(for: .seconds(1 << (attempt - 1)))
                    continue
                }
                let what = "the result of activity \"\(task.name)\""
                logger.warning(
                    "\(error.code) \(what) of instance \(task.instanceID): \(error.reason). The activity fails. \(error.remedy)."
                )
                return .failure(
                    error.kind == .tooLarge
                        ? OperatorText.payloadTooLarge(what, error)
                        : FailureDetails(
                            errorType: error.kind == .unavailable ? "PayloadUnavailable" : "PayloadEncodingError",
                            message: "\(error.code) \(what): \(error.reason). \(error.remedy).",
                            isNonRetryable: error.kind != .unavailable))
            }
        }
        preconditionFailure("the last attempt returns")
    }
}
