import DurableCore
import DurableTask

/// What runs when an activity is called, and what was called so far.
struct ActivityTable {
    struct Mock: Sendable {
        var activity: AnyActivity
        /// Virtual time from its begin to its result.
        var duration: Duration
    }

    struct InjectedFailures: Sendable {
        /// How many calls are still to fail; nil: all.
        var remaining: Int?
        var details: FailureDetails
    }

    /// One call, without the types.
    struct Call: Sendable {
        var task: TaskMessage
        var time: Timestamp
        var failure: FailureDetails?
    }

    var mocks: [String: Mock] = [:]
    var failures: [String: InjectedFailures] = [:]
    private(set) var calls: [Call] = []

    /// The failure that the next call of `name` meets instead of being run.
    mutating func takeFailure(of name: String) -> FailureDetails? {
        guard var injected = failures[name] else { return nil }
        if let remaining = injected.remaining {
            injected.remaining = remaining - 1
            failures[name] = remaining > 1 ? injected : nil
        }
        return injected.details
    }

    mutating func note(_ call: Call) { calls.append(call) }
}
