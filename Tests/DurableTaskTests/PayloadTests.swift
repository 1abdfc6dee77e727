import DurableCore
import DurableTask
import FoundationEssentials
import Testing

private struct Order: Codable, Sendable {
    var id: Int
    var lines: [Line]
    var due: Date
    struct Line: Codable, Sendable { var item: String }
}

@Suite("Payloads") struct PayloadTests {
    private let context = ActivityContext(
        name: "a", instanceID: InstanceID("i"), executionID: ExecutionID("e"), taskID: EventID(3))

    private func run<Input, Output>(
        _ activity: Activity<Input, Output>, _ json: String?
    ) async -> Result<Payload?, FailureDetails> {
        await AnyActivity(activity).run(input: json.map { Payload($0) }, context: context)
    }

    @Test("JSON has sorted keys, ISO 8601 dates and plain slashes; fragments are payloads")
    func encoding() async throws {
        let ship = Activity("Ship") { (order: Order, _: ActivityContext) async throws -> Order in order }
        let json = #"{"due":"2026-11-24T09:30:00.250Z","id":7,"lines":[{"item":"a/b"}]}"#
        #expect(await run(ship, json) == .success(Payload(json)))
        for time in ["09:30:00Z", "10:30:00+01:00"] {
            let other = json.replacing("09:30:00.250Z", with: time)
            #expect(await run(ship, other) == .success(Payload(json.replacing(".250Z", with: ".000Z"))))
        }
        let length = Activity("Length") { (text: String, _: ActivityContext) async throws -> Int in text.count }
        #expect(await run(length, #""four""#) == .success(Payload("4")))
        let maybe = Activity("Maybe") { (text: String?, _: ActivityContext) async throws -> String? in text }
        #expect(await run(maybe, "null") == .success(Payload("null")))
        #expect(await run(maybe, nil) == .success(Payload("null")))
    }

    @Test("No input and no output are no payload") func noValues() async throws {
        let ping = Activity("Ping") { (_: ActivityContext) async throws -> String in "pong" }
        #expect(await run(ping, nil) == .success(Payload("\"pong\"")))
        #expect(await run(ping, #"{"from":"a newer version"}"#) == .success(Payload("\"pong\"")))
        let note = Activity("Note") { (_: String, _: ActivityContext) async throws in }
        #expect(await run(note, "\"x\"") == .success(nil))
        let tick = Activity("Tick") { (_: ActivityContext) async throws in }
        #expect(await run(tick, nil) == .success(nil))
    }

    @Test(
        "What cannot be decoded fails for good, names type and path, and quotes nothing",
        arguments: [
            (#"{"due":"2026-11-24T09:30:00Z","id":"secret","lines":[]}"#, ["Int", "$.id", "Order"]),
            (
                #"{"due":"2026-11-24T09:30:00Z","id":1,"lines":[{"item":"x"},{"item":7}]}"#,
                ["String", "$.lines[1].item"]
            ),
            (#"{"due":"2026-11-24T09:30:00Z","id":1,"lines":[{}]}"#, ["key \"item\" is missing", "$.lines[0]"]),
            (#"{"due":"2026-11-24T09:30:00Z","id":null,"lines":[]}"#, ["Int", "null", "$.id"]),
            (#"{"due":"secret","id":1,"lines":[]}"#, ["$.due", "does not fit"]),
            ("secret", ["Order", "no JSON"]),
            (nil, ["expected Order", "no payload"]),
        ])
    func undecodable(_ json: String?, _ words: [String]) async throws {
        let ship = Activity("Ship") { (order: Order, _: ActivityContext) async throws -> Int in order.id }
        guard case .failure(let failure) = await run(ship, json) else {
            Issue.record("decoded")
            return
        }
        #expect(failure.errorType == "PayloadDecodingError")
        #expect(failure.isNonRetryable)
        for word in words + ["the input of activity \"Ship\""] {
            #expect(failure.message.contains(word), "\(failure.message) lacks \(word)")
        }
        #expect(!failure.message.contains("secret"))
    }

    @Test("An orchestration fails for good when its input cannot be decoded") func orchestrationInput() throws {
        let double = Orchestration("Double") { (number: Int, _: OrchestrationContext) async throws -> Int in
            2 * number
        }
        var driver = Driver(AnyOrchestration(double))
        try driver.start(input: Payload("\"secret\""))
        let failure = try #require(driver.failure)
        #expect(failure.isNonRetryable && failure.errorType == "PayloadDecodingError")
        #expect(failure.message.contains("the input of orchestration \"Double\"") && failure.message.contains("Int"))
        #expect(!failure.message.contains("secret"))
    }

    @Test("A result of another type throws in the orchestration, named by its activity")
    func resultOfAnotherType() throws {
        var driver = Driver(
            orchestrate { context -> String in
                do {
                    let _: Int = try await context.callActivity("Count", "x")
                    return "counted"
                } catch let error as PayloadError { return "\(error)" }
            })
        try driver.start()
        try driver.episode([driver.complete(EventID(0))])
        let outcome = try #require(driver.outcome)
        #expect(outcome.contains("the result of activity") && outcome.contains("Count") && outcome.contains("Int"))
    }

    @Test(
        "A value that cannot be encoded fails the instance, whatever the code does about it",
        arguments: Unencodable.allCases)
    private func unencodable(_ use: Unencodable) throws {
        let code = orchestrate { context -> Int in
            let _: Int = try await context.callActivity("before", 1)
            try? await use.perform(context)
            let _: Int = try await context.callActivity("after", 1)
            return 1
        }
        var driver = Driver(code)
        try driver.start()
        let actions = try driver.episode([driver.complete(EventID(0))])
        #expect(actions.count == 1)
        let failure = try #require(driver.failure)
        #expect(failure.errorType == "PayloadEncodingError" && failure.isNonRetryable)
        for word in [use.subject, "Double", "JSON cannot hold"] { #expect(failure.message.contains(word)) }
        #expect(driver.session.isComplete)
        // Replay does not encode; it takes the recorded failure all the same.
        let session = Driver.session(code)
        try session.replay(driver.history)
        #expect(session.isComplete)
        session.evict()
    }

    @Test("An output that cannot be encoded fails the instance and replays") func unencodableOutput() throws {
        let code = orchestrate { _ in Double.nan }
        var driver = Driver(code)
        try driver.start()
        #expect(driver.failure?.message.contains("the output of orchestration \"test\"") == true)
        let session = Driver.session(code)
        try session.replay(driver.history)
        #expect(session.isComplete)
    }

    @Test("Replay encodes nothing: history holds it") func replayEncodesNothing() throws {
        let encoded = Counter()
        let code = orchestrate { context in
            for _ in 0..<3 { let _: Int? = try await context.callActivity("a", CountsItsEncoding(counter: encoded)) }
        }
        var driver = Driver(code)
        driver.activity = { _, _ in .success(Payload("1")) }
        try driver.start()
        try driver.episode([driver.complete(EventID(0))])
        #expect(encoded.value == 2)
        let session = Driver.session(code)
        try session.replay(driver.history)
        #expect(encoded.value == 2)
        _ = try session.run([
            HistoryEvent(timestamp: .distantFuture, kind: .orchestratorStarted),
            HistoryEvent(timestamp: .distantFuture, kind: .taskCompleted(taskID: EventID(1), result: Payload("1"))),
        ])
        #expect(encoded.value == 3)
    }

    @Test("A timestamp is written as a date is") func timestamps() async throws {
        let echo = Activity("Echo") { (time: Timestamp, _: ActivityContext) async throws -> Timestamp in time }
        let day = Activity("Day") { (date: Date, _: ActivityContext) async throws -> Date in date }
        let json = #""2026-11-24T09:30:00.250Z""#
        #expect(await run(echo, json) == .success(Payload(json)))
        #expect(await run(day, json) == .success(Payload(json)))
        guard case .failure(let failure) = await run(echo, "\"tomorrow\"") else {
            Issue.record("read a time")
            return
        }
        #expect(failure.message.contains("Timestamp") && !failure.message.contains("tomorrow"))
    }

    @Test("Dates and timestamps turn into each other, to the millisecond") func dates() {
        let time = Timestamp(millisecondsSinceEpoch: 1_795_512_600_123)
        #expect(Timestamp(Date(time)) == time)
        #expect(Timestamp(Date(timeIntervalSince1970: -0.0012)).millisecondsSinceEpoch == -1)
        #expect(Timestamp(Date.distantFuture) > time)
        #expect(Timestamp(Date(timeIntervalSince1970: .infinity)) == .distantFuture)
    }
}

private enum Unencodable: CaseIterable {
    case input, event, status

    var subject: String {
        switch self {
        case .input: "the input of activity \"bad\""
        case .event: "the data of event \"bad\""
        case .status: "the custom status"
        }
    }

    func perform(_ context: OrchestrationContext) async throws {
        switch self {
        case .input: let _: Int = try await context.callActivity("bad", ["x": Double.nan])
        case .event: context.raiseEvent(to: InstanceID("other"), "bad", Double.infinity)
        case .status: context.setCustomStatus([Double.nan])
        }
    }
}

private struct CountsItsEncoding: Encodable, Sendable {
    let counter: Counter
    func encode(to encoder: any Encoder) throws {
        counter.increment()
        var container = encoder.singleValueContainer()
        try container.encode("x")
    }
}
