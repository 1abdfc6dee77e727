internal import DurableBackend
internal import DurableCore

extension TransportBench {
    func streamOffsetsFollowWithinASegment() async throws {
        let stream = try await queue("s", .stream)
        let reader = try await consume(stream, on: first, prefetch: 7, from: .first)
        for start in stride(from: 0, to: 60, by: 20) { try await publish(numbers(start..<start + 20), to: stream) }
        var offsets: [UInt64] = []
        while offsets.count < 60 {
            guard let delivery = try await reader.take(1).first else { continue }
            let text = String(decoding: delivery.body, as: UTF8.self)
            try expect(
                delivery.streamOffset.map { String($0) } == text, "offset \(delivery.streamOffset ?? 0) holds \(text)")
            offsets.append(delivery.streamOffset ?? 0)
            reader.acknowledge(delivery)
        }
        try expect(offsets == Array(0..<60), "offsets follow each other from 0, got \(offsets)")
    }

    func streamStartsWhereAsked() async throws {
        let stream = try await queue("s", .stream)
        try await publish(numbers(0..<30), to: stream)
        let next = try await consume(stream, on: first, from: .next)
        let beyond = try await consume(stream, on: first, from: .offset(30))
        let fromFirst = try await consume(stream, on: first, from: .first)
        let exact = try await consume(stream, on: second, from: .offset(17))
        let last = try await consume(stream, on: second, from: .last)
        try await publish(numbers(30..<35), to: stream)
        try expect(try await fromFirst.take(35).texts == numbers(0..<35), "first starts at offset 0")
        try expect(try await exact.take(18).texts == numbers(17..<35), "an offset starts exactly there")
        let new = try await next.take(5).texts
        try expect(new == numbers(30..<35), "next starts with what is published afterwards, got \(new)")
        let later = try await beyond.take(5).texts
        try expect(later == numbers(30..<35), "an offset that is not there yet waits for it, got \(later)")
        let start = try await last.take(1).first?.streamOffset ?? 0
        try expect((0...29).contains(start), "last starts at or before the last message there was, got \(start)")
    }

    func streamOffsetBeyondTheEndWaits() async throws {
        let stream = try await queue("s", .stream)
        try await publish(numbers(0..<10), to: stream)
        let reader = try await consume(stream, on: first, from: .offset(15))
        try await publish(numbers(10..<20), to: stream)
        let deliveries = try await reader.take(5)
        try expect(
            deliveries.texts == numbers(15..<20) && deliveries.compactMap(\.streamOffset) == Array(15..<20),
            "it begins exactly there, got \(deliveries.texts)")
    }

    func streamDropsItsOldest() async throws {
        let retention = StreamRetention(bytes: 1_000_000, segmentBytes: 200_000)
        let stream = try await queue("s", .stream) { $0.retention = retention }
        let padding = [UInt8](repeating: UInt8(ascii: " "), count: 1000)
        var (end, kept): (UInt64, UInt64) = (0, 0)
        // Real brokers see to it a while later.
        while kept == 0 {
            _ = try await second.publish(
                (end..<end + 100).map { number in
                    var message = message("\(number)", to: stream)
                    message.body += padding
                    return message
                })
            end += 100
            let reader = try await consume(stream, on: first, prefetch: 1, from: .first)
            kept = try await reader.take(1).first?.streamOffset ?? 0
            await reader.close()
        }
        let reader = try await consume(stream, on: second, prefetch: 1000, from: .offset(0))
        var (offsets, numbers): ([UInt64], [UInt64]) = ([], [])
        while numbers.last != end - 1 {
            guard let delivery = try await reader.take(1).first, let offset = delivery.streamOffset else { continue }
            offsets.append(offset)
            numbers.append(UInt64(String(decoding: delivery.body, as: UTF8.self).prefix { $0 != " " }) ?? .max)
            reader.acknowledge(delivery)
        }
        let start = numbers.first ?? 0
        try expect((offsets.first ?? 0) >= kept, "what is asked for from before begins with the oldest there is")
        try expect(numbers == Array(start..<end), "nothing is missing behind that")
        try expect(
            zip(offsets, offsets.dropFirst()).allSatisfy { $1 - $0 == 1 || $1 - $0 == 2 },
            "offsets rise, and leave out one where a segment begins, got \(offsets)")
        try expect((offsets.last ?? 0) > end - 1, "each segment but the first begins with an offset of its own")
        try expect(
            (end - start) * 1000 >= UInt64(retention.bytes / 2),
            "what is kept comes to about what was asked for, got \(end - start) messages of 1000 bytes")
    }

    func streamReadersEachSeeEverything() async throws {
        let stream = try await queue("s", .stream)
        try await publish(numbers(0..<10), to: stream)
        let readers = [
            try await consume(stream, on: first, from: .first), try await consume(stream, on: second, from: .first),
        ]
        for reader in readers {
            let deliveries = try await reader.take(10)
            try expect(deliveries.texts == numbers(0..<10), "every reader sees all, got \(deliveries.texts)")
            reader.acknowledge(deliveries.last, multiple: true)
            await reader.close()
        }
        let again = try await consume(stream, on: first, from: .first).take(10)
        try expect(again.texts == numbers(0..<10), "acknowledging removes nothing, got \(again.texts)")
    }
}
