internal import DurableBackend
internal import DurableCore

extension TransportBench {
    func publishedMessagesKeepTheirOrder() async throws {
        for kind in QueueDescription.Kind.allCases {
            let queue = try await queue("order.\(kind)", kind)
            let reader = try await consume(queue, on: first, prefetch: 1000, from: kind == .stream ? .first : nil)
            try await publish(numbers(0..<200), to: queue)
            try await publish(numbers(200..<300), to: queue)
            let deliveries = try await reader.take(300)
            try expect(deliveries.texts == numbers(0..<300), "a \(kind) queue keeps the order, got \(deliveries.texts)")
            try expect(
                zip(deliveries, deliveries.dropFirst()).allSatisfy { $0.tag < $1.tag }, "tags grow on a channel")
            try expect(deliveries.allSatisfy { !$0.isRedelivered }, "nothing is redelivered")
        }
    }

    func unroutableMessageIsReturned() async throws {
        let queue = try await queue("q", .classic)
        var notice = message("notice", to: name("nowhere"))
        notice.isMandatory = false
        let outcomes = try await first.publish([
            message("a", to: queue), message("b", to: name("nowhere")), notice, message("c", to: queue),
        ])
        try expect(
            outcomes.map(\.isReturned) == [false, true, false, false]
                && outcomes.filter { $0 == .confirmed }.count == 3,
            "only the mandatory unroutable message is returned, got \(outcomes)")
        let deliveries = try await consume(queue, on: second).take(2)
        try expect(deliveries.texts == ["a", "c"], "its neighbours arrive, got \(deliveries.texts)")
    }

    func unsendableMessageKeepsNothingBack() async throws {
        let queue = try await queue("q", .classic)
        var long = message("long", to: queue)
        long.properties.correlationID = String(repeating: "c", count: 256)
        let outcomes = try await first.publish([message("a", to: queue), long, message("b", to: queue)])
        let text = "the correlation ID has 256 bytes, AMQP carries at most 255"
        try expect(
            outcomes == [.confirmed, .unsendable(text), .confirmed], "it alone is not sent, got \(outcomes)")
        let alone = try await first.publish([long])
        try expect(alone == [.unsendable(text)], "nor by itself, got \(alone)")
        let deliveries = try await consume(queue, on: second).take(2)
        try expect(deliveries.texts == ["a", "b"], "its neighbours arrive, got \(deliveries.texts)")
    }

    func publishToMissingExchangeFails() async throws {
        let queue = try await queue("q", .classic)
        var lost = message("lost", to: queue)
        lost.exchange = name("missing")
        do {
            let outcomes = try await first.publish([lost])
            throw RuleViolation("expected an error, got \(outcomes)")
        } catch TransportError.notFound(let text) {
            try expect(text.contains(lost.exchange), "the text names the exchange, got \(text)")
        }
        let outcomes = try await first.publish([message("next", to: queue)])
        try expect(outcomes == [.confirmed], "the transport goes on, got \(outcomes)")
    }

    func missingExchangeLeavesFateUnknown() async throws {
        let queue = try await queue("q", .classic)
        var lost = message("lost", to: queue)
        lost.exchange = name("missing")
        let batches = [
            [message("a", to: queue)], [message("b", to: queue), lost, message("never", to: queue)],
            [message("c", to: queue)],
        ]
        let confirmed = try await withThrowingTaskGroup(of: [String].self) { [first] group in
            for (index, batch) in batches.enumerated() {
                group.addTask {
                    do {
                        let outcomes = try await first.publish(batch)
                        try expect(index != 1 && outcomes == [.confirmed], "batch \(index) has no such outcome")
                        return batch.map { String(decoding: $0.body, as: UTF8.self) }
                    } catch TransportError.notFound(_) where index == 1 {
                        return []
                    } catch TransportError.connectionLost(_) where index != 1 {
                        return []
                    }
                }
            }
            return try await group.reduce(into: []) { $0 += $1 }
        }
        try await publish(["end"], to: queue)
        let reader = try await consume(queue, on: second)
        var texts: [String] = []
        while texts.last != "end" { texts += try await reader.take(1).texts }
        try expect(
            Set(confirmed).isSubset(of: texts) && Set(texts).isSubset(of: ["a", "b", "c", "end"]),
            "what was confirmed is there, and nothing behind the mistake, got \(texts), confirmed \(confirmed)")
    }

    /// A batch in which nothing is told apart but by its place: same exchange and body, keys that lead somewhere or
    /// not.
    func outcomesMatchTheirMessages() async throws {
        let (quorum, classic) = (try await queue("quorum", .quorum), try await queue("classic", .classic))
        let keys = [quorum, name("nowhere"), classic]
        try await withThrowingTaskGroup(of: Void.self) { [first] group in
            for publisher in 0..<3 {
                let batch = (0..<60).map { index in
                    var message = message("same", to: keys[(index * index + publisher) % 3])
                    message.isMandatory = index % 5 != 4
                    return message
                }
                group.addTask { [nowhere = name("nowhere")] in
                    let outcomes = try await first.publish(batch)
                    try expect(
                        outcomes.map(\.isReturned) == batch.map { $0.isMandatory && $0.routingKey == nowhere }
                            && outcomes.allSatisfy { $0.isReturned || $0 == .confirmed },
                        "each outcome belongs to the message in its place, got \(outcomes)")
                }
            }
            try await group.waitForAll()
        }
    }

    func exchangesRouteByTheirKind() async throws {
        let (fanout, topic) = (name("fanout"), name("topic"))
        let (a, b) = (try await queue("a", .classic), try await queue("b", .classic))
        try await declare(
            TopologyFragment(
                exchanges: [
                    ExchangeDescription(name: fanout, kind: .fanout), ExchangeDescription(name: topic, kind: .topic),
                ],
                bindings: [
                    BindingDescription(exchange: fanout, queue: a, routingKey: ""),
                    BindingDescription(exchange: fanout, queue: b, routingKey: "ignored"),
                    BindingDescription(exchange: topic, queue: a, routingKey: "orders.*.paid"),
                    BindingDescription(exchange: topic, queue: b, routingKey: "orders.#"),
                    BindingDescription(exchange: topic, queue: b, routingKey: "#.paid"),
                ]))
        func send(_ text: String, _ exchange: String, _ key: String) async throws {
            var message = message(text, to: key)
            message.exchange = exchange
            let outcomes = try await first.publish([message])
            try expect(outcomes == [.confirmed], "\(text) is confirmed, got \(outcomes)")
        }
        try await send("fanout", fanout, "any")
        try await send("both", topic, "orders.7.paid")
        try await send("b only", topic, "orders")
        try await send("b again", topic, "orders.7.8.paid")
        let (atA, atB) = (try await consume(a, on: second), try await consume(b, on: second))
        try expect(try await atA.take(2).texts == ["fanout", "both"], "queue a gets what fits its bindings")
        try await expectNothingMore(for: atA)
        let texts = try await atB.take(4).texts
        try expect(texts == ["fanout", "both", "b only", "b again"], "queue b gets each once, got \(texts)")
        try await expectNothingMore(for: atB)
    }

    func largeBodySurvives() async throws {
        let body = (0..<200_000).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }
        for kind in QueueDescription.Kind.allCases {
            let queue = try await queue("large.\(kind)", kind)
            let reader = try await consume(queue, on: first, prefetch: 2, from: kind == .stream ? .first : nil)
            var large = message("large", to: queue)
            large.body = body
            var empty = large
            empty.body = []
            let outcomes = try await second.publish([large, empty])
            try expect(outcomes == [.confirmed, .confirmed], "both are confirmed, got \(outcomes)")
            let deliveries = try await reader.take(2)
            try expect(deliveries.first?.body == body, "200,000 bytes pass a \(kind) queue unchanged")
            try expect(deliveries.last?.body == [], "an empty body stays empty")
        }
    }

    func propertiesAndHeadersSurvive() async throws {
        let headers = [
            MessageHeader("dtq-flag", .boolean(true)), MessageHeader("dtq-negative", .integer(-5)),
            MessageHeader("dtq-sequence", .integer(.max)), MessageHeader("dtq-text", .string("ä\u{1F600}")),
            MessageHeader("dtq-version", .integer(1)),
        ]
        let properties = MessageProperties(
            messageID: "m-1", type: "TaskCompleted", correlationID: "o-1881", replyTo: "back",
            timestamp: Timestamp(millisecondsSinceEpoch: 1_795_512_600_000), appID: "dtq",
            contentType: "application/x-protobuf", expirationMilliseconds: 3_600_000, isPersistent: true,
            headers: headers)
        for kind in QueueDescription.Kind.allCases {
            let queue = try await queue("properties.\(kind)", kind)
            let reader = try await consume(queue, on: first, prefetch: 2, from: kind == .stream ? .first : nil)
            var full = message("full", to: queue)
            full.properties = properties
            var bare = message("bare", to: queue)
            bare.properties = MessageProperties(appID: nil, isPersistent: false)
            let outcomes = try await second.publish([full, bare])
            try expect(outcomes == [.confirmed, .confirmed], "both are confirmed, got \(outcomes)")
            let deliveries = try await reader.take(2)
            for (delivery, sent) in zip(deliveries, [full, bare]) {
                // A broker may add headers of its own.
                var received = delivery.properties
                received.headers.removeAll { header in !sent.properties.headers.contains { $0.name == header.name } }
                try expect(received == sent.properties, "a \(kind) queue keeps \(sent.properties), got \(received)")
                try expect(
                    delivery.exchange == exchange && delivery.routingKey == queue,
                    "exchange and key arrive, got \(delivery.exchange), \(delivery.routingKey)")
                try expect(delivery.consumerTag == "c-\(queue)", "the tag is ours, got \(delivery.consumerTag)")
            }
        }
    }
}

extension PublishOutcome {
    /// Returned as unroutable, in the broker's words.
    var isReturned: Bool { if case .returned(let text) = self { text.contains("NO_ROUTE") } else { false } }
}
