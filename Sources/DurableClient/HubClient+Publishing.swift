package import DurableBackend
import DurableCore

extension HubClient {
    /// Publishes until the broker has taken every message. What gets lost on the way is published again with the same
    /// IDs, which receivers know as repeats.
    ///
    /// - Parameter subject: What is being done, for the error's text, such as "cannot submit instance o-1".
    /// - Throws: `ClientError`, DTQ1002 when a message finds no queue: the hub's topology is incomplete.
    package func publish(_ messages: [OutgoingMessage], _ subject: @autoclosure () -> String) async throws {
        var remaining = messages
        var attempt = 0
        while true {
            var returned: (message: OutgoingMessage, text: String)?
            let failure: any Error
            do throws(TransportError) {
                let outcomes = try await transport.publish(remaining)
                (remaining, returned) = try Self.sort(remaining, by: outcomes)
                if remaining.isEmpty && returned == nil { return }
                failure = ClientError(
                    .brokerBlocked,
                    "\(subject()): the broker refused \(remaining.count) messages for now (a queue is full). "
                        + "They were not accepted. Try again when workers have caught up.")
            } catch .connectionLost(let text) {
                failure = ClientError.wrapping(.connectionLost(text), subject())
            } catch {
                throw ClientError.wrapping(error, subject())
            }
            if let returned {
                throw ClientError(
                    .hubDoesNotFit,
                    "\(subject()): hub \"\(hub)\" has no queue for key \(returned.message.routingKey) of exchange "
                        + "\(returned.message.exchange) (\(returned.text)). The message was not accepted. "
                        + "dtq hub verify shows what is missing, dtq hub create declares it.")
            }
            attempt += 1
            if attempt >= options.publishAttempts { throw failure }
            await clock.sleep(for: options.backoff(before: attempt))
            try Task.checkCancellation()
        }
    }

    /// - Returns: What the broker refused for now, and the first message it returned for want of a queue.
    private static func sort(
        _ messages: [OutgoingMessage], by outcomes: [PublishOutcome]
    ) throws(TransportError) -> (refused: [OutgoingMessage], returned: (message: OutgoingMessage, text: String)?) {
        var refused: [OutgoingMessage] = []
        var returned: (message: OutgoingMessage, text: String)?
        for (message, outcome) in zip(messages, outcomes) {
            switch outcome {
            case .confirmed: break
            case .rejected: refused.append(message)
            case .returned(let text): returned = returned ?? (message, text)
            case .unsendable(let text): throw .refused(code: 502, text: text)
            }
        }
        return (refused, returned)
    }

    /// Checks what the caller gave before anything is sent.
    func check(_ payload: Payload?, _ what: String) throws {
        guard let payload, payload.count > options.payloadLimit else { return }
        throw ClientError(
            .payloadTooLarge,
            "\(what) has \(payload.count) bytes, the limit is \(options.payloadLimit). Nothing was sent. "
                + "Store the data elsewhere and pass a reference.")
    }

    func check(_ id: InstanceID) throws {
        if let defect = id.defect { throw ClientError(.wrongArgument, "\(defect). Nothing was sent.") }
    }

    func check(orchestration id: InstanceID) throws {
        try check(id)
        if id.isReserved {
            throw ClientError(
                .isEntity,
                "\(id) begins with @, as only the IDs of entities do, which take nothing but operations. Nothing was sent."
            )
        }
    }

    func check(name: String, _ what: String) throws {
        let length = name.utf8.count
        guard (1...255).contains(length), !name.unicodeScalars.contains(where: { $0.value < 0x20 || $0.value == 0x7f })
        else {
            throw ClientError(
                .wrongArgument,
                "\(what) has 1 to 255 bytes and no control characters, this one has \(length) bytes. "
                    + "Nothing was sent.")
        }
    }
}
