import DurableAMQP
import DurableBackend
import DurableCore
import Testing

/// All tests against a real broker: one after the other, since one of them makes it block publishers.
@Suite(
    "RabbitMQ", .serialized, .timeLimit(.minutes(2)),
    .enabled(if: TestBroker.isThere, "DTQ_TEST_AMQP_URL is not set: see ops/lib/broker.sh"))
enum RabbitMQTests {}

extension RabbitMQTests {
    @Suite("Publishing") struct Publishing {
        @Test("A message is confirmed once the broker holds it")
        func confirms() async throws {
            try await withTransport { transport, sandbox in
                try await transport.declare(sandbox.topology("q"))
                #expect(try await transport.publish(["a", "b"], to: sandbox.name("q")) == [.confirmed, .confirmed])
                #expect(try await transport.inspect(queue: sandbox.name("q"))?.readyMessages == 2)
            }
        }

        @Test("A message without a queue comes back with the broker's text, its neighbours are confirmed")
        func returns() async throws {
            try await withTransport { transport, sandbox in
                try await transport.declare(sandbox.topology("q"))
                func message(_ key: String, mandatory: Bool) -> OutgoingMessage {
                    OutgoingMessage(
                        exchange: sandbox.name("q"), routingKey: key, properties: MessageProperties(), body: [1],
                        isMandatory: mandatory)
                }
                let outcomes = try await transport.publish([
                    message("k", mandatory: true), message("nowhere", mandatory: true), message("k", mandatory: true),
                    message("nowhere", mandatory: false), message("nowhere", mandatory: true),
                ])
                let back = PublishOutcome.returned("NO_ROUTE")
                #expect(outcomes == [.confirmed, back, .confirmed, .confirmed, back])
            }
        }

        @Test("Under load every outcome belongs to its message, whatever order the broker answers in")
        func outcomesUnderLoad() async throws {
            try await withTransport { transport, sandbox in
                try await transport.declare(sandbox.topology("quorum"))
                try await transport.declare(sandbox.topology("classic", .classic))
                let wrong = try await withThrowingTaskGroup(of: Int.self) { group in
                    for publisher in 0..<8 {
                        group.addTask {
                            var wrong = 0
                            for batch in 0..<25 {
                                // Every seventh message goes nowhere; two kinds of queue confirm at their own pace.
                                let messages = (0..<100).map { index in
                                    let isLost = (batch + index) % 7 == 0
                                    return OutgoingMessage(
                                        exchange: sandbox.name(index % 2 == 0 ? "quorum" : "classic"),
                                        routingKey: isLost ? "nowhere" : "k",
                                        properties: MessageProperties(messageID: "\(publisher)/\(batch)/\(index)"),
                                        body: Array(repeating: UInt8(index), count: 200))
                                }
                                let outcomes = try await transport.publish(messages)
                                for (message, outcome) in zip(messages, outcomes) {
                                    let isReturned = outcome == .returned("NO_ROUTE")
                                    let fits = message.routingKey == "nowhere" ? isReturned : outcome == .confirmed
                                    if !fits { wrong += 1 }
                                }
                                if outcomes.count != messages.count { wrong += 1 }
                            }
                            return wrong
                        }
                    }
                    return try await group.reduce(0, +)
                }
                #expect(wrong == 0)
                let quorum = try await transport.inspect(queue: sandbox.name("quorum"))?.readyMessages ?? 0
                let classic = try await transport.inspect(queue: sandbox.name("classic"))?.readyMessages ?? 0
                let lost = (0..<25).reduce(0) { sum, batch in sum + (0..<100).count { (batch + $0) % 7 == 0 } }
                #expect(quorum + classic == 20_000 - 8 * lost)
            }
        }

        @Test("Publishing goes on within the bound of unconfirmed bytes, a message over the bound alone")
        func boundedUnconfirmedBytes() async throws {
            try await withTransport({ $0.unconfirmedByteLimit = 2000 }) { transport, sandbox in
                try await transport.declare(sandbox.topology("q"))
                let messages = (0..<60).map {
                    OutgoingMessage(
                        exchange: sandbox.name("q"), routingKey: "k", properties: MessageProperties(),
                        body: Array(repeating: 1, count: $0 * 100))
                }
                #expect(try await transport.publish(messages) == messages.map { _ in .confirmed })
            }
        }

        @Test("A body larger than a frame arrives whole, both ways")
        func largeBody() async throws {
            try await withTransport { transport, sandbox in
                try await transport.declare(sandbox.topology("q"))
                let body = (0..<300_000).map { UInt8(truncatingIfNeeded: $0 &* 7919 >> 3) }
                let exactFrame = Array(body.prefix(131_072 - 8))
                for body in [body, exactFrame, []] {
                    let message = OutgoingMessage(
                        exchange: sandbox.name("q"), routingKey: "k", properties: MessageProperties(), body: body)
                    #expect(try await transport.publish([message]) == [.confirmed])
                }
                let (_, reader) = try await transport.consume(sandbox.name("q"))
                #expect(try await reader.take(3).map(\.body) == [body, exactFrame, []])
            }
        }

        @Test("Properties and scalar headers arrive as sent, the time in whole seconds")
        func properties() async throws {
            try await withTransport { transport, sandbox in
                try await transport.declare(sandbox.topology("q"))
                var sent = MessageProperties(
                    messageID: "m-1", type: "TaskCompleted", correlationID: "Bestellung/ä", replyTo: "r",
                    timestamp: Timestamp(millisecondsSinceEpoch: 1_764_000_000_999), appID: "dtq",
                    contentType: "application/x-protobuf", expirationMilliseconds: 60_000, isPersistent: true,
                    headers: [
                        MessageHeader("dtq-version", .integer(1)), MessageHeader("flag", .boolean(true)),
                        MessageHeader("low", .integer(.min)), MessageHeader("traceparent", .string("00-ab")),
                    ])
                let message = OutgoingMessage(exchange: sandbox.name("q"), routingKey: "k", properties: sent, body: [7])
                #expect(try await transport.publish([message]) == [.confirmed])
                let (_, reader) = try await transport.consume(sandbox.name("q"))
                let delivery = try #require(try await reader.next())
                sent.timestamp = Timestamp(millisecondsSinceEpoch: 1_764_000_000_000)
                #expect(delivery.properties == sent)
                #expect(delivery.exchange == sandbox.name("q"))
                #expect(delivery.routingKey == "k")
                #expect(delivery.deliveryCount == 0)
                #expect(!delivery.isRedelivered)
            }
        }

        @Test("Publishing to a missing exchange tells who did it, and nobody's later publishes suffer")
        func missingExchange() async throws {
            try await withTransport { transport, sandbox in
                try await transport.declare(sandbox.topology("q"))
                let (_, reader) = try await transport.consume(sandbox.name("q"))
                let error = try await #require(throws: TransportError.self) {
                    try await transport.publish(["lost"], to: sandbox.name("missing"))
                }
                guard case .notFound(let text) = error else {
                    Issue.record("expected notFound, got \(error)")
                    return
                }
                #expect(text.contains("no exchange '\(sandbox.name("missing"))'"))
                #expect(try await transport.publish(["a"], to: sandbox.name("q")) == [.confirmed])
                #expect(try await reader.next()?.text == "a")
            }
        }

        @Test("A full queue's refusal is an outcome, not an error", .enabled(if: TestBroker.hasManagement))
        func rejected() async throws {
            try await withTransport { transport, sandbox in
                try await transport.declare(sandbox.topology("q", .classic))
                try await TestBroker.manage(
                    "PUT", "policies/\(sandbox.endpoint.virtualHost)/full",
                    #"{"pattern":"^q$","definition":{"max-length":2,"overflow":"reject-publish"},"apply-to":"queues"}"#)
                var outcomes: [PublishOutcome] = []
                // The policy reaches the queue a moment later.
                while outcomes.last != .rejected { outcomes += try await transport.publish(["x"], to: "q") }
                #expect(try await transport.publish(["y", "z"], to: "q") == [.rejected, .rejected])

                // What follows goes over another channel, whose answers are counted from 1 again.
                try await transport.declare(sandbox.topology("other"))
                let messages = (0..<100).map { index in
                    OutgoingMessage(
                        exchange: index % 3 == 0 ? "q" : "other", routingKey: index % 5 == 0 ? "nowhere" : "k",
                        properties: MessageProperties(messageID: "\(index)"), body: [1])
                }
                #expect(
                    try await transport.publish(messages)
                        == (0..<100).map { index in
                            if index % 5 == 0 { return .returned("NO_ROUTE") }
                            return index % 3 == 0 ? .rejected : .confirmed
                        })
            }
        }

        @Test("A cancelled publish ends with cancelled, the transport goes on")
        func cancellation() async throws {
            try await withTransport { transport, sandbox in
                try await transport.declare(sandbox.topology("q"))
                let task = Task { try await transport.publish(["a"], to: sandbox.name("q")) }
                task.cancel()
                do { #expect(try await task.value == [.confirmed]) } catch {
                    #expect(error as? TransportError == .cancelled)
                }
                #expect(try await transport.publish(["b"], to: sandbox.name("q")) == [.confirmed])
            }
        }
    }
}
