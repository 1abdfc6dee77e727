import DurableCore
import DurableTask
import Testing

@Suite("Retry policy") struct RetryPolicyTests {
    private let failure = FailureDetails(errorType: "Busy", message: "later")

    private func policy(_ change: (inout RetryPolicy) -> Void = { _ in }) -> RetryPolicy {
        var policy = RetryPolicy(maximumAttempts: 5, firstInterval: .seconds(1))
        change(&policy)
        return policy
    }

    private func pauses(_ policy: RetryPolicy, chance: Double = 0, attempts: ClosedRange<Int> = 1...6) -> [Duration] {
        attempts.map { policy.interval(afterAttempt: $0, chance: chance) }
    }

    // MARK: - Intervals

    @Test("Without a coefficient all pauses are the first interval") func constant() {
        #expect(pauses(policy()) == Array(repeating: .seconds(1), count: 6))
    }

    @Test("Each pause is the coefficient times the one before, up to the cap") func backoff() {
        #expect(
            pauses(policy { $0.backoffCoefficient = 2 })
                == [.seconds(1), .seconds(2), .seconds(4), .seconds(8), .seconds(16), .seconds(32)])
        let capped = policy {
            $0.backoffCoefficient = 1.5
            $0.maximumInterval = .seconds(3)
        }
        #expect(
            pauses(capped)
                == [1000, 1500, 2250, 3000, 3000, 3000].map { .milliseconds($0) })
    }

    @Test("Pauses are whole milliseconds, at least one") func milliseconds() {
        let tiny = policy {
            $0.firstInterval = .nanoseconds(1)
            $0.backoffCoefficient = 1000
        }
        #expect(
            pauses(tiny, attempts: 1...4) == [.milliseconds(1), .milliseconds(1), .milliseconds(1), .seconds(1)])
        #expect(pauses(policy { $0.firstInterval = .microseconds(1300) }, attempts: 1...1) == [.milliseconds(1)])
        // 100 * 1.1 is a little more than 110 in binary.
        let decimal = policy {
            $0.firstInterval = .milliseconds(100)
            $0.backoffCoefficient = 1.1
        }
        #expect(pauses(decimal, attempts: 1...3) == [100, 110, 121].map { .milliseconds($0) })
    }

    @Test("No number of attempts and no length of an interval makes the arithmetic trap", arguments: [0.0, 0.5, 1.0])
    func saturation(jitter: Double) {
        let longest = RetryPolicy.longestInterval
        for coefficient in [1.0, 1.000_000_1, 2, 1e6, .greatestFiniteMagnitude] {
            for first: Duration in [.nanoseconds(1), .seconds(1), .seconds(Int64.max)] {
                for cap: Duration? in [nil, .seconds(Int64.max)] {
                    let policy = RetryPolicy(
                        maximumAttempts: .max, firstInterval: first, backoffCoefficient: coefficient,
                        maximumInterval: cap, jitter: jitter)
                    #expect(policy.defect == nil)
                    for attempt in [1, 2, 63, 64, 1000, 1 << 40, Int.max - 1] {
                        let pause = policy.pause(
                            after: failure, ofAttempt: attempt, elapsed: .milliseconds(Int64.max), chance: 0.999)
                        #expect(pause.map { $0 >= .milliseconds(1) && $0 <= longest } == true)
                        #expect(Timestamp.distantFuture + (pause ?? .zero) == .distantFuture)
                    }
                }
            }
        }
        let doubling = RetryPolicy(maximumAttempts: .max, firstInterval: .seconds(1), backoffCoefficient: 2)
        #expect(doubling.interval(afterAttempt: 5000, chance: 0) == longest)
    }

    @Test("Jitter takes its share off by chance, and the cap holds") func jitter() {
        let policy = policy {
            $0.firstInterval = .seconds(10)
            $0.jitter = 0.2
            $0.maximumInterval = .seconds(15)
            $0.backoffCoefficient = 2
        }
        #expect(pauses(policy, chance: 0, attempts: 1...2) == [.seconds(10), .seconds(15)])
        #expect(pauses(policy, chance: 0.5, attempts: 1...2) == [.seconds(9), .milliseconds(13_500)])
        #expect(pauses(policy, chance: 1, attempts: 1...2) == [.seconds(8), .seconds(12)])
    }

    // MARK: - Whether there is a next attempt

    private func isRetried(
        _ policy: RetryPolicy, _ failure: FailureDetails? = nil, attempt: Int = 1, elapsed: Duration = .zero
    ) -> Bool {
        policy.pause(after: failure ?? self.failure, ofAttempt: attempt, elapsed: elapsed, chance: 0) != nil
    }

    @Test("The last attempt's failure is final") func attempts() {
        #expect(isRetried(policy(), attempt: 4))
        #expect(!isRetried(policy(), attempt: 5))
        #expect(!isRetried(policy { $0.maximumAttempts = 1 }))
        #expect(isRetried(policy { $0.maximumAttempts = .max }, attempt: .max - 1))
    }

    @Test("An attempt that could begin only at the end of the time or later is not waited for") func timeout() {
        let policy = policy { $0.retryTimeout = .seconds(10) }
        #expect(isRetried(policy, elapsed: .milliseconds(8999)))
        #expect(!isRetried(policy, elapsed: .seconds(9)))
        #expect(!isRetried(policy, elapsed: .seconds(3600)))
    }

    @Test("A failure flagged as such is never tried again, whatever else the policy says") func nonRetryable() {
        var flagged = failure
        flagged.isNonRetryable = true
        #expect(!isRetried(policy { $0.shouldRetry = { _ in true } }, flagged))
    }

    @Test("Error types are those of what the code threw: wrappers are looked through, its causes are not")
    func errorTypes() {
        let policy = policy { $0.nonRetryableErrorTypes = ["Declined"] }
        func chain(_ types: String...) -> FailureDetails {
            let all = types.map { FailureDetails(errorType: $0, message: "") }
            var first = all[0]
            first.cause = Array(all.dropFirst())
            return first
        }
        #expect(isRetried(policy))
        #expect(!isRetried(policy, chain("Declined")))
        #expect(!isRetried(policy, chain("ActivityFailure", "Declined")))
        #expect(!isRetried(policy, chain("SubOrchestrationFailure", "ActivityFailure", "Declined", "Reset")))
        #expect(isRetried(policy, chain("Unavailable", "Declined")))
        #expect(isRetried(policy, chain("ActivityFailure", "Unavailable", "Declined")))
        #expect(isRetried(policy, chain("declined")))
        // The wrapper itself can be named too.
        #expect(!isRetried(self.policy { $0.nonRetryableErrorTypes = ["ActivityFailure"] }, chain("ActivityFailure")))
        var wrapped = chain("ActivityFailure", "Busy")
        wrapped.cause[0].isNonRetryable = true
        #expect(!isRetried(policy, wrapped))
    }

    @Test("The predicate sees the whole failure, and only one that may be tried again") func predicate() {
        let asked = Counter()
        let policy = policy {
            $0.nonRetryableErrorTypes = ["Declined"]
            $0.shouldRetry = { failure in
                asked.increment()
                return failure.cause.last?.errorType != "Disk"
            }
        }
        #expect(isRetried(policy))
        let disk = FailureDetails(errorType: "Disk", message: "")
        #expect(!isRetried(policy, FailureDetails(errorType: "A", message: "", cause: [disk])))
        #expect(asked.value == 2)
        #expect(!isRetried(policy, attempt: 5))
        #expect(!isRetried(policy, FailureDetails(errorType: "Declined", message: "")))
        #expect(asked.value == 2)
    }

    // MARK: - Nonsense

    struct Nonsense: Sendable, CustomTestStringConvertible {
        var says: String
        var change: @Sendable (inout RetryPolicy) -> Void
        var testDescription: String { says }
    }

    static let nonsense: [Nonsense] = [
        Nonsense(says: "maximumAttempts must be 1 or more, this is 0") { $0.maximumAttempts = 0 },
        Nonsense(says: "maximumAttempts must be 1 or more, this is -3") { $0.maximumAttempts = -3 },
        Nonsense(says: "firstInterval must be more than zero") { $0.firstInterval = .zero },
        Nonsense(says: "firstInterval must be more than zero") { $0.firstInterval = .seconds(-1) },
        Nonsense(says: "backoffCoefficient must be finite and 1 or more, this is 0.5") { $0.backoffCoefficient = 0.5 },
        Nonsense(says: "backoffCoefficient must be finite and 1 or more, this is nan") { $0.backoffCoefficient = .nan },
        Nonsense(says: "backoffCoefficient must be finite and 1 or more, this is inf") {
            $0.backoffCoefficient = .infinity
        },
        Nonsense(says: "backoffCoefficient must be finite and 1 or more, this is -2.0") { $0.backoffCoefficient = -2 },
        Nonsense(says: "maximumInterval must be at least firstInterval") { $0.maximumInterval = .milliseconds(999) },
        Nonsense(says: "jitter must be between 0 and 1, this is 1.5") { $0.jitter = 1.5 },
        Nonsense(says: "jitter must be between 0 and 1, this is -0.1") { $0.jitter = -0.1 },
        Nonsense(says: "jitter must be between 0 and 1, this is nan") { $0.jitter = .nan },
        Nonsense(says: "retryTimeout must be more than zero") { $0.retryTimeout = .zero },
    ]

    @Test("A policy that makes no sense is refused by the call, which requests nothing", arguments: nonsense)
    func refused(_ nonsense: Nonsense) throws {
        let policy = policy(nonsense.change)
        #expect(policy.defect?.hasPrefix(nonsense.says) == true, "\(policy.defect ?? "none")")
        var driver = Driver(
            orchestrate { context in let _: Int = try await context.callActivity("Charge", 1, retry: policy) })
        let actions = try driver.start()
        #expect(actions.count == 1)
        #expect(driver.failure?.errorType == "InvalidRetryPolicy")
        #expect(driver.failure?.message.contains(nonsense.says) == true)
        #expect(driver.failure?.isNonRetryable == true)
    }
}
