internal import DurableBackend
internal import DurableCore

// What ends a channel, a connection, or the broker.
extension TransportBench {
    func expectRefusal(
        code: Int, _ what: String, _ body: @Sendable () async throws -> Void
    ) async throws {
        do {
            try await body()
        } catch TransportError.refused(let given, _) where given == code {
            return
        }
        throw RuleViolation("expected that \(what) is refused with \(code)")
    }

    func acknowledgingTwiceEndsTheChannel() async throws {
        for kind in [QueueDescription.Kind.quorum, .classic] {
            let queue = try await queue("again.\(kind)", kind)
            try await publish(numbers(0..<3), to: queue)
            let reader = try await consume(queue, on: first)
            let other = try await consume(try await self.queue("other.\(kind)", kind), on: first)
            let deliveries = try await reader.take(3)
            reader.acknowledge(deliveries[1])
            reader.acknowledge(deliveries[1], multiple: true)
            let error = try await reader.end()
            guard case .refused(code: 406, _) = error else {
                throw RuleViolation("expected that the broker ends the channel with 406, got \(error as Any)")
            }
            let left = try await consume(queue, on: second).take(2)
            try expect(left.texts == ["0", "2"], "only the first counts on a \(kind) queue, got \(left.texts)")
            try await expectNothingMore(for: other)
        }
    }

    func consumerTagIsUsedOnce() async throws {
        let (a, b) = (try await queue("a", .quorum), try await queue("b", .quorum))
        let other = try await consume(b, on: first)
        let reader = try await open(first)
        try await reader.consume(a, tag: "same")
        do {
            try await reader.consume(b, tag: "same")
            throw RuleViolation("expected an error")
        } catch TransportError.connectionLost(_) {}
        let error = try await other.end()
        guard case .connectionLost = error else {
            throw RuleViolation("expected that the whole connection ends, got \(error as Any)")
        }
        try await publish(["x"], to: b)
        let texts = try await consume(b, on: first).take(1).texts
        try expect(texts == ["x"], "the transport connects again, got \(texts)")
    }

    func deletedQueueEndsItsConsumers() async throws {
        for kind in QueueDescription.Kind.allCases {
            let queue = try await queue("deleted.\(kind)", kind)
            try await publish(["x"], to: queue)
            let reader = try await consume(queue, on: first, from: kind == .stream ? .first : nil)
            _ = try await reader.take(1)
            try await second.delete(queues: [queue], exchanges: [])
            let error = try await reader.end()
            guard case .notFound = error else {
                throw RuleViolation("expected that a consumer of a \(kind) queue is told, got \(error as Any)")
            }
            let outcomes = try await second.publish([message("y", to: queue)])
            try expect(outcomes.first?.isReturned == true, "its bindings are gone, got \(outcomes)")
        }
    }

    func streamTakesNothingBack() async throws {
        let stream = try await queue("s", .stream)
        try await publish(["a", "b"], to: stream)
        let reader = try await consume(stream, on: first, from: .first)
        let other = try await consume(stream, on: first, from: .first)
        reader.reject(try await reader.take(1).first, requeue: true)
        for one in [reader, other] {
            let error = try await one.end()
            guard case .connectionLost = error else {
                throw RuleViolation("expected that the whole connection ends, got \(error as Any)")
            }
        }
        do {
            _ = try await first.get(queue: stream, count: 1, peek: true)
            throw RuleViolation("expected that a stream gives no single message")
        } catch TransportError.connectionLost(_) {}
        let again = try await consume(stream, on: first, from: .first).take(2)
        try expect(again.texts == ["a", "b"], "the transport connects again, nothing is lost, got \(again.texts)")
    }

    /// What the memory of one machine holds may be gone, what is durable may not.
    ///
    /// - Parameter restart: Stops the broker and starts it again.
    func restartKeepsWhatIsDurable(_ restart: @Sendable () async throws -> Void) async throws {
        var readers: [TransportReader] = []
        for kind in QueueDescription.Kind.allCases {
            let queue = try await queue("kept.\(kind)", kind)
            var fleeting = message("fleeting", to: queue)
            fleeting.properties.isPersistent = false
            let outcomes = try await second.publish([
                message("held", to: queue), fleeting, message("kept", to: queue),
            ])
            try expect(outcomes.allSatisfy { $0 == .confirmed }, "all are confirmed, got \(outcomes)")
            let reader = try await consume(queue, on: first, prefetch: 1, from: kind == .stream ? .first : nil)
            _ = try await reader.take(1)
            readers.append(reader)
        }
        let owner = try await open(first)
        try await owner.channel.declarePrivateQueue(name: name("private"), bindings: [])
        try await restart()
        for reader in readers + [owner] {
            let error = try await reader.end()
            guard case .connectionLost = error else {
                throw RuleViolation("expected that every channel is lost, got \(error as Any)")
            }
        }
        try await eventually("the broker answers again") { [second, name = name("kept.stream")] in
            (try? await second.inspect(queue: name)) != nil
        }
        for kind in QueueDescription.Kind.allCases {
            let expected = kind == .classic ? ["held", "kept"] : ["held", "fleeting", "kept"]
            let reader = try await consume(
                name("kept.\(kind)"), on: first, from: kind == .stream ? .first : nil)
            let deliveries = try await reader.take(expected.count)
            try expect(deliveries.texts == expected, "a \(kind) queue keeps \(expected), got \(deliveries.texts)")
            try await expectNothingMore(for: reader)
        }
        let left = try await second.inspect(queue: name("private"))
        try expect(left == nil, "a private queue is gone, got \(left as Any)")
    }
}
