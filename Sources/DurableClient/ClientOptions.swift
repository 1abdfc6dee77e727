/// Limits and patience of a client.
package struct ClientOptions: Hashable, Sendable {
    /// Largest input, event data or reason, in bytes.
    package var payloadLimit = 1 << 20
    /// How long a submission waits for the owner's verdict. It is accepted without one.
    package var verdictPatience = Duration.seconds(2)
    /// Silence after which a question is asked again: its message may have expired, or the owner changed.
    package var askAgainAfter = Duration.seconds(3)
    /// How long a question other than a wait is asked before it is given up.
    package var queryPatience = Duration.seconds(10)
    /// How often a publish is tried when its connection is lost or the broker refuses it for now.
    package var publishAttempts = 6
    /// Messages of one publish call of `startMany`, and calls under way at a time.
    package var batchSize = 64
    package var batchesInFlight = 8
    /// Items one page of a history or list has at most.
    package var pageSize = 500

    package init() {}

    /// Wait before attempt `attempt` (1 is the first repeat): 100 ms, doubled each time, at most 2 s.
    func backoff(before attempt: Int) -> Duration {
        min(.seconds(2), .milliseconds(100 << min(attempt - 1, 10)))
    }
}
