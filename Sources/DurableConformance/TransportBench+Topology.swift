internal import DurableBackend
internal import DurableCore

extension TransportBench {
    func declareTwiceIsFine() async throws {
        let quorum = try await queue("quorum", .quorum) {
            $0.isSingleActiveConsumer = true
            $0.messageTTLMilliseconds = 60_000
            $0.deadLetterExchange = self.deadExchange
            $0.deadLetterRoutingKey = "k"
        }
        try await publish(["kept"], to: quorum)
        try await queue("quorum", .quorum) {
            $0.isSingleActiveConsumer = true
            $0.messageTTLMilliseconds = 60_000
            $0.deadLetterExchange = self.deadExchange
            $0.deadLetterRoutingKey = "k"
        }
        try await queue("stream", .stream)
        try await queue("stream", .stream)
        let texts = try await consume(quorum, on: second).take(1).texts
        try expect(texts == ["kept"], "a second declaration changes nothing, got \(texts)")
        try expect(try await first.exchangeExists(exchange), "the exchange is there")
        try expect(try await !first.exchangeExists(name("missing")), "a missing exchange is not")
    }

    func declareWithOtherPropertiesIsRefused() async throws {
        try await queue("q", .quorum)
        let others: [(String, (inout QueueDescription) -> Void)] = [
            (
                "another kind",
                {
                    $0.kind = .classic; $0.deliveryLimit = nil
                }
            ),
            ("a time to live", { $0.messageTTLMilliseconds = 1000 }),
            ("single active consumer", { $0.isSingleActiveConsumer = true }),
            ("dead letters", { $0.deadLetterExchange = self.deadExchange }),
        ]
        for (what, adjust) in others {
            do {
                try await queue("q", .quorum, adjust)
                throw RuleViolation("expected that a queue with \(what) is refused")
            } catch TransportError.refused(code: 406, let text) {
                try expect(text.contains(name("q")), "the text names the queue, got \(text)")
            }
        }
        do {
            try await declare(
                TopologyFragment(exchanges: [ExchangeDescription(name: exchange, kind: .topic)]))
            throw RuleViolation("expected that an exchange of another kind is refused")
        } catch TransportError.refused(code: 406, let text) {
            try expect(text.contains(exchange), "the text names the exchange, got \(text)")
        }
        try await publish(["still works"], to: name("q"))
    }

    func bindingToMissingQueueFails() async throws {
        do {
            try await declare(
                TopologyFragment(
                    bindings: [BindingDescription(exchange: exchange, queue: name("missing"), routingKey: "k")]))
            throw RuleViolation("expected an error")
        } catch TransportError.notFound(let text) {
            try expect(text.contains(name("missing")), "the text names the queue, got \(text)")
        }
    }

    func consumeOfMissingQueueFails() async throws {
        let reader = try await open(first)
        do {
            try await reader.consume(name("missing"))
            throw RuleViolation("expected an error")
        } catch TransportError.notFound(let text) {
            try expect(text.contains(name("missing")), "the text names the queue, got \(text)")
        }
        try expect(try await first.inspect(queue: name("missing")) == nil, "inspecting it finds nothing")
        let queue = try await queue("there", .classic)
        try await publish(["x"], to: queue)
        let texts = try await consume(queue, on: first).take(1).texts
        try expect(texts == ["x"], "the transport goes on, got \(texts)")
    }

    func privateQueueEndsWithItsChannel() async throws {
        let reader = try await open(first)
        let queue = name("private")
        try await reader.channel.declarePrivateQueue(
            name: queue, bindings: [PrivateBinding(exchange: exchange, routingKey: queue)])
        try await reader.consume(queue)
        try await publish(["answer"], to: queue)
        let texts = try await reader.take(1).texts
        try expect(texts == ["answer"], "others can publish to it, got \(texts)")
        await reader.close()
        try await eventually("it goes with its channel") { [second, message = message("late", to: queue)] in
            try await second.publish([message]).first?.isReturned == true
        }
    }

    func privateQueueIsNobodyElses() async throws {
        let queue = name("private")
        let owner = try await open(first)
        try await owner.channel.declarePrivateQueue(
            name: queue, bindings: [PrivateBinding(exchange: exchange, routingKey: queue)])
        let there = try await first.inspect(queue: queue)
        try expect(there == QueueInspection(readyMessages: 0, consumers: 0), "its owner sees it, got \(there as Any)")
        try await expectRefusal(code: 405, "another client that looks at it") { [second] in
            _ = try await second.inspect(queue: queue)
        }
        try await expectRefusal(code: 405, "another client that consumes it") { [second] in
            try await second.openChannel().consume(
                queue: queue, consumerTag: "c", prefetch: 1, from: nil, exclusive: false)
        }
        try await expectRefusal(code: 405, "another client that declares it") { [second] in
            try await second.openChannel().declarePrivateQueue(name: queue, bindings: [])
        }
        try await expectRefusal(code: 405, "another client that takes from it") { [second] in
            _ = try await second.get(queue: queue, count: 1, peek: true)
        }
        // Nobody has consumed it, so it outlives the channel that declared it.
        await owner.close()
        try await publish(["kept"], to: queue)
        let next = try await open(first)
        try await next.channel.declarePrivateQueue(name: queue, bindings: [])
        try await next.consume(queue)
        let texts = try await next.take(1).texts
        try expect(texts == ["kept"], "its owner's other channels reach it, got \(texts)")
        try await next.channel.declarePrivateQueue(name: name("unread"), bindings: [])
        await first.close()
        for queue in [queue, name("unread")] {
            try await eventually("it goes with its connection") { [second] in
                try await second.inspect(queue: queue) == nil
            }
        }
    }

    func inspectCountsReadyAndConsumers() async throws {
        for kind in [QueueDescription.Kind.quorum, .classic] {
            let queue = try await queue("inspect.\(kind)", kind)
            let empty = try await first.inspect(queue: queue)
            try expect(
                empty == QueueInspection(readyMessages: 0, consumers: 0), "a new queue is empty, got \(empty as Any)")
            try await publish(numbers(0..<10), to: queue)
            let reader = try await consume(queue, on: first, prefetch: 4)
            let deliveries = try await reader.take(4)
            try await eventually("six of ten are ready while a consumer of a \(kind) queue holds four") { [second] in
                try await second.inspect(queue: queue) == QueueInspection(readyMessages: 6, consumers: 1)
            }
            reader.acknowledge(deliveries.last, multiple: true)
            _ = try await reader.take(4)
            await reader.close()
            try await eventually("what it held is ready again once its channel closed") { [second] in
                try await second.inspect(queue: queue) == QueueInspection(readyMessages: 6, consumers: 0)
            }
            try await inspectCountsSingleActiveConsumers(of: kind)
        }
    }

    /// A quorum queue does not count those that wait to become the active one.
    private func inspectCountsSingleActiveConsumers(of kind: QueueDescription.Kind) async throws {
        let queue = try await queue("inspect.single.\(kind)", kind) { $0.isSingleActiveConsumer = true }
        let readers = [
            try await consume(queue, on: first, prefetch: 1), try await consume(queue, on: second, prefetch: 1),
        ]
        let count = kind == .quorum ? 1 : 2
        try await eventually("\(count) of two single active consumers of a \(kind) queue counted") { [second] in
            try await second.inspect(queue: queue)?.consumers == count
        }
        for reader in readers { await reader.close() }
    }

    func getTakesOrPeeks() async throws {
        for kind in [QueueDescription.Kind.quorum, .classic] {
            let queue = try await queue("get.\(kind)", kind)
            try expect(try await first.get(queue: queue, count: 1, peek: false) == [], "an empty queue gives nothing")
            try await publish(numbers(0..<4), to: queue)
            let peeked = try await first.get(queue: queue, count: 3, peek: true)
            try expect(peeked.texts == numbers(0..<3), "the first three are shown, got \(peeked.texts)")
            try await eventually("a look at a \(kind) queue leaves them there") { [second] in
                try await second.inspect(queue: queue)?.readyMessages == 4
            }
            let taken = try await first.get(queue: queue, count: 3, peek: false)
            try expect(taken.texts == numbers(0..<3), "they come again in the same order, got \(taken.texts)")
            let rest = try await first.get(queue: queue, count: 10, peek: false)
            try expect(rest.texts == ["3"], "what was taken is gone, got \(rest.texts)")
        }
        do {
            _ = try await first.get(queue: name("missing"), count: 1, peek: false)
            throw RuleViolation("expected an error for a missing queue")
        } catch TransportError.notFound(_) {}
    }

    func deleteIsIdempotent() async throws {
        let queue = try await queue("q", .quorum)
        let other = name("x2")
        try await declare(TopologyFragment(exchanges: [ExchangeDescription(name: other, kind: .direct)]))
        for _ in 0..<2 {
            try await first.delete(queues: [queue, name("never")], exchanges: [other, name("never")])
            try expect(try await second.inspect(queue: queue) == nil, "the queue is gone")
            try expect(try await !second.exchangeExists(other), "the exchange is gone")
        }
    }

    func channelCloseEndsItsSequence() async throws {
        let queue = try await queue("q", .classic)
        let reader = try await consume(queue, on: first)
        let other = try await consume(queue, on: first)
        await reader.close()
        await reader.close()
        let error = try await reader.end()
        try expect(error == nil, "the sequence ends without an error, got \(error as Any)")
        try await publish(["x"], to: queue)
        let texts = try await other.take(1).texts
        try expect(texts == ["x"], "other channels go on, got \(texts)")
    }

    func transportCloseEndsEverything() async throws {
        let queue = try await queue("q", .quorum)
        try await publish(["x"], to: queue)
        let reader = try await consume(queue, on: first)
        _ = try await reader.take(1)
        await first.close()
        await first.close()
        let error = try await reader.end()
        try expect(error == nil || error == .closed, "its sequences end in order, got \(error as Any)")
        do {
            _ = try await first.publish([message("y", to: queue)])
            throw RuleViolation("expected that a closed transport publishes nothing")
        } catch TransportError.closed {}
        do {
            _ = try await first.openChannel()
            throw RuleViolation("expected that a closed transport opens no channel")
        } catch TransportError.closed {}
        let texts = try await consume(queue, on: second).take(1).texts
        try expect(texts == ["x"], "what it held is delivered to others, got \(texts)")
    }
}
