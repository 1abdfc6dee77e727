import DurableAMQP
import DurableBackend
import Testing

/// What needs no broker.
@Suite("AMQP values") struct AMQPValueTests {
    @Test(
        "A broker URL is read with its defaults and escapes",
        arguments: [
            ("amqp://host", AMQPEndpoint(host: "host")),
            ("amqp://host/", AMQPEndpoint(host: "host")),
            ("AMQP://host:5673/%2F", AMQPEndpoint(host: "host", port: 5673)),
            ("amqp://u@host/v", AMQPEndpoint(host: "host", user: "u", virtualHost: "v")),
            ("amqp://u:@host", AMQPEndpoint(host: "host", user: "u", password: "")),
            (
                "amqp://u%40x:p%3A%2F%25@[::1]:5673/a%2Fb",
                AMQPEndpoint(host: "::1", port: 5673, user: "u@x", password: "p:/%", virtualHost: "a/b")
            ),
            ("amqp://[fe80::1]", AMQPEndpoint(host: "fe80::1")),
        ])
    func url(_ text: String, _ expected: AMQPEndpoint) throws {
        #expect(try AMQPEndpoint(parsing: text) == expected)
    }

    @Test(
        "A bad broker URL is refused with a text that helps and never shows the password",
        arguments: [
            ("host:5672", "starts with amqp://"),
            ("http://u:s3cret@host", "scheme"),
            ("amqps://u:s3cret@host", "not in this version"),
            ("amqp://u:s3cret@", "no host"),
            ("amqp://u:s3cret@host:port", "number from 1 to 65535"),
            ("amqp://u:s3cret@host:0", "number from 1 to 65535"),
            ("amqp://u:s3cret%@host", "two hex digits"),
            ("amqp://u:s3cret%ff@host", "not UTF-8"),
            ("amqp://u:s3cret@host/a/b", "%2F"),
            ("amqp://u:s3cret@host/v?heartbeat=1", "query"),
            ("amqp://u:s3cret@::1", "brackets"),
            ("amqp://u:s3cret@[::1", "not closed"),
            ("amqp://:s3cret@host", "user"),
        ])
    func badURL(_ text: String, _ expected: String) throws {
        let error = try #require(throws: AMQPURLError.self) { try AMQPEndpoint(parsing: text) }
        #expect(error.description.contains(expected))
        #expect(!error.description.contains("s3cret"))
    }

    @Test("No printed form of an endpoint shows the password")
    func noPassword() throws {
        let endpoint = try AMQPEndpoint(parsing: "amqp://u:s3cret@host/v")
        #expect("\(endpoint)" == "amqp://u@host:5672/v")
        var dumped = ""
        dump(AMQPConfiguration(endpoints: [endpoint]), to: &dumped)
        #expect(!(dumped + String(reflecting: endpoint)).contains("s3cret"))
    }

    @Test("Waits between attempts grow to the cap and never exceed it")
    func backoff() {
        var random = SystemRandomNumberGenerator()
        let backoff = ReconnectBackoff(first: .milliseconds(100), cap: .seconds(5))
        for (failures, bound) in [(1, 100), (2, 200), (4, 800), (7, 5000), (1000, 5000)] {
            for _ in 0..<50 {
                let delay = backoff.delay(afterFailures: failures, using: &random)
                #expect(delay >= .zero)
                #expect(delay <= .milliseconds(bound))
            }
        }
    }
}

/// Answers of a broker in the orders it may give them.
@Suite("Confirm window") struct ConfirmWindowTests {
    private func batch(_ texts: [String], mandatory: Bool = true) -> PublishBatch {
        PublishBatch(
            texts.map {
                OutgoingMessage(
                    exchange: "x", routingKey: "k", properties: MessageProperties(messageID: $0), body: Array($0.utf8),
                    isMandatory: mandatory)
            }, connectedBy: .now)
    }

    private func window(of batches: PublishBatch...) -> ConfirmWindow {
        var window = ConfirmWindow()
        for batch in batches { for index in batch.messages.indices { window.append(batch, index, at: .now) } }
        return window
    }

    private func returned(_ text: String) -> Delivery {
        Delivery(
            tag: DeliveryTag(0), consumerTag: "", exchange: "x", routingKey: "k",
            properties: MessageProperties(messageID: text), body: Array(text.utf8))
    }

    @Test("Single, multiple and negative answers in any order reach their messages")
    func mixedAnswers() async throws {
        let (one, two) = (batch(["a", "b", "c"]), batch(["d", "e"]))
        var window = window(of: one, two)
        window.answer(upTo: 2, multiple: false, isConfirmed: true)
        window.answer(upTo: 5, multiple: false, isConfirmed: false)
        window.answer(upTo: 3, multiple: true, isConfirmed: false)
        #expect(!window.isEmpty)
        window.answer(upTo: 5, multiple: true, isConfirmed: true)
        #expect(try await one.waiter.value() == [.rejected, .confirmed, .rejected])
        #expect(try await two.waiter.value() == [.confirmed, .rejected])
        #expect(window.isEmpty)
        #expect(window.unconfirmedBytes == 0)
    }

    @Test("A return belongs to the message it equals, the first not yet returned")
    func returns() async throws {
        let batch = batch(["a", "b", "a", "c", "a"])
        var window = window(of: batch)
        window.markReturned(returned("a"), text: "first")
        window.answer(upTo: 1, multiple: false, isConfirmed: true)
        window.markReturned(returned("a"), text: "second")
        window.markReturned(returned("c"), text: "third")
        window.answer(upTo: 5, multiple: true, isConfirmed: true)
        #expect(
            try await batch.waiter.value()
                == [.returned("first"), .confirmed, .returned("second"), .returned("third"), .confirmed])
    }

    @Test("Tags answered twice, never given or of before are ignored")
    func strangeTags() async throws {
        let batch = batch(["a", "b"])
        var window = window(of: batch)
        for tag: UInt64 in [0, 3, .max] { window.answer(upTo: tag, multiple: true, isConfirmed: false) }
        window.answer(upTo: 1, multiple: false, isConfirmed: true)
        window.answer(upTo: 1, multiple: false, isConfirmed: false)
        window.answer(upTo: 2, multiple: true, isConfirmed: true)
        #expect(try await batch.waiter.value() == [.confirmed, .confirmed])
    }

    @Test("A long run with answers out of order keeps its count")
    func longRun() async throws {
        var window = ConfirmWindow()
        var next: UInt64 = 0
        for _ in 0..<100 {
            let batch = batch((0..<50).map(String.init))
            for index in batch.messages.indices { window.append(batch, index, at: .now) }
            for offset in (0..<50).shuffled() {
                window.answer(upTo: next + UInt64(offset) + 1, multiple: false, isConfirmed: offset % 2 == 0)
            }
            next += 50
            #expect(try await batch.waiter.value() == (0..<50).map { $0 % 2 == 0 ? .confirmed : .rejected })
        }
        #expect(window.isEmpty)
    }

    @Test("It knows since when the oldest message waits, and for how long those waited that an answer is for")
    func times() {
        let start = ContinuousClock.now
        let batch = batch(["a", "b", "c", "d"])
        var window = ConfirmWindow()
        #expect(window.unansweredSince == nil)
        for index in 0..<4 { window.append(batch, index, at: start + .seconds(index)) }
        #expect(window.unansweredSince == start)
        #expect(window.answer(upTo: 2, multiple: false, isConfirmed: true) == start + .seconds(1))
        #expect(window.unansweredSince == start)
        #expect(window.answer(upTo: 3, multiple: true, isConfirmed: true) == start)
        #expect(window.unansweredSince == start + .seconds(3))
        #expect(window.answer(upTo: 3, multiple: true, isConfirmed: true) == nil)
        #expect(window.answer(upTo: 4, multiple: false, isConfirmed: false) == start + .seconds(3))
        #expect(window.unansweredSince == nil)
    }

    @Test("What is open at the end is named batch by batch, once each")
    func removeAll() {
        let (one, two) = (batch(["a", "b"]), batch(["c"]))
        var window = window(of: one, two)
        window.answer(upTo: 1, multiple: false, isConfirmed: true)
        #expect(window.removeAll().map { $0.messages.count } == [2, 1])
        #expect(window.isEmpty)
        #expect(window.unconfirmedBytes == 0)
    }
}

@Suite("Confirm patience") struct ConfirmPatienceTests {
    private let start = ContinuousClock.now

    @Test("A broker that answers quickly gets the least, a slow one twice its slowest answer")
    func follows() {
        var patience = ConfirmPatience(atLeast: .seconds(3))
        #expect(patience.current == .seconds(3))
        patience.noteConfirm(after: .milliseconds(20), at: start)
        #expect(patience.current == .seconds(3))
        patience.noteConfirm(after: .seconds(4), at: start + .seconds(1))
        patience.noteConfirm(after: .milliseconds(20), at: start + .seconds(2))
        #expect(patience.current == .seconds(8))
        patience.noteConfirm(after: .seconds(500), at: start + .seconds(3))
        #expect(patience.current == .seconds(60))
    }

    @Test("What was slow is forgotten after one to two half minutes")
    func forgets() {
        var patience = ConfirmPatience(atLeast: .seconds(3))
        patience.noteConfirm(after: .seconds(4), at: start + .seconds(1))
        patience.noteConfirm(after: .zero, at: start + .seconds(32))
        #expect(patience.current == .seconds(8))
        patience.noteConfirm(after: .zero, at: start + .seconds(63))
        #expect(patience.current == .seconds(3))
        patience.noteConfirm(after: .seconds(5), at: start + .seconds(64))
        #expect(patience.current == .seconds(10))
        patience.noteConfirm(after: .zero, at: start + .seconds(200))
        #expect(patience.current == .seconds(3))
    }

    @Test("It doubles each time it runs out, until the next answer")
    func doubles() {
        var patience = ConfirmPatience(atLeast: .seconds(3))
        for expected in [6, 12, 24, 48, 60, 60] {
            patience.noteMiss()
            #expect(patience.current == .seconds(expected))
        }
        patience.noteConfirm(after: .milliseconds(20), at: start)
        #expect(patience.current == .seconds(3))
    }
}
