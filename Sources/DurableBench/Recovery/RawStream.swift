import DurableBackend
import DurableEngine

/// A log stream read without an engine: nothing that reads it can be faster.
struct RawStream {
    private let transport: any MessageTransport
    private let stream: String

    init(_ transport: any MessageTransport, _ stream: String) {
        self.transport = transport
        self.stream = stream
    }

    /// Reads what is there now.
    func read() async throws -> (messages: Int, bytes: Int, seconds: Double) {
        let last = try await end()
        var (messages, bytes) = (0, 0)
        let channel = try await transport.openChannel()
        let took = try await ContinuousClock().measure {
            try await channel.consume(
                queue: stream, consumerTag: "raw", prefetch: 64, from: .offset(0), exclusive: false)
            for try await batch in channel.deliveries {
                for delivery in batch {
                    messages += 1
                    bytes += delivery.body.count
                }
                guard let end = batch.last else { continue }
                channel.acknowledge(end.tag, multiple: true)
                if let offset = end.streamOffset, offset >= last { return }
            }
        }
        await channel.close()
        return (messages, bytes, took.inSeconds)
    }

    /// Offset of the first message of the last chunk: close enough to the end to measure by.
    private func end() async throws -> UInt64 {
        let channel = try await transport.openChannel()
        try await channel.consume(queue: stream, consumerTag: "end", prefetch: 64, from: .last, exclusive: false)
        for try await batch in channel.deliveries {
            guard let offset = batch.last?.streamOffset else { continue }
            await channel.close()
            return offset
        }
        throw BenchFailure("stream \(stream) has no end")
    }
}
