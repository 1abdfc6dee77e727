internal import DurableBackend
internal import Logging

extension ConnectionLoop {
    /// Encodes waiting messages, oldest batch first, as far as the bound of unconfirmed bytes allows.
    func pumpPublishes() {
        guard case .up(let socket) = link, !waitingBatches.isEmpty, blockedReason == nil else { return }
        if publishing?.isSuspect == true {
            guard publishing?.window.isEmpty == true else { return }
            leavePublishChannel()
        }
        guard let channel = publishing?.channel else { return openPublishChannel() }
        guard publishing?.isReady == true else { return }
        var done = 0
        let now = Clock.now
        defer { waitingBatches.removeFirst(done) }
        for batch in waitingBatches {
            while batch.next < batch.messages.count {
                let message = batch.messages[batch.next]
                guard publishing?.window.hasRoom(for: message, within: configuration.unconfirmedByteLimit) == true
                else { return }
                writer.write(message, channel: channel.number, frameMax: socket.frameMax)
                publishing?.window.append(batch, batch.next, at: now)
                batch.next += 1
            }
            done += 1
        }
    }

    private func openPublishChannel() {
        guard let channel = makeChannel(deliveries: nil) else { return }
        publishing = PublishChannel(channel: channel)
        send(.channelOpen, on: channel) { _ in }
        send(.confirmSelect, on: channel) { [unowned self] reply in
            if case .success = reply, publishing?.channel === channel { publishing?.isReady = true }
        }
    }

    /// What is published from now on goes over another channel.
    private func leavePublishChannel() {
        guard let channel = publishing?.channel else { return }
        publishing = nil
        close(channel, endingWith: nil) { _ in }
    }

    func takeConfirm(upTo tag: UInt64, multiple: Bool) {
        guard let sent = publishing?.window.answer(upTo: tag, multiple: multiple, isConfirmed: true) else { return }
        let now = Clock.now
        confirmPatience.noteConfirm(after: now - max(sent, unblockedAt), at: now)
    }

    func takeRefusal(upTo tag: UInt64, multiple: Bool) {
        publishing?.window.answer(upTo: tag, multiple: multiple, isConfirmed: false)
        publishing?.isSuspect = true
    }

    /// The broker closed the publish channel over one message. Who published it gets the broker's answer; for the
    /// others the outcome of what was under way is unknown.
    func publishChannelClosed(_ error: TransportError, _ text: String) {
        let open = takeUnanswered()
        publishing = nil
        // 404 and 403 name the exchange in quotes; other refusals name nothing.
        let named = Set(
            open.flatMap { batch in batch.messages[..<batch.next].map(\.exchange) }.filter { text.contains("'\($0)'") })
        for batch in open {
            let isMeant = named.isEmpty || batch.messages.contains { named.contains($0.exchange) }
            let unknown = TransportError.connectionLost("the broker closed the channel over another message: \(text)")
            batch.waiter.resolve(.failure(isMeant ? error : unknown))
        }
    }

    /// Batches under way with something unanswered; they are no longer known after this. One whose messages sent so far
    /// are all answered goes on.
    private func takeUnanswered() -> [PublishBatch] {
        let open = publishing?.window.removeAll() ?? []
        waitingBatches.removeAll { waiting in open.contains { $0 === waiting } }
        return open
    }

    /// Ends all publishes, those not yet sent too.
    func failPublishes(_ error: TransportError) {
        for batch in takeUnanswered() + waitingBatches { batch.waiter.resolve(.failure(error)) }
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
        guard blockedReason == nil, let since = publishing?.window.unansweredSince else { return nil }
        return max(since, unblockedAt) + confirmPatience.current
    }

    /// Gives up what the broker has not answered in time: the outcome of all that is under way is unknown.
    func checkConfirms() {
        // Answers may have arrived and not been read yet, as when the process stood still.
        guard !hasMoreToRead, let confirmDeadline, Clock.now >= confirmDeadline else { return }
        let text = "the broker has not answered a publish for \(confirmPatience.current)"
        logger.warning(
            """
            DTQ4005 \(text). Publishes under way end with an unknown outcome; what follows goes over another channel. \
            See ops/errors/DTQ4005.md
            """)
        confirmPatience.noteMiss()
        for batch in takeUnanswered() { batch.waiter.resolve(.failure(.connectionLost(text))) }
        leavePublishChannel()
    }
}

/// The channel publishes go over, and what is unanswered on it.
struct PublishChannel {
    let channel: LoopChannel
    var isReady = false
    /// It refused something. One that was opened while a queue had no leader goes on refusing all for that queue; so it
    /// is left as soon as the rest of it is answered.
    var isSuspect = false
    var window = ConfirmWindow()
}
