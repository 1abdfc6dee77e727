import DurableCore

extension ConsumerChannel {
    /// What arrives next, from a stream that has it or is about to.
    ///
    /// - Parameter clock: nil: waits until something comes or the task is cancelled.
    /// - Returns: nil when nothing came within 10 s; the channel is closed then.
    package func next(_ clock: (any EngineClock)?) async throws(TransportError) -> [Delivery]? {
        let timeout = clock.map { clock in
            Task {
                await clock.sleep(for: .seconds(10))
                if !Task.isCancelled { await close() }
            }
        }
        defer { timeout?.cancel() }
        var deliveries = self.deliveries.makeAsyncIterator()
        return try await deliveries.next()
    }
}

extension MessageTransport {
    /// Publishes again when the answer was lost, up to so many times: of what is twice in a stream then, readers take
    /// the first.
    package func publish(
        _ messages: [OutgoingMessage], attempts: Int
    ) async throws(TransportError) -> [PublishOutcome] {
        var attempt = 1
        while true {
            do throws(TransportError) {
                return try await publish(messages)
            } catch {
                guard case .connectionLost = error, attempt < attempts else { throw error }
                attempt += 1
            }
        }
    }

    /// Whether `offset`, delivered to who has read a stream up to `next`, is that of the next message there was.
    ///
    /// Offsets rise, but RabbitMQ takes one for itself at the beginning of each segment: one that is left out says
    /// nothing. Messages are only ever dropped oldest first, so none is missing while the stream keeps one from before.
    ///
    /// - Throws: `.connectionLost` too when the stream gives nothing in time.
    package func isNext(
        _ offset: UInt64, after next: UInt64, in stream: String, clock: any EngineClock
    ) async throws(TransportError) -> Bool {
        if offset == next { return true }
        let channel = try await openChannel()
        let oldest: UInt64?
        do throws(TransportError) {
            try await channel.consume(queue: stream, consumerTag: "oldest", prefetch: 1, from: .first, exclusive: false)
            oldest = try await channel.next(clock)?.first?.streamOffset
        } catch {
            await channel.close()
            throw error
        }
        await channel.close()
        guard let oldest else { throw .connectionLost("\(stream) gave nothing in time") }
        return oldest <= next
    }
}
