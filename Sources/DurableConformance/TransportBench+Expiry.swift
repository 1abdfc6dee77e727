internal import DurableBackend
internal import DurableCore

/// Queues whose messages can expire.
private let sharedKinds: [QueueDescription.Kind] = [.quorum, .classic]

extension TransportBench {
    private func perishable(_ text: String, to queue: String, milliseconds: UInt64) -> OutgoingMessage {
        var message = message(text, to: queue)
        message.properties.expirationMilliseconds = milliseconds
        return message
    }

    private func perishableQueue(_ suffix: String, _ kind: QueueDescription.Kind) async throws -> String {
        try await queue("\(suffix).\(kind)", kind) { $0.deadLetterExchange = self.deadExchange }
    }

    func expiryWaitsForTheHead() async throws {
        let atDead = try await consume(deadQueue, on: first)
        for kind in sharedKinds {
            let queue = try await perishableQueue("head", kind)
            let start = clock.now()
            _ = try await second.publish([
                perishable("slow", to: queue, milliseconds: 400), perishable("fast", to: queue, milliseconds: 20),
            ])
            let dead = try await atDead.take(2)
            try expect(
                dead.texts == ["slow", "fast"] && clock.now().since(start) >= .milliseconds(400),
                "what has expired behind the head of a \(kind) queue leaves with it, got \(dead.texts)")
        }
    }

    func expiryTakesNoTimeAtZero() async throws {
        let atDead = try await consume(deadQueue, on: first)
        for kind in sharedKinds {
            let queue = try await perishableQueue("zero", kind)
            let outcomes = try await second.publish([
                perishable("zero", to: queue, milliseconds: 0), message("stays", to: queue),
            ])
            try expect(outcomes == [.confirmed, .confirmed], "both are confirmed, got \(outcomes)")
            let dead = try await atDead.take(1)
            try expect(dead.texts == ["zero"], "a \(kind) queue that nobody reads drops it at once, got \(dead.texts)")
            let left = try await consume(queue, on: second).take(1)
            try expect(left.texts == ["stays"], "its neighbour stays, got \(left.texts)")
        }
    }

    func heldMessageDoesNotExpire() async throws {
        let atDead = try await consume(deadQueue, on: first)
        for kind in sharedKinds {
            let queue = try await perishableQueue("held", kind)
            let holder = try await consume(queue, on: first)
            _ = try await second.publish([perishable("held", to: queue, milliseconds: 50)])
            let held = try await holder.take(1)
            await clock.sleep(for: .milliseconds(150))
            try await expectNothingMore(for: atDead)
            await holder.close()
            let dead = try await atDead.take(1)
            try expect(
                held.texts == dead.texts && dead.first?.properties.header("x-first-death-reason") == .string("expired"),
                "it expires when it returns to its \(kind) queue, got \(dead)")
        }
    }

    /// How a timer is set anew without purging its queue.
    func takenMessageDoesNotExpire() async throws {
        let atDead = try await consume(deadQueue, on: first)
        for kind in sharedKinds {
            let queue = try await perishableQueue("taken", kind)
            _ = try await second.publish([perishable("late", to: queue, milliseconds: 1500)])
            let taken = try await second.get(queue: queue, count: 1, peek: false)
            try expect(taken.texts == ["late"], "the old message is taken off a \(kind) queue, got \(taken.texts)")
            _ = try await second.publish([perishable("soon", to: queue, milliseconds: 50)])
            let dead = try await atDead.take(1)
            try expect(dead.texts == ["soon"], "only the new one expires, got \(dead.texts)")
            await clock.sleep(for: .milliseconds(1600))
            try await expectNothingMore(for: atDead)
        }
    }

    func deadLettersTellTheirFirstDeath() async throws {
        let atDead = try await consume(deadQueue, on: first)
        let fanout = name("limbo.x")
        try await declare(TopologyFragment(exchanges: [ExchangeDescription(name: fanout, kind: .fanout)]))
        let limbo = try await perishableQueue("limbo", .classic)
        try await declare(
            TopologyFragment(bindings: [BindingDescription(exchange: fanout, queue: limbo, routingKey: "")]))
        for kind in sharedKinds {
            let source = try await queue("source.\(kind)", kind) { $0.deadLetterExchange = fanout }
            let reader = try await consume(source, on: first)
            _ = try await second.publish([message("twice", to: source)])
            reader.reject(try await reader.take(1).first, requeue: false)
            let between = try await consume(limbo, on: first)
            let once = try await between.take(1)
            between.reject(once.first, requeue: false)
            let dead = try await atDead.take(1)
            for letter in once + dead {
                try expect(
                    letter.properties.header("x-first-death-reason") == .string("rejected")
                        && letter.properties.header("x-first-death-queue") == .string(source)
                        && letter.properties.header("x-first-death-exchange") == .string(exchange),
                    "each says where and why it died first, got \(letter.properties.headers)")
                try expect(
                    !letter.isRedelivered && letter.deliveryCount == 0,
                    "to the next queue it is new, got \(letter)")
            }
            await between.close()
            await reader.close()
        }
    }
}
