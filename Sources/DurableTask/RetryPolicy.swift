public import DurableCore

/// When a failed activity or sub-orchestration is tried again, and after which pause.
///
/// ```swift
/// let patient = RetryPolicy(
///     maximumAttempts: 6, firstInterval: .seconds(1), backoffCoefficient: 2, maximumInterval: .seconds(30),
///     nonRetryableErrorTypes: ["PaymentDeclined"])
/// let receipt = try await context.callActivity(charge, order, retry: patient)
/// ```
///
/// As in the Durable Task Framework each attempt is a request of its own in the history, and each pause a durable
/// timer. What decides belongs to the code that replay runs again: do not change the policy of calls that are under
/// way. Only failures of the activity or the child are tried again; cancellation, a result that cannot be decoded, and
/// whatever else a call throws is thrown at once.
public struct RetryPolicy: Sendable {
    /// The first attempt included; 1 or more, `.max`: no limit.
    public var maximumAttempts: Int
    /// The pause between the first attempt's failure and the second attempt; more than zero.
    public var firstInterval: Duration
    /// Each pause is that many times the one before; finite, 1 or more.
    public var backoffCoefficient: Double
    /// No pause is longer; at least `firstInterval`. nil: no limit.
    public var maximumInterval: Duration?
    /// Share of each pause that is left to chance, from 0 (none) to 1 (all): of a pause of 10 s, 0.2 makes one of 8 to
    /// 10 s. Drawn from recorded randomness, of a series of its own: replay gives the same pause, and the numbers that
    /// `context.randomNumberGenerator` gives do not depend on policies.
    public var jitter: Double
    /// Counted from the first attempt's request; more than zero, nil: no limit. An attempt that could begin only after
    /// it is not waited for: the last failure is thrown at once. One that runs is not cut off.
    public var retryTimeout: Duration?
    /// Names of error types after which no attempt follows, as in `FailureDetails.errorType`.
    ///
    /// A name stands for what the code threw, as in Temporal. Where a child failed since it did not catch the failure of
    /// an activity (or of a child of its own), that is what the activity threw: `ActivityFailure` and
    /// `SubOrchestrationFailure` are looked through. What caused the thrown error in turn is not looked at: an error
    /// that was wrapped has been judged by whoever wrapped it. `shouldRetry` sees all causes.
    public var nonRetryableErrorTypes: Set<String>
    /// Asked about a failure that nothing else forbids to try again: attempts and time are left, and it is not flagged
    /// `isNonRetryable`, as what conforms to `NonRetryableError` is. Must decide by the failure alone, since replay asks
    /// again. nil: yes.
    public var shouldRetry: (@Sendable (FailureDetails) -> Bool)?

    /// A policy. Values that make no sense are found when it is used: the call throws `InvalidRetryPolicy`.
    public init(
        maximumAttempts: Int, firstInterval: Duration, backoffCoefficient: Double = 1,
        maximumInterval: Duration? = nil, jitter: Double = 0, retryTimeout: Duration? = nil,
        nonRetryableErrorTypes: Set<String> = [], shouldRetry: (@Sendable (FailureDetails) -> Bool)? = nil
    ) {
        self.maximumAttempts = maximumAttempts
        self.firstInterval = firstInterval
        self.backoffCoefficient = backoffCoefficient
        self.maximumInterval = maximumInterval
        self.jitter = jitter
        self.retryTimeout = retryTimeout
        self.nonRetryableErrorTypes = nonRetryableErrorTypes
        self.shouldRetry = shouldRetry
    }

    /// Says what is wrong with the policy, or nil when it can be used.
    package var defect: String? {
        if maximumAttempts < 1 { return "maximumAttempts must be 1 or more, this is \(maximumAttempts)" }
        if firstInterval <= .zero { return "firstInterval must be more than zero, this is \(firstInterval)" }
        if !(backoffCoefficient >= 1 && backoffCoefficient.isFinite) {
            return "backoffCoefficient must be finite and 1 or more, this is \(backoffCoefficient)"
        }
        if let maximumInterval, maximumInterval < firstInterval {
            return "maximumInterval must be at least firstInterval (\(firstInterval)), this is \(maximumInterval)"
        }
        if !(0...1).contains(jitter) { return "jitter must be between 0 and 1, this is \(jitter)" }
        if let retryTimeout, retryTimeout <= .zero {
            return "retryTimeout must be more than zero, this is \(retryTimeout)"
        }
        return nil
    }
}

/// A retry policy with values that make no sense. Thrown by the call it was given to, before anything was requested.
public struct InvalidRetryPolicy: NonRetryableError, Hashable, Sendable, CustomStringConvertible {
    public let description: String
}

extension RetryPolicy {
    /// The pause after an attempt that failed.
    ///
    /// - Parameters:
    ///   - attempt: Its number, from 1.
    ///   - elapsed: Since the first attempt was requested.
    ///   - chance: A draw from 0 up to, but not including, 1.
    /// - Returns: Whole milliseconds, 1 or more; nil: the failure is final.
    package func pause(
        after failure: FailureDetails, ofAttempt attempt: Int, elapsed: Duration, chance: Double
    ) -> Duration? {
        if attempt >= maximumAttempts { return nil }
        for thrown in failure.thrownByCode
        where thrown.isNonRetryable || nonRetryableErrorTypes.contains(thrown.errorType) {
            return nil
        }
        let pause = interval(afterAttempt: attempt, chance: chance)
        // `elapsed` is a difference of time stamps and `pause` bounded, so that their sum is far from any limit.
        if let retryTimeout, elapsed + pause >= retryTimeout { return nil }
        if let shouldRetry, !shouldRetry(failure) { return nil }
        return pause
    }

    /// The pause by arithmetic alone: `firstInterval` times the coefficient for each attempt before, up to the cap, less
    /// what chance takes off. Longer than `longestInterval` it never gets, and no number of attempts makes it trap.
    package func interval(afterAttempt attempt: Int, chance: Double) -> Duration {
        let grown = firstInterval.inMilliseconds * Self.power(backoffCoefficient, attempt - 1)
        let cap = min(maximumInterval?.inMilliseconds ?? .infinity, Self.longestInterval.inMilliseconds)
        let pause = min(grown, cap) * (1 - jitter * chance)
        return .milliseconds(max(1, Int64(pause.rounded())))
    }

    /// About 285,000 years: whole milliseconds up to there are exact as `Double`.
    package static let longestInterval = Duration.milliseconds(1 << 53)

    /// By multiplication only, which gives the same bits on every platform; `pow` does not, and a pause that differs by
    /// a millisecond is another history. Infinite where it is too large.
    private static func power(_ base: Double, _ exponent: Int) -> Double {
        var (result, square, left) = (1.0, base, exponent)
        while left > 0 {
            if left & 1 == 1 { result *= square }
            square *= square
            left >>= 1
        }
        return result
    }
}

extension Duration {
    fileprivate var inMilliseconds: Double {
        Double(components.seconds) * 1000 + Double(components.attoseconds) / 1e15
    }
}

extension FailureDetails {
    /// What the code threw, and around it the wrappers in which this failure came.
    fileprivate var thrownByCode: ArraySlice<FailureDetails> {
        let chain = [self] + cause
        let wrappers = chain.prefix { Self.wrapperTypes.contains($0.errorType) }
        return chain.prefix(wrappers.count + 1)
    }

    private static var wrapperTypes: [String] { ["ActivityFailure", "SubOrchestrationFailure"] }
}
