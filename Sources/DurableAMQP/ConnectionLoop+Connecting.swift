internal import DurableBackend
internal import Logging

extension ConnectionLoop {
    /// True when a caller waits for a connection.
    var hasDemand: Bool { !waitingOpens.isEmpty || !waitingBatches.isEmpty }

    /// Makes one attempt when one is due. Blocks up to the attempt's timeout; nothing else is there to be done on this
    /// thread without a connection, but callers whose time is up are let go before and after.
    func connectIfNeeded() {
        guard case .down = link, closingDeadline == nil else { return }
        dropExpired()
        guard hasDemand, Clock.now >= nextAttempt else { return }
        let endpoint = configuration.endpoints[attempts % configuration.endpoints.count]
        do throws(TransportError) {
            let socket = try AMQPSocket(
                to: endpoint, connectionName: "\(configuration.connectionName) (\(owner.role))",
                heartbeatSeconds: configuration.heartbeatSeconds, timeout: attemptTimeout())
            logger.info("connected to \(endpoint), \(socket.brokerDescription), to \(owner.role)")
            owner.brokerDescription = socket.brokerDescription
            link = .up(socket)
            lastHeard = Clock.now
            lastSent = Clock.now
            attempts = 0
            hasWarned = false
        } catch {
            attemptFailed(error)
            dropExpired()
        }
    }

    /// Not longer than the most patient caller waits, but long enough to stand a chance.
    private func attemptTimeout() -> Duration {
        let deadlines = waitingOpens.map(\.deadline) + waitingBatches.map(\.deadline)
        guard let last = deadlines.max() else { return configuration.attemptTimeout }
        return min(configuration.attemptTimeout, max(last - Clock.now, .milliseconds(500)))
    }

    private func attemptFailed(_ error: TransportError) {
        attempts += 1
        let rounds = attempts / configuration.endpoints.count
        let isRoundOver = attempts % configuration.endpoints.count == 0
        var random = SystemRandomNumberGenerator()
        let delay = isRoundOver ? configuration.backoff.delay(afterFailures: rounds, using: &random) : .zero
        nextAttempt = Clock.now + delay
        switch error {
        case .accessRefused(let text):
            // Another try with the same login gets the same answer: whoever waits is told at once.
            logOnce(
                .error,
                """
                DTQ4002 the broker refused the login to \(owner.role): \(text). Waiting calls were told; check user, \
                password, virtual host and permissions. See ops/errors/DTQ4002.md
                """)
            failWaiting(error)
            attempts = 0
        case .unreachable(let text):
            lastFailure = text
            logOnce(
                .warning,
                """
                DTQ4001 no connection to a broker to \(owner.role): \(text). Trying again while calls wait for it. See \
                ops/errors/DTQ4001.md
                """)
        default: lastFailure = "\(error)"
        }
    }

    /// Loudly the first time since the last good connection, for debugging afterwards.
    private func logOnce(_ level: Logger.Level, _ text: Logger.Message) {
        logger.log(level: hasWarned ? .debug : level, text)
        hasWarned = true
    }

    private func dropExpired() {
        let now = Clock.now
        guard
            waitingOpens.contains(where: { $0.deadline <= now })
                || waitingBatches.contains(where: { $0.deadline <= now })
        else { return }
        let tried = attempts == 1 ? "1 attempt" : "\(attempts) attempts"
        let error = TransportError.unreachable("\(lastFailure) (\(tried), waited \(configuration.connectionWait))")
        for open in waitingOpens where open.deadline <= now { open.waiter.resolve(.failure(error)) }
        waitingOpens.removeAll { $0.deadline <= now }
        for batch in waitingBatches where batch.deadline <= now { batch.waiter.resolve(.failure(error)) }
        waitingBatches.removeAll { $0.deadline <= now }
    }

    private func failWaiting(_ error: TransportError) {
        for open in waitingOpens { open.waiter.resolve(.failure(error)) }
        waitingOpens = []
        for batch in waitingBatches { batch.waiter.resolve(.failure(error)) }
        waitingBatches = []
    }

    /// The connection has ended: all that was open on it ends with the reason.
    func lose(_ error: TransportError) {
        guard case .up = link else { return }
        link = .down
        writer = FrameWriter()
        hasMoreToRead = false
        isSocketFull = false
        blockedReason = nil
        if closingDeadline != nil { return }
        let text: String
        switch error {
        case .connectionLost(let reason), .unreachable(let reason): text = reason
        default: text = "\(error)"
        }
        lastLoss = text
        logger.warning(
            """
            DTQ4005 connection to \(owner.role) lost: \(text). Unconfirmed publishes end with an unknown outcome, \
            unacknowledged deliveries come again; the next call connects. See ops/errors/DTQ4005.md
            """)
        let loss = TransportError.connectionLost(text)
        let lost = channelNumbers.values
        channels = [:]
        channelNumbers = [:]
        touched = []
        failPublishes(loss)
        publishing = nil
        for channel in lost { channel.end(loss) }
        nextAttempt = Clock.now
    }
}
