import DurableCore

extension MessageTransport {
    /// Whether a stream still keeps all it ever held from an offset on.
    ///
    /// Offsets rise, but RabbitMQ takes one for itself at the beginning of each segment: one that is left out says
    /// nothing. Messages are only ever dropped oldest first.
    ///
    /// - Throws: `.connectionLost` too when the stream gives nothing in time.
    package func keeps(
        _ stream: String, from offset: UInt64, clock: any EngineClock
    ) async throws(TransportError) -> Bool {
        let channel = try await openChannel()
        let timeout = Task {
            await clock.sleep(for: .seconds(10))
            if !Task.isCancelled { await channel.close() }
        }
        defer { timeout.cancel() }
        let oldest: UInt64?
        do throws(TransportError) {
            try await channel.consume(queue: stream, consumerTag: "oldest", prefetch: 1, from: .first, exclusive: false)
            var deliveries = channel.deliveries.makeAsyncIterator()
            oldest = try await deliveries.next()?.first?.streamOffset
        } catch {
            await channel.close()
            throw error
        }
        await channel.close()
        guard let oldest else { throw .connectionLost("\(stream) gave nothing in time") }
        return oldest <= offset
    }
}
