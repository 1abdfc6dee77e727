/// How a transport reaches its broker.
package struct AMQPConfiguration: Sendable {
    /// Nodes of one cluster, 1 or more; attempts go round.
    package var endpoints: [AMQPEndpoint]
    /// Shown in the broker's list of connections.
    package var connectionName: String
    /// Whole seconds, 1 to 60. A peer silent for two of them counts as lost.
    package var heartbeatSeconds: Int
    /// Bodies and frame overhead the broker has not confirmed yet; further publishes wait. One message always goes.
    package var unconfirmedByteLimit: Int
    /// For each attempt, TCP and login each.
    package var attemptTimeout: Duration
    /// How long a broker that answers quickly may leave a publish unanswered while it does not block publishers; then
    /// its outcome counts as unknown. RabbitMQ 3.10 never answers some that came while a stream changed its leader.
    package var confirmPatience: Duration
    /// How long a call made without a connection waits for one.
    package var connectionWait: Duration
    package var backoff: ReconnectBackoff

    package init(
        endpoints: [AMQPEndpoint], connectionName: String = "dtq", heartbeatSeconds: Int = 5,
        unconfirmedByteLimit: Int = 8 * 1024 * 1024, attemptTimeout: Duration = .seconds(5),
        confirmPatience: Duration = .seconds(3),
        connectionWait: Duration = .seconds(10), backoff: ReconnectBackoff = ReconnectBackoff()
    ) {
        precondition(!endpoints.isEmpty, "a transport needs at least one broker")
        precondition((1...60).contains(heartbeatSeconds), "heartbeat of 1 to 60 seconds")
        self.endpoints = endpoints
        self.connectionName = connectionName
        self.heartbeatSeconds = heartbeatSeconds
        self.unconfirmedByteLimit = unconfirmedByteLimit
        self.attemptTimeout = attemptTimeout
        self.confirmPatience = confirmPatience
        self.connectionWait = connectionWait
        self.backoff = backoff
    }

    /// - Parameter urls: One broker URL each (`AMQPEndpoint.init(parsing:)`), 1 or more.
    package init(urls: [String], connectionName: String = "dtq") throws(AMQPURLError) {
        if urls.isEmpty { throw AMQPURLError(description: "no broker URL given") }
        var endpoints: [AMQPEndpoint] = []
        for url in urls { endpoints.append(try AMQPEndpoint(parsing: url)) }
        self.init(endpoints: endpoints, connectionName: connectionName)
    }
}

/// Exponential backoff with full jitter: a random wait between 0 and a bound that doubles with each failed round.
///
/// Source: AWS Architecture Blog, "Exponential Backoff And Jitter".
package struct ReconnectBackoff: Hashable, Sendable {
    package var first: Duration
    package var cap: Duration

    package init(first: Duration = .milliseconds(100), cap: Duration = .seconds(5)) {
        self.first = first
        self.cap = cap
    }

    /// - Parameter failures: Rounds through all endpoints that failed so far, 1 or more.
    package func delay(afterFailures failures: Int, using random: inout some RandomNumberGenerator) -> Duration {
        let bound = min(cap, first * (1 << min(max(failures, 1) - 1, 20)))
        return bound * Double.random(in: 0...1, using: &random)
    }
}
