extension OutgoingMessage {
    /// What AMQP cannot carry about this message, or nil when it may be sent.
    package var defect: String? {
        let texts: [(String, String?)] = [
            ("exchange", exchange), ("routing key", routingKey), ("message ID", properties.messageID),
            ("type", properties.type), ("correlation ID", properties.correlationID), ("reply-to", properties.replyTo),
            ("application ID", properties.appID), ("content type", properties.contentType),
        ]
        for (what, text) in texts {
            if let text, text.utf8.count > 255 {
                return "the \(what) has \(text.utf8.count) bytes, AMQP carries at most 255"
            }
        }
        var headerBytes = 0
        for header in properties.headers {
            if header.name.utf8.count > 255 { return "a header name has \(header.name.utf8.count) bytes, at most 255" }
            headerBytes += header.name.utf8.count + 16
            if case .string(let text) = header.value { headerBytes += text.utf8.count }
        }
        // A content header is one frame and cannot be split; brokers take 128 KiB by default.
        if headerBytes > 64 * 1024 { return "headers have \(headerBytes) bytes, at most 65536 are allowed" }
        return nil
    }
}

extension [OutgoingMessage] {
    /// Publishes what AMQP can carry: a message that it cannot keeps nothing back that comes with it.
    package func publishSendable(
        _ publish: ([OutgoingMessage]) async throws(TransportError) -> [PublishOutcome]
    ) async throws(TransportError) -> [PublishOutcome] {
        guard contains(where: { $0.defect != nil }) else { return try await publish(self) }
        let sendable = filter { $0.defect == nil }
        var outcomes = (sendable.isEmpty ? [] : try await publish(sendable)).makeIterator()
        return map { message in message.defect.map(PublishOutcome.unsendable) ?? outcomes.next() ?? .rejected }
    }
}
