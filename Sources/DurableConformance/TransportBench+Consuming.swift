internal import DurableBackend
internal import DurableCore

/// Queues that several consumers share, which streams are not.
private let sharedKinds: [QueueDescription.Kind] = [.quorum, .classic]

extension TransportBench {
    func acknowledgedMessageIsGone() async throws {
        for kind in sharedKinds {
            let queue = try await queue("ack.\(kind)", kind)
            try await publish(numbers(0..<3), to: queue)
            let reader = try await consume(queue, on: first)
            // Out of order on purpose.
            for delivery in try await reader.take(3).reversed() { reader.acknowledge(delivery) }
            await reader.close()
            try await publish(["new"], to: queue)
            let next = try await consume(queue, on: second).take(1)
            try expect(next.texts == ["new"], "a \(kind) queue forgets what was acknowledged, got \(next.texts)")
        }
    }

    func multipleAcknowledgesEverythingBefore() async throws {
        for kind in sharedKinds {
            let queue = try await queue("multiple.\(kind)", kind)
            try await publish(numbers(0..<10), to: queue)
            let reader = try await consume(queue, on: first)
            let deliveries = try await reader.take(10)
            reader.acknowledge(deliveries[2])
            reader.acknowledge(deliveries[5], multiple: true)
            reader.acknowledge(deliveries[8])
            await reader.close()
            let left = try await consume(queue, on: second).take(3)
            try expect(left.texts == ["6", "7", "9"], "a \(kind) queue returns the rest, got \(left.texts)")
        }
    }

    /// Streams are left out: they hand over whole chunks, and count afterwards.
    func prefetchBoundsUnacknowledged() async throws {
        for kind in sharedKinds {
            let queue = try await queue("prefetch.\(kind)", kind)
            try await publish(numbers(0..<20), to: queue)
            let reader = try await consume(queue, on: first, prefetch: 5)
            let window = try await reader.take(5)
            try expect(window.texts == numbers(0..<5), "the first five come, got \(window.texts)")
            try await expectNothingMore(for: reader)
            reader.acknowledge(window[2], multiple: true)
            let refill = try await reader.take(3)
            try expect(refill.texts == numbers(5..<8), "acknowledging three lets three come, got \(refill.texts)")
            try await expectNothingMore(for: reader)
        }
    }

    /// How a worker stops taking tasks while it finishes what it has.
    func cancelledConsumerKeepsWhatItHolds() async throws {
        for kind in sharedKinds {
            let queue = try await queue("cancel.\(kind)", kind)
            try await publish(numbers(0..<6), to: queue)
            let leaver = try await consume(queue, on: first, prefetch: 4)
            let held = try await leaver.take(4)
            try expect(held.texts == numbers(0..<4), "the first four come, got \(held.texts)")
            try await leaver.channel.cancel(consumerTag: "c-\(queue)")
            try await leaver.channel.cancel(consumerTag: "c-\(queue)")
            let heir = try await consume(queue, on: second)
            let rest = try await heir.take(2)
            try expect(rest.texts == ["4", "5"], "others get what was not handed out, got \(rest.texts)")
            leaver.reject(held[1], requeue: true)
            let returned = try await heir.take(1)
            try expect(
                returned.texts == ["1"] && returned[0].isRedelivered,
                "what the leaver gives back goes to others at once, got \(returned.texts)")
            leaver.acknowledge(held[0])
            leaver.acknowledge(held[2])
            try await publish(["new"], to: queue)
            let new = try await heir.take(1)
            try expect(new.texts == ["new"], "the leaver gets nothing more, got \(new.texts)")
            await leaver.close()
            let last = try await heir.take(1)
            try expect(last.texts == ["3"], "its channel's end returns what it did not settle, got \(last.texts)")
        }
    }

    func consumersShareAQueue() async throws {
        for kind in sharedKinds {
            let queue = try await queue("share.\(kind)", kind)
            let (one, other) = (
                try await consume(queue, on: first, prefetch: 4), try await consume(queue, on: second, prefetch: 4)
            )
            try await publish(numbers(0..<8), to: queue)
            var texts = try await one.take(4).texts
            texts += try await other.take(4).texts
            try expect(Set(texts) == Set(numbers(0..<8)), "each message goes to one consumer, got \(texts)")
            await one.close()
            await other.close()
        }
    }

    func twoQueuesShareAChannel() async throws {
        let (a, b) = (try await queue("a", .quorum), try await queue("b", .classic))
        let reader = try await open(first)
        try await reader.consume(a, tag: "a", prefetch: 2)
        try await reader.consume(b, tag: "b", prefetch: 100)
        try await publish(numbers(0..<5), to: a)
        try await publish(numbers(10..<15), to: b)
        let deliveries = try await reader.take(7)
        let (fromA, fromB) = (deliveries.filter { $0.consumerTag == "a" }, deliveries.filter { $0.consumerTag == "b" })
        try expect(fromA.texts == ["0", "1"], "each consumer has a prefetch of its own, got \(fromA.texts)")
        try expect(fromB.texts == numbers(10..<15), "a full one does not hold up the other, got \(fromB.texts)")
        reader.acknowledge(deliveries.last, multiple: true)
        let rest = try await reader.take(2)
        try expect(rest.texts == ["2", "3"], "one acknowledgement settles both queues, got \(rest.texts)")
        await reader.close()
        try await eventually("what was not acknowledged is back in its own queue") { [second] in
            let ready = (try await second.inspect(queue: a), try await second.inspect(queue: b))
            return ready.0?.readyMessages == 3 && ready.1?.readyMessages == 0
        }
    }

    func channelCloseReturnsInOrder() async throws {
        for kind in sharedKinds {
            let queue = try await queue("return.\(kind)", kind)
            try await publish(numbers(0..<10), to: queue)
            let reader = try await consume(queue, on: first, prefetch: 6)
            let deliveries = try await reader.take(6)
            reader.acknowledge(deliveries[1])
            reader.acknowledge(deliveries[4])
            try await publish(["newer"], to: queue)
            await reader.close()
            let expected = ["0", "2", "3", "5"]
            let again = try await consume(queue, on: second).take(9)
            let returned = again.filter(\.isRedelivered).texts
            // Two more may have been delivered in place of the acknowledged ones before the channel closed.
            try expect(
                returned == expected || returned == expected + ["6"] || returned == expected + ["6", "7"],
                "a \(kind) queue marks what was delivered before, got \(returned)")
            try expect(
                again.texts == expected + numbers(6..<10) + ["newer"],
                "a \(kind) queue redelivers in order, ahead of newer messages, got \(again.texts)")
        }
    }

    func deliveryCountGrows() async throws {
        let queue = try await queue("count", .quorum)
        try await publish(["x"], to: queue)
        for count in 0..<4 {
            let reader = try await consume(queue, on: count % 2 == 0 ? first : second)
            let delivery = try await reader.take(1).first
            try expect(
                delivery?.deliveryCount ?? 0 == count && delivery?.isRedelivered == (count > 0),
                "delivery \(count + 1) says it came \(count) times before, got \(String(describing: delivery))")
            await reader.close()
        }
    }

    func deliveryLimitMovesAside() async throws {
        let queue = try await queue("limit", .quorum) {
            $0.deliveryLimit = 2
            $0.deadLetterExchange = self.deadExchange
        }
        try await publish(["poison"], to: queue)
        for _ in 0..<3 {
            let reader = try await consume(queue, on: first)
            _ = try await reader.take(1)
            await reader.close()
        }
        let dead = try await consume(deadQueue, on: second).take(1)
        try expect(dead.texts == ["poison"], "the third return moves it aside, got \(dead.texts)")
    }

    func rejectedMessageGoesToDeadLetters() async throws {
        for kind in sharedKinds {
            let queue = try await queue("reject.\(kind)", kind) { $0.deadLetterExchange = self.deadExchange }
            let reader = try await consume(queue, on: first)
            try await publish(["bad", "good"], to: queue)
            let deliveries = try await reader.take(2)
            reader.reject(deliveries.first, requeue: false)
            let atDead = try await consume(deadQueue, on: second)
            let dead = try await atDead.take(1)
            try expect(dead.texts == ["bad"], "a rejected message of a \(kind) queue is kept, got \(dead.texts)")
            try expect(
                dead.first?.properties.messageID == "bad" && dead.first?.routingKey == queue,
                "it keeps its properties and key, got \(dead)")
            atDead.acknowledge(dead.first)
            await atDead.close()
            try await expectNothingMore(for: reader)
            await reader.close()
        }
    }

    func requeuedMessageKeepsItsPlace() async throws {
        for kind in sharedKinds {
            let queue = try await queue("requeue.\(kind)", kind)
            try await publish(numbers(0..<10), to: queue)
            let reader = try await consume(queue, on: first, prefetch: 3)
            let deliveries = try await reader.take(3)
            reader.reject(deliveries[1], requeue: true)
            let again = try await reader.take(1)
            try expect(
                again.texts == ["1"] && again.first?.isRedelivered == true,
                "a \(kind) queue puts it back ahead of newer messages, got \(again.texts)")
            await reader.close()
        }
    }

    func expiredMessageGoesToDeadLetters() async throws {
        for kind in sharedKinds {
            let queue = try await queue("expire.\(kind)", kind) {
                $0.messageTTLMilliseconds = 40
                $0.deadLetterExchange = self.deadExchange
            }
            let patient = try await self.queue("patient.\(kind)", kind) { $0.deadLetterExchange = self.deadExchange }
            try await publish(["queue"], to: queue)
            var short = message("message", to: patient)
            short.properties.expirationMilliseconds = 80
            _ = try await first.publish([short])
            let atDead = try await consume(deadQueue, on: second)
            let dead = try await atDead.take(2)
            try expect(
                Set(dead.texts) == ["queue", "message"],
                "the queue's and the message's own time to live both end in dead letters, got \(dead.texts)")
            try expect(
                dead.allSatisfy { $0.properties.expirationMilliseconds == nil }, "they do not expire once more")
            atDead.acknowledge(dead.last, multiple: true)
            await atDead.close()
        }
    }

    func lateAcknowledgementIsHarmless() async throws {
        let queue = try await queue("late", .quorum)
        try await publish(["x"], to: queue)
        let reader = try await consume(queue, on: first)
        let delivery = try await reader.take(1).first
        await reader.close()
        reader.acknowledge(delivery)
        reader.reject(delivery, requeue: false)
        let again = try await consume(queue, on: first).take(1)
        try expect(again.texts == ["x"], "what the closed channel held is delivered again, got \(again.texts)")
    }

    func standbyGetsNothing() async throws {
        for kind in sharedKinds {
            let queue = try await queue("standby.\(kind)", kind) { $0.isSingleActiveConsumer = true }
            let active = try await consume(queue, on: first, prefetch: 3)
            let standby = try await consume(queue, on: second, prefetch: 3)
            try await publish(numbers(0..<10), to: queue)
            for start in [0, 3, 6] {
                let deliveries = try await active.take(3)
                try expect(
                    deliveries.texts == numbers(start..<start + 3),
                    "the active consumer of a \(kind) queue gets everything, got \(deliveries.texts)")
                try await expectNothingMore(for: standby)
                active.acknowledge(deliveries.last, multiple: true)
            }
            await active.close()
            await standby.close()
        }
    }

    func takeoverBeginsWithUnacknowledged() async throws {
        for kind in sharedKinds {
            let queue = try await queue("takeover.\(kind)", kind) { $0.isSingleActiveConsumer = true }
            let active = try await consume(queue, on: first, prefetch: 5)
            let next = try await consume(queue, on: second, prefetch: 5)
            let last = try await consume(queue, on: first, prefetch: 5)
            try await publish(numbers(0..<12), to: queue)
            let held = try await active.take(5)
            active.acknowledge(held[1], multiple: true)
            _ = try await active.take(2)
            await active.close()
            let taken = try await next.take(5)
            try expect(
                taken.texts == numbers(2..<7) && taken.allSatisfy(\.isRedelivered),
                "the first standby of a \(kind) queue gets what was unacknowledged, in order, got \(taken.texts)")
            next.acknowledge(taken.last, multiple: true)
            let rest = try await next.take(5)
            try expect(
                rest.texts == numbers(7..<12) && !rest.contains(where: \.isRedelivered),
                "then the rest, got \(rest.texts)")
            try await expectNothingMore(for: last)
            await next.close()
            let inherited = try await last.take(5)
            try expect(inherited.texts == rest.texts, "then the next one takes over, got \(inherited.texts)")
            await last.close()
        }
    }
}
