import DurableAMQP
import DurableBackend
import Testing

extension RabbitMQTests {
    @Suite("Consuming") struct Consuming {
        @Test("No more than prefetch deliveries are out, and an acknowledgement lets as many follow")
        func prefetch() async throws {
            try await withTransport { transport, sandbox in
                let queue = sandbox.name("q")
                try await transport.declare(sandbox.topology("q"))
                try await transport.publish((0..<100).map(String.init), to: queue)
                let (channel, reader) = try await transport.consume(queue, prefetch: 10)
                let first = try await reader.take(10)
                #expect(first.map(\.text) == (0..<10).map(String.init))
                #expect(try await transport.inspect(queue: queue)?.readyMessages == 90)
                // Everything up to the fifth: five more may come.
                channel.acknowledge(first[4].tag, multiple: true)
                #expect(try await reader.take(5).map(\.text) == (10..<15).map(String.init))
                try await transport.wait(for: queue) { $0?.readyMessages == 85 }
                // Only the last of the first ten: one more.
                channel.acknowledge(first[9].tag, multiple: false)
                #expect(try await reader.take(1).map(\.text) == ["15"])
                #expect(try await transport.inspect(queue: queue)?.readyMessages == 84)
                await channel.close()
                try await transport.wait(for: queue) { $0?.readyMessages == 94 }
            }
        }

        @Test(
            "Closing a channel returns what is unacknowledged to its place, counted and in order",
            arguments: [QueueDescription.Kind.quorum, .classic])
        func redelivery(kind: QueueDescription.Kind) async throws {
            try await withTransport { transport, sandbox in
                let queue = sandbox.name("q")
                try await transport.declare(sandbox.topology("q", kind))
                try await transport.publish((0..<20).map(String.init), to: queue)
                let (channel, reader) = try await transport.consume(queue, prefetch: 10)
                let taken = try await reader.take(10)
                for index in [0, 1, 5] { channel.acknowledge(taken[index].tag, multiple: false) }
                await channel.close()
                #expect(try await reader.next() == nil)
                let (_, second) = try await transport.consume(queue)
                let again = try await second.take(17)
                let numbers = [2, 3, 4, 6, 7, 8, 9] + Array(10..<20)
                #expect(again.map(\.text) == numbers.map(String.init))
                // The broker may have refilled the prefetch with the next three before the close.
                let counted = kind == .quorum ? 1 : Int?.none
                for delivery in again.prefix(7) {
                    #expect(delivery.isRedelivered)
                    #expect(delivery.deliveryCount == counted)
                }
                for delivery in again.suffix(7) {
                    #expect(!delivery.isRedelivered)
                    #expect(delivery.deliveryCount == 0)
                }
            }
        }

        @Test("A rejected delivery comes again in its place, or goes to the dead letters")
        func reject() async throws {
            try await withTransport { transport, sandbox in
                let queue = sandbox.name("q")
                try await transport.declare(sandbox.topology("dead", .classic))
                try await transport.declare(
                    sandbox.topology("q") {
                        $0.deadLetterExchange = sandbox.name("dead")
                        $0.deadLetterRoutingKey = "k"
                    })
                try await transport.publish(["a", "b"], to: queue)
                let (channel, reader) = try await transport.consume(queue, prefetch: 1)
                let first = try #require(try await reader.next())
                channel.reject(first.tag, requeue: true)
                let again = try #require(try await reader.next())
                #expect(again.text == "a")
                #expect(again.deliveryCount == 1)
                channel.reject(again.tag, requeue: false)
                #expect(try await reader.next()?.text == "b")
                let (_, dead) = try await transport.consume(sandbox.name("dead"))
                let letter = try #require(try await dead.next())
                #expect(letter.text == "a")
                #expect(letter.properties.header("x-first-death-reason") == .string("rejected"))
            }
        }

        @Test("Only one consumer of a single-active-consumer queue is served; the next takes over where it stood")
        func singleActiveConsumer() async throws {
            try await withTransport { transport, sandbox in
                let queue = sandbox.name("q")
                try await transport.declare(sandbox.topology("q") { $0.isSingleActiveConsumer = true })
                let (active, first) = try await transport.consume(queue, tag: "active", prefetch: 10)
                let (_, second) = try await transport.consume(queue, tag: "waiting", prefetch: 10)
                try await transport.publish((0..<10).map(String.init), to: queue)
                let taken = try await first.take(10)
                #expect(taken.allSatisfy { $0.consumerTag == "active" })
                active.acknowledge(taken[3].tag, multiple: true)
                await active.close()
                let rest = try await second.take(6)
                #expect(rest.map(\.text) == (4..<10).map(String.init))
                #expect(rest.allSatisfy { $0.consumerTag == "waiting" })
            }
        }

        @Test("A stream is read from the offset asked for, again and again")
        func streamOffsets() async throws {
            try await withTransport { transport, sandbox in
                let stream = sandbox.name("s")
                try await transport.declare(sandbox.topology("s", .stream))
                try await transport.publish((0..<50).map(String.init), to: stream)
                for start: UInt64 in [0, 17, 49] {
                    let (channel, reader) = try await transport.consume(stream, prefetch: 5, from: .offset(start))
                    var offset = start
                    while offset < 50, let delivery = try await reader.next() {
                        #expect(delivery.streamOffset == offset)
                        #expect(delivery.text == String(offset))
                        #expect(delivery.deliveryCount == nil)
                        channel.acknowledge(delivery.tag, multiple: true)
                        offset += 1
                    }
                    await channel.close()
                }
                let (_, first) = try await transport.consume(stream, from: .first)
                #expect(try await first.next()?.streamOffset == 0)
                let (_, next) = try await transport.consume(stream, from: .next)
                try await transport.publish(["50"], to: stream)
                #expect(try await next.next()?.streamOffset == 50)
                let (_, last) = try await transport.consume(stream, from: .last)
                #expect(try #require(try await last.next()?.streamOffset) <= 50)
            }
        }

        @Test("Several consumers share a channel and are told apart by their tags")
        func severalConsumers() async throws {
            try await withTransport { transport, sandbox in
                let channel = try await transport.openChannel()
                let reader = DeliveryReader(channel)
                for name in ["q1", "q2"] {
                    try await transport.declare(sandbox.topology(name))
                    try await channel.consume(
                        queue: sandbox.name(name), consumerTag: "of-\(name)", prefetch: 5, from: nil, exclusive: false)
                }
                try await transport.publish(["1"], to: sandbox.name("q1"))
                try await transport.publish(["2"], to: sandbox.name("q2"))
                let both = try await reader.take(2)
                let byTag = Dictionary(uniqueKeysWithValues: both.map { ($0.consumerTag, $0.text) })
                #expect(byTag == ["of-q1": "1", "of-q2": "2"])
            }
        }

        @Test("A private queue gets what its bindings say and is nobody else's")
        func privateQueue() async throws {
            try await withTransport { transport, sandbox in
                try await transport.declare(sandbox.topology("x"))
                let name = sandbox.name("reply.1")
                let channel = try await transport.openChannel()
                let reader = DeliveryReader(channel)
                try await channel.declarePrivateQueue(
                    name: name, bindings: [PrivateBinding(exchange: sandbox.name("x"), routingKey: "mine")])
                try await channel.consume(queue: name, consumerTag: "c", prefetch: 5, from: nil, exclusive: true)
                try await transport.publish(["answer"], to: sandbox.name("x"), key: "mine")
                #expect(try await reader.next()?.text == "answer")

                let other = sandbox.transport()
                let error = await #expect(throws: TransportError.self) { _ = try await other.consume(name) }
                guard case .refused(code: 405, let text)? = error else {
                    Issue.record("expected refused 405, got \(String(describing: error))")
                    return
                }
                #expect(text.hasPrefix("RESOURCE_LOCKED"))
                await other.close()
            }
        }

        @Test("Consuming from a missing queue says so and ends that channel alone")
        func missingQueue() async throws {
            try await withTransport { transport, sandbox in
                try await transport.declare(sandbox.topology("q"))
                let (_, undisturbed) = try await transport.consume(sandbox.name("q"))
                let channel = try await transport.openChannel()
                let missing = sandbox.name("missing")
                let error = await #expect(throws: TransportError.self) {
                    try await channel.consume(
                        queue: missing, consumerTag: "c", prefetch: 1, from: nil, exclusive: false)
                }
                guard case .notFound(let text)? = error else {
                    Issue.record("expected notFound, got \(String(describing: error))")
                    return
                }
                #expect(text.contains("no queue '\(missing)'"))
                let end = await #expect(throws: TransportError.self) { try await DeliveryReader(channel).next() }
                #expect(end == error)
                await channel.close()
                try await transport.publish(["a"], to: sandbox.name("q"))
                #expect(try await undisturbed.next()?.text == "a")
            }
        }

        @Test("Deleting a queue ends the channel that consumes from it, after what had arrived")
        func queueDeleted() async throws {
            try await withTransport { transport, sandbox in
                let queue = sandbox.name("q")
                try await transport.declare(sandbox.topology("q"))
                try await transport.publish(["a"], to: queue)
                let (channel, reader) = try await transport.consume(queue, tag: "worker-1")
                #expect(try await reader.next()?.text == "a")
                try await transport.delete(queues: [queue], exchanges: [])
                let error = await #expect(throws: TransportError.self) { try await reader.next() }
                guard case .notFound(let text)? = error else {
                    Issue.record("expected notFound, got \(String(describing: error))")
                    return
                }
                #expect(text.contains("worker-1"))
                await channel.close()
            }
        }
    }
}
