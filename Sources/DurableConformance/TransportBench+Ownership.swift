internal import DurableBackend
internal import DurableCore

/// Queues that several consumers share, which streams are not.
private let sharedKinds: [QueueDescription.Kind] = [.quorum, .classic]

extension TransportBench {
    func standbyLearnsByItsFirstDelivery() async throws {
        for kind in sharedKinds {
            let queue = try await queue("silent.\(kind)", kind) { $0.isSingleActiveConsumer = true }
            let active = try await consume(queue, on: first)
            let standby = try await consume(queue, on: second)
            await active.close()
            try await expectNothingMore(for: standby)
            try await publish(["first"], to: queue)
            let texts = try await standby.take(1).texts
            try expect(texts == ["first"], "the standby of a \(kind) queue is active now, got \(texts)")
            await standby.close()
        }
    }

    /// One active consumer after the other ends with some of its deliveries acknowledged, while more is published.
    func takeoverKeepsOrderThroughDeaths() async throws {
        for kind in sharedKinds {
            let queue = try await queue("chain.\(kind)", kind) { $0.isSingleActiveConsumer = true }
            var left = numbers(0..<40)
            try await publish(left, to: queue)
            var active = try await consume(queue, on: first, prefetch: 10)
            for round in 0..<6 {
                let standby = try await consume(queue, on: round % 2 == 0 ? second : first, prefetch: 10)
                let window = try await active.take(10)
                try expect(
                    window.texts == Array(left.prefix(10)),
                    "owner \(round) of a \(kind) queue begins with \(left.prefix(10)), got \(window.texts)")
                // One prefix, then every other one backwards, then two in the middle.
                let done: [Int]
                switch round % 3 {
                case 0:
                    done = Array(0...4)
                    active.acknowledge(window[4], multiple: true)
                case 1:
                    done = [9, 7, 5, 3, 1]
                    for index in done { active.acknowledge(window[index]) }
                default:
                    done = [6, 2]
                    for index in done { active.acknowledge(window[index]) }
                }
                left = left.enumerated().filter { !done.contains($0.offset) }.map(\.element)
                let more = numbers(100 + 10 * round..<105 + 10 * round)
                try await publish(more, to: queue)
                left += more
                await active.close()
                active = standby
            }
            await active.close()
            let rest = try await consume(queue, on: second, prefetch: 200).take(left.count)
            try expect(rest.texts == left, "nothing is lost, doubled or moved, got \(rest.texts), not \(left)")
        }
    }

    func requeueWithoutLimitGoesToTheTail() async throws {
        let queue = try await queue("tail", .quorum) { $0.deliveryLimit = nil }
        try await publish(numbers(0..<6), to: queue)
        let reader = try await consume(queue, on: first, prefetch: 3)
        var deliveries = try await reader.take(3)
        reader.reject(deliveries[1], requeue: true)
        reader.acknowledge(deliveries[0])
        reader.acknowledge(deliveries[2])
        deliveries = try await reader.take(3)
        reader.acknowledge(deliveries.last, multiple: true)
        deliveries += try await reader.take(1)
        try expect(
            deliveries.texts == ["3", "4", "5", "1"] && deliveries.last?.deliveryCount == 1,
            "what is given back comes last, got \(deliveries.texts)")
        try await publish(numbers(6..<9), to: queue)
        _ = try await reader.take(2)
        await reader.close()
        let again = try await consume(queue, on: second).take(4)
        try expect(again.texts == ["1", "6", "7", "8"], "the end of a channel keeps the order, got \(again.texts)")
    }

    func deliveriesAreCounted() async throws {
        for kind in sharedKinds {
            let queue = try await queue("counted.\(kind)", kind)
            try await publish(["x"], to: queue)
            for round in 0..<4 {
                let reader = try await consume(queue, on: first)
                var delivery = try await reader.take(1).first
                if round == 1 {
                    // Given back or lost with its channel: both count.
                    reader.reject(delivery, requeue: true)
                    delivery = try await reader.take(1).first
                }
                let before = round == 0 ? 0 : round == 1 ? 2 : round + 1
                try expect(
                    delivery?.isRedelivered == (round > 0)
                        && delivery?.deliveryCount == (kind == .quorum || round == 0 ? before : nil),
                    "a \(kind) queue says it was delivered \(before) times before, got \(String(describing: delivery))")
                await reader.close()
            }
        }
        let stream = try await queue("counted.stream", .stream)
        try await publish(["x"], to: stream)
        let delivery = try await consume(stream, on: first, from: .first).take(1).first
        try expect(
            delivery?.deliveryCount == nil && delivery?.isRedelivered == false,
            "a stream does not count, got \(String(describing: delivery))")
    }

    func exclusiveConsumerKeepsOthersOut() async throws {
        let classic = try await queue("exclusive.classic", .classic)
        let alone = try await open(first)
        try await alone.channel.consume(queue: classic, consumerTag: "a", prefetch: 1, from: nil, exclusive: true)
        for exclusive in [true, false] {
            try await expectRefusal(code: 403, "a second consumer") { [second] in
                let other = try await second.openChannel()
                try await other.consume(queue: classic, consumerTag: "b", prefetch: 1, from: nil, exclusive: exclusive)
            }
        }
        await alone.close()
        let shared = try await consume(classic, on: second)
        try await expectRefusal(code: 403, "who wants a shared queue for itself") { [first] in
            let other = try await first.openChannel()
            try await other.consume(queue: classic, consumerTag: "c", prefetch: 1, from: nil, exclusive: true)
        }
        await shared.close()
        let quorum = try await queue("exclusive.quorum", .quorum)
        let (one, other) = (try await open(first), try await open(second))
        for reader in [one, other] {
            try await reader.channel.consume(queue: quorum, consumerTag: "q", prefetch: 1, from: nil, exclusive: true)
        }
        try await publish(["a", "b"], to: quorum)
        let texts = try await one.take(1).texts + other.take(1).texts
        try expect(texts.sorted() == ["a", "b"], "a quorum queue takes no notice, got \(texts)")
    }
}
