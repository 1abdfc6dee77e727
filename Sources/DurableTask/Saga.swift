import DurableCore

/// What has been done in a `withCompensation` and how to undo it.
public struct Saga: Sendable {
    private let runtime: OrchestratorRuntime
    private let log: CompensationLog

    init(_ runtime: OrchestratorRuntime, _ log: CompensationLog) {
        self.runtime = runtime
        self.log = log
    }

    /// Says how to undo a step, should a later one fail. May be called from child tasks of the scope.
    ///
    /// Called after a step, as it mostly is, it covers what surely has happened. A call that throws may have had its
    /// effect all the same: an activity that was cancelled may have done its work, and one whose run failed may have
    /// failed late.
    /// Where that matters, say how to undo a step before it is made, with a compensation that does no harm when there
    /// is nothing to undo.
    ///
    /// - Parameter compensation: Runs at most once an execution, as part of the orchestration: it awaits what the
    ///   context offers, and its calls are best given a retry policy, since nothing else tries again.
    public func addCompensation(_ compensation: @escaping @Sendable () async throws -> Void) {
        guard runtime.mayAct("saga.addCompensation") else { return }
        if log.isClosed {
            runtime.fault = .contextMisuse(
                "saga.addCompensation was called after its withCompensation had ended, when nothing would run it")
            return
        }
        log.compensations.append(compensation)
    }
}

/// The compensations of one scope, in order of registration.
final class CompensationLog: @unchecked Sendable {  // touched only on the thread that owns the instance's executor
    var compensations: [@Sendable () async throws -> Void] = []
    var isClosed = false
}

/// In which order compensations run, and what becomes of the rest when one fails.
public enum CompensationOrder: Hashable, Sendable {
    /// The last registered first, one after the other, all of them whatever becomes of those before.
    case reverse
    /// The last registered first; when one fails those left are not run.
    case reverseUntilFailure
    /// All at once.
    case parallel
}

/// Compensations failed: what a `withCompensation` did is undone in part only, and somebody has to look at it. Flagged
/// `isNonRetryable`, since to begin anew would build on the remains.
public struct CompensationFailure: NonRetryableError, CustomStringConvertible {
    /// Why there was something to undo.
    public let original: any Error
    /// What compensations threw, in the order in which they were begun; 1 or more.
    public let failures: [any Error]
    /// How many compensations were not run because of that.
    public let skippedCount: Int

    /// For tests: what `withCompensation` would throw.
    public init(original: any Error, failures: [any Error], skippedCount: Int = 0) {
        self.original = original
        self.failures = failures
        self.skippedCount = skippedCount
    }

    public var description: String {
        let texts = failures.map { "\($0)" }.joined(separator: "; ")
        let skipped = skippedCount == 0 ? "" : "; \(skippedCount) more were not run"
        return "\(original); then \(failures.count) of its compensations failed: \(texts)\(skipped)"
    }
}

extension OrchestrationContext {
    /// Runs steps that are undone when a later one fails (a saga).
    ///
    /// ```swift
    /// try await context.withCompensation { saga in
    ///     let flight = try await context.callActivity(bookFlight, trip)
    ///     saga.addCompensation { try await context.callActivity(cancelFlight, flight, retry: patient) }
    ///     let room = try await context.callActivity(bookRoom, trip)
    ///     saga.addCompensation { try await context.callActivity(cancelRoom, room, retry: patient) }
    ///     try await context.callActivity(charge, trip)
    /// }
    /// ```
    ///
    /// When `steps` throws, whatever it is, the compensations run, and then the error is thrown on. They are part of the
    /// orchestration, so that they survive every crash as it does. When the surrounding task is cancelled the steps end
    /// with `CancellationError` as usual, but the compensations do not notice: they run to their end, and may use task
    /// groups, timers and cancellation of their own.
    ///
    /// A terminated instance ends at once and its code does not run again, unless it is in a scope that includes
    /// termination: then it is cancelled, undoes what it did, and ends as terminated whatever its code does after that. A
    /// second termination ends it at once. Such an instance can only be undone by code: while it is held, it waits.
    ///
    /// Compensations do not run for an instance that fails since a value cannot be encoded (`PayloadError`). To continue
    /// as new inside is no failure either: nothing is undone, and the next execution begins with what its input says.
    ///
    /// - Parameters:
    ///   - order: Of the compensations.
    ///   - includingTermination: Whether to undo, too, when the instance is terminated from outside.
    ///   - steps: Given the scope's `saga`, which must not be used after it.
    /// - Returns: What `steps` returns; nothing is undone then.
    /// - Throws: What `steps` throws, or `CompensationFailure` if a compensation failed.
    public func withCompensation<Output>(
        order: CompensationOrder = .reverse, includingTermination: Bool = false, _ steps: (Saga) async throws -> Output
    ) async throws -> Output {
        guard includingTermination, runtime.mayAct("context.withCompensation") else {
            return try await compensating(order, steps)
        }
        return try await runtime.compensatingTermination { try await compensating(order, steps) }
    }

    private func compensating<Output>(
        _ order: CompensationOrder, _ steps: (Saga) async throws -> Output
    ) async throws -> Output {
        let log = CompensationLog()
        do {
            defer { log.isClosed = true }
            return try await steps(Saga(runtime, log))
        } catch let continued as ContinuedAsNew {
            throw continued
        } catch {
            // An instance on its way out of memory: what it does now is ignored.
            guard runtime.mayAct("context.withCompensation"), !log.compensations.isEmpty else { throw error }
            let undoing = Undoing(runtime: runtime, compensations: Array(log.compensations.reversed()))
            let outcome = await runtime.shielded { await undoing.run(order) }
            if outcome.failures.isEmpty { throw error }
            throw CompensationFailure(
                original: error, failures: outcome.failures, skippedCount: outcome.skippedCount)
        }
    }
}

/// The compensations of a scope on their way.
private struct Undoing: Sendable {
    let runtime: OrchestratorRuntime
    /// In the order in which they are begun.
    var compensations: [@Sendable () async throws -> Void]

    struct Outcome: Sendable {
        var failures: [any Error] = []
        var skippedCount = 0
    }

    func run(_ order: CompensationOrder) async -> Outcome {
        switch order {
        case .reverse, .reverseUntilFailure: await runInTurn(untilFailure: order == .reverseUntilFailure)
        case .parallel: await runAtOnce()
        }
    }

    private func runInTurn(untilFailure: Bool) async -> Outcome {
        var outcome = Outcome()
        for (index, compensation) in compensations.enumerated() {
            // Evicted during the one before: the rest is for the replay.
            if !runtime.mayAct("context.withCompensation") { break }
            do {
                try await compensation()
            } catch {
                outcome.failures.append(error)
                if untilFailure {
                    outcome.skippedCount = compensations.count - index - 1
                    break
                }
            }
        }
        return outcome
    }

    private func runAtOnce() async -> Outcome {
        await withTaskGroup(of: (index: Int, error: (any Error)?).self) { group in
            for (index, compensation) in compensations.enumerated() {
                group.addTask {
                    do {
                        try await compensation()
                        return (index, nil)
                    } catch {
                        return (index, error)
                    }
                }
            }
            var failures: [(index: Int, error: any Error)] = []
            for await (index, error) in group {
                if let error { failures.append((index, error)) }
            }
            return Outcome(failures: failures.sorted { $0.index < $1.index }.map(\.error))
        }
    }
}
