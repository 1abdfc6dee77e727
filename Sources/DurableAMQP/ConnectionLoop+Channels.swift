internal import DurableBackend
internal import Logging

extension ConnectionLoop {
    // MARK: Opening and closing

    /// A channel with a number of its own, not yet opened at the broker; nil when all numbers are taken.
    func makeChannel(deliveries: DeliverySequence?) -> LoopChannel? {
        guard case .up(let socket) = link else { return nil }
        let most = UInt16(clamping: socket.channelMax == 0 ? 65_535 : socket.channelMax)
        guard channelNumbers.count < Int(most) else { return nil }
        repeat { lastNumber = lastNumber >= most ? 1 : lastNumber + 1 } while channelNumbers[lastNumber] != nil
        lastID += 1
        let channel = LoopChannel(id: ChannelID(value: lastID), number: lastNumber, deliveries: deliveries)
        channels[channel.id] = channel
        channelNumbers[channel.number] = channel
        return channel
    }

    func openWaiting() {
        guard case .up = link, !waitingOpens.isEmpty else { return }
        let opens = waitingOpens
        waitingOpens = []
        for open in opens {
            guard let channel = makeChannel(deliveries: open.deliveries) else {
                open.waiter.resolve(
                    .failure(.refused(code: 504, text: "all \(channelNumbers.count) channels are in use")))
                continue
            }
            send(.channelOpen, on: channel) { [unowned self] reply in
                let isTaken = open.waiter.resolve(reply.map { _ in channel.id })
                if case .success = reply, !isTaken { close(channel, endingWith: nil) { _ in } }
            }
        }
    }

    /// Asks the broker to close; the channel's deliveries end now.
    func close(
        _ channel: LoopChannel, endingWith error: TransportError?,
        _ finish: @escaping (Result<ServerReply, TransportError>) -> Void
    ) {
        channels[channel.id] = nil
        channel.end(error)
        channel.phase = .closing
        send(.channelClose, on: channel, finish)
    }

    // MARK: Reading

    /// Reads what has arrived, up to a bound so that writing gets its turn, and hands deliveries on in batches.
    func readFrames() throws(TransportError) {
        hasMoreToRead = false
        defer { handOn() }
        for _ in 0..<2048 {
            guard case .up(let socket) = link, let (number, frame) = try socket.nextFrame() else { return }
            if number == 0 {
                try takeConnectionFrame(frame)
            } else if let channel = channelNumbers[number] {
                try take(frame, on: channel)
            }
        }
        hasMoreToRead = true
    }

    private func handOn() {
        for channel in touched where !channel.arrived.isEmpty {
            channel.deliveries?.push(channel.arrived)
            channel.arrived = []
        }
        touched.removeAll(keepingCapacity: true)
    }

    private func takeConnectionFrame(_ frame: ServerFrame) throws(TransportError) {
        guard case .method(let method) = frame else { return }
        switch method {
        case .connectionClose(let code, let text):
            writer.write(.connectionCloseOK, channel: 0)
            try? flush()  // a courtesy; the connection ends either way
            throw .connectionLost("the broker closed the connection: \(code) \(text)")
        case .blocked(let reason): block(reason)
        case .unblocked: unblock()
        case .reply(0x000A_0033, _): throw .connectionLost("closed in order")  // the answer to our connection.close
        default: break
        }
    }

    private func take(_ frame: ServerFrame, on channel: LoopChannel) throws(TransportError) {
        switch frame {
        case .method(.channelClose(let code, let text)): brokerClosed(channel, code, text)
        case .method(.channelCloseOK): closeAnswered(channel)
        case _ where channel.phase == .closing: break
        case .method(let method): try take(method, on: channel)
        case .header(let bodySize, let properties):
            channel.content?.bodySize = bodySize
            channel.content?.properties = properties
            channel.content?.body.reserveCapacity(min(bodySize, 1 << 20))
            finishContent(of: channel)
        case .body(let fragment):
            if channel.content?.body.isEmpty == true {
                channel.content?.body = fragment
            } else {
                channel.content?.body.append(contentsOf: fragment)
            }
            finishContent(of: channel)
        case .other: break
        }
    }

    private func take(_ method: ServerMethod, on channel: LoopChannel) throws(TransportError) {
        switch method {
        case .deliver(let head):
            channel.content = LoopChannel.Content(
                kind: .delivery(head), exchange: head.exchange, routingKey: head.routingKey)
        case .returned(let text, let exchange, let routingKey):
            channel.content = LoopChannel.Content(
                kind: .returned(text), exchange: exchange, routingKey: routingKey)
        case .acknowledged(let tag, let multiple):
            if channel === publishing?.channel { takeConfirm(upTo: tag, multiple: multiple) }
        case .refused(let tag, let multiple):
            if channel === publishing?.channel { takeRefusal(upTo: tag, multiple: multiple) }
        case .cancelled(let consumerTag):
            let text = "the broker cancelled consumer '\(consumerTag)': its queue was deleted or is not available"
            close(channel, endingWith: .notFound(text)) { _ in }
        case .reply(let number, let reply):
            if !channel.take(number, reply) {
                throw .connectionLost("the broker answered what was not asked (method \(number))")
            }
        case .connectionClose, .blocked, .unblocked, .channelClose, .channelCloseOK: break
        }
    }

    private func finishContent(of channel: LoopChannel) {
        guard let content = channel.content, content.isComplete else { return }
        channel.content = nil
        switch content.kind {
        case .returned(let text):
            if channel === publishing?.channel { publishing?.window.markReturned(content.delivery, text: text) }
        case .delivery(let head) where head.isGet:
            _ = channel.take(0x003C_0047, .message(content.delivery))
        case .delivery:
            if channel.arrived.isEmpty { touched.append(channel) }
            channel.arrived.append(content.delivery)
        }
    }

    // MARK: Ends

    private func brokerClosed(_ channel: LoopChannel, _ code: Int, _ text: String) {
        writer.write(.channelCloseOK, channel: channel.number)
        // Both sides closed at once: the broker still answers our close, which frees the number.
        if channel.phase == .closing { return }
        forget(channel)
        let error: TransportError = code == 404 ? .notFound(text) : .refused(code: code, text: text)
        if channel === publishing?.channel { publishChannelClosed(error, text) }
        channel.end(error)
    }

    private func closeAnswered(_ channel: LoopChannel) {
        forget(channel)
        _ = channel.take(ClientMethod.channelCloseOK.number, .done)
    }

    private func forget(_ channel: LoopChannel) {
        channels[channel.id] = nil
        channelNumbers[channel.number] = nil
    }
}
