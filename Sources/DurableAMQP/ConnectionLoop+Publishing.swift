internal import DurableBackend
internal import Logging

extension ConnectionLoop {
    /// Encodes waiting messages, oldest batch first, as far as the bound of unconfirmed bytes allows.
    func pumpPublishes() {
        guard case .up(let socket) = link, !waitingBatches.isEmpty, blockedReason == nil else { return }
        if let channel = publishChannel, isPublishChannelSuspect, window.isEmpty {
            publishChannel = nil
            isPublishChannelReady = false
            // Another channel counts from 1 again.
            window = ConfirmWindow()
            close(channel, endingWith: nil) { _ in }
        }
        guard let channel = publishChannel else { return openPublishChannel() }
        guard isPublishChannelReady else { return }
        var done = 0
        let now = Clock.now
        defer { waitingBatches.removeFirst(done) }
        for batch in waitingBatches {
            while batch.next < batch.messages.count {
                let message = batch.messages[batch.next]
                let total = window.unconfirmedBytes + message.cost
                guard window.isEmpty || total <= configuration.unconfirmedByteLimit else { return }
                writer.write(message, channel: channel.number, frameMax: socket.frameMax)
                window.append(batch, batch.next, at: now)
                batch.next += 1
            }
            done += 1
        }
    }

    private func openPublishChannel() {
        guard let channel = makeChannel(deliveries: nil) else { return }
        publishChannel = channel
        isPublishChannelSuspect = false
        send(.channelOpen, on: channel) { _ in }
        send(.confirmSelect, on: channel) { [unowned self] reply in
            if case .success = reply { isPublishChannelReady = true }
        }
    }

    /// The broker closed the publish channel over one message. Who published it gets the broker's answer; for the
    /// others the outcome of what was under way is unknown.
    func publishChannelClosed(_ error: TransportError, _ text: String) {
        publishChannel = nil
        isPublishChannelReady = false
        let open = window.removeAll()
        // 404 and 403 name the exchange in quotes; other refusals name nothing.
        let named = Set(
            open.flatMap { batch in batch.messages[..<batch.next].map(\.exchange) }.filter { text.contains("'\($0)'") })
        for batch in open {
            let isMeant = named.isEmpty || batch.messages.contains { named.contains($0.exchange) }
            let unknown = TransportError.connectionLost("the broker closed the channel over another message: \(text)")
            batch.waiter.resolve(.failure(isMeant ? error : unknown))
        }
        waitingBatches.removeAll { $0.next > 0 }
    }

    /// Ends all publishes, those not yet sent too.
    func failPublishes(_ error: TransportError) {
        for batch in window.removeAll() + waitingBatches { batch.waiter.resolve(.failure(error)) }
        waitingBatches = []
    }

    func block(_ reason: String) {
        if blockedReason == nil {
            logger.warning(
                """
                DTQ4004 the broker blocks publishers: \(reason). Publishing waits until it unblocks them, consuming \
                goes on. See ops/errors/DTQ4004.md
                """)
        }
        blockedReason = reason
    }

    func unblock() {
        if blockedReason != nil { logger.info("the broker no longer blocks publishers") }
        blockedReason = nil
        unblockedAt = Clock.now
    }

    /// When the broker must have answered the oldest publish; nil: nothing waits, or the broker blocks.
    var confirmDeadline: Clock.Instant? {
        guard blockedReason == nil, let since = window.unansweredSince else { return nil }
        return max(since, unblockedAt) + configuration.confirmPatience
    }

    func checkConfirms() throws(TransportError) {
        // Answers may have arrived and not been read yet, as when the process stood still.
        guard !hasMoreToRead, let confirmDeadline, Clock.now >= confirmDeadline else { return }
        throw .connectionLost("the broker has not answered a publish for \(configuration.confirmPatience)")
    }
}
