import DurableJSON
import DurableTestKit
import Foundation
import Testing

@Suite("Histories as fixtures") struct FixtureTests {
    private func history() async throws -> OrchestrationHistory {
        let environment = try TestOrchestrationEnvironment(charge, ship, refund)
        environment.fail(ship)
        let id = try environment.start(fulfil, input: Order(id: "7", amount: 3), id: InstanceID("o-7"))
        #expect(try await environment.output(of: fulfil, id) == "refunded")
        return try environment.history(of: id)
    }

    /// Every kind of event, with whatever it may carry.
    private static let everything: [HistoryEvent] = {
        var failure = FailureDetails(
            errorType: "Declined", message: "no \"credit\"", stackTrace: "a\nb", isNonRetryable: true,
            cause: [
                FailureDetails(errorType: "Inner", message: "x", cause: [FailureDetails(errorType: "I", message: "")])
            ])
        let payloads: [Payload?] = [
            nil, Payload(), Payload("null"), Payload("{\"b\":1,\"a\":[1.50,\"ä\\/\\u0007\"]}"),
            Payload("{ \"b\" : 1 }"),
            Payload("no JSON"), Payload("\"no JSON\""), Payload("{\"base64\":\"AA==\"}"), Payload([0xff, 0, 0x80, 1]),
        ]
        var kinds: [HistoryEvent.Kind] = [
            .orchestratorStarted,
            .executionStarted(
                ExecutionStarted(
                    name: "Ship", version: "2", input: Payload("1"), instanceID: InstanceID("o-1"),
                    executionID: ExecutionID("e/1"), scheduledStart: Timestamp(millisecondsSinceEpoch: 5),
                    parent: .init(
                        taskID: EventID(4), name: "P", instanceID: InstanceID("p"), executionID: ExecutionID("pe")),
                    traceParent: "00-1-2-01", tags: [.init(key: "a", value: "1"), .init(key: "b", value: "")])),
            .executionStarted(
                ExecutionStarted(name: "S", instanceID: InstanceID("o-1"), executionID: ExecutionID("e"))),
            .executionCompleted(status: .failed, result: nil, failure: failure),
            .executionCompleted(status: .continuedAsNew, result: Payload("7"), failure: nil),
            .executionTerminated(reason: nil, recurse: true),
            .cancellationRequested(reason: Payload("\"r\"")),
            .executionTerminated(reason: Payload("\"r\""), recurse: false),
            .executionSuspended(reason: Payload("\"r\"")), .executionResumed(reason: nil),
            .executionRewound(reason: Payload("\"r\""), count: 3), .executionRewound(reason: nil, count: 1),
            .taskFailed(taskID: EventID(3), failure: failure),
            .timerCreated(fireAt: Timestamp(millisecondsSinceEpoch: 1_767_225_600_001)),
            .timerFired(timerID: EventID(2), fireAt: Timestamp(millisecondsSinceEpoch: 1_767_225_600_001)),
            .eventSent(instanceID: InstanceID("x y"), name: "E", input: Payload("1")),
            .subOrchestrationCreated(ChildStart(instanceID: InstanceID("c"), name: "C", isDetached: true)),
            .subOrchestrationCreated(
                ChildStart(instanceID: InstanceID("c"), name: "C", version: "1", input: Payload("{}"))),
            .subOrchestrationCompleted(taskID: EventID(9), result: Payload("[]")),
            .subOrchestrationFailed(taskID: EventID(9), failure: failure), .continueAsNew(input: Payload("1")),
            .patchRecorded(id: "p", isDeprecated: false), .patchRecorded(id: "p", isDeprecated: true),
        ]
        for payload in payloads {
            kinds += [
                .taskScheduled(name: "A", input: payload), .taskCompleted(taskID: EventID(1), result: payload),
                .eventRaised(name: "E", input: payload),
            ]
        }
        failure.cause = []
        var events = kinds.enumerated().map { index, kind in
            HistoryEvent(
                eventID: index % 2 == 0 ? .none : EventID(Int32(index)),
                timestamp: Timestamp(millisecondsSinceEpoch: 1_767_225_600_000 + Int64(index)), kind: kind)
        }
        events[3].unknownFields = [1, 2, 3, 255]
        events[4].author = EpisodeAuthor(build: "1.4", version: "2")
        events[5].author = EpisodeAuthor(build: "")
        return events
    }()

    @Test("Every event, every payload and unknown fields come back byte for byte")
    func roundTrip() throws {
        let history = OrchestrationHistory(instanceID: InstanceID("o-1"), events: Self.everything)
        #expect(try OrchestrationHistory(json: history.json) == history)
    }

    @Test("What dtq history --json --payloads prints is a fixture")
    func commandLine() throws {
        let printed = HistoryJSON.json(of: Self.everything, InstanceID("o-1"), showsPayloads: true).text
        let history = try OrchestrationHistory(json: Data(printed.utf8))
        #expect(history == OrchestrationHistory(instanceID: InstanceID("o-1"), events: Self.everything))
        let compact = HistoryJSON.json(of: Self.everything, InstanceID("o-1"), showsPayloads: false).text
        let error = try thrownNow { try OrchestrationHistory(json: Data(compact.utf8)) }
        #expect(
            error.description
                == "event 1: the 1 bytes of \"input\" are missing: export the history with "
                + "dtq history ID --json --payloads"
        )
    }

    @Test("A fixture is written one event a line, and read from its file")
    func file() async throws {
        let directory = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: directory) }
        let file = directory.appending(path: "order.json")
        let history = try await history()
        try history.write(to: file)
        #expect(try OrchestrationHistory(contentsOf: file) == history)
        let lines = try String(contentsOf: file, encoding: .utf8).split(separator: "\n")
        #expect(lines.count == history.events.count + 2)
        #expect(lines.first == #"{"id":"o-7","events":["#)
        #expect(
            lines[3]
                == #"{"index":2,"time":"2026-01-01T00:00:00.000Z","type":"TaskScheduled","eventID":0,"name":"Charge","#
                + #""inputBytes":21,"input":{"amount":3,"id":"7"}},"#)
        try Data("{".utf8).write(to: file)
        let error = try thrownNow { try OrchestrationHistory(contentsOf: file) }
        #expect(error.code == .fixtureUnusable)
        #expect(error.description.hasPrefix("fixture order.json: this is no JSON: "))
    }

    @Test(
        "A fixture that is damaged says where",
        arguments: [
            (#"{"id":"a"}"#, "this is no history"),
            (#"{"id":"a","events":[{"time":"2026-01-01T00:00:00Z"}]}"#, "event 0: \"type\" is missing or no text"),
            (#"{"id":"a","events":[{"type":"TaskFailed","time":"soon"}]}"#, "event 0: \"time\" is no ISO 8601 time"),
            (
                #"{"id":"a","events":[{"type":"TaskFailed","time":"2026-01-01T00:00:00Z","task":1.5}]}"#,
                "event 0: \"task\" is missing or no whole number"
            ),
            (
                #"{"id":"a","events":[{"type":"New","time":"2026-01-01T00:00:00Z"}]}"#,
                "event 0: \"New\" is no type of event"
            ),
            (
                #"{"id":"a","events":[{"type":"ExecutionStarted","time":"2026-01-01T00:00:00Z","name":"A"}]}"#,
                "event 0: \"execution\" is missing"
            ),
            (
                #"{"id":"a","events":[{"type":"ContinueAsNew","time":"2026-01-01T00:00:00Z","inputBase64":"A"}]}"#,
                "event 0: \"inputBase64\" is not in base64"
            ),
        ])
    func damaged(text: String, reason: String) throws {
        let error = try thrownNow { try OrchestrationHistory(json: Data(text.utf8)) }
        #expect(error.code == .fixtureUnusable)
        #expect(error.description.hasPrefix(reason))
    }

    // MARK: - Code and fixture

    @Test("The code that wrote a fixture fits it, among others")
    func fits() async throws {
        try assertReplays(try await history(), report, fulfil)
    }

    @Test("Changed code does not, and it is said where it parts")
    func changed() async throws {
        let history = try await history()
        let renamed = Orchestration("Fulfil") { (order: Order, context: OrchestrationContext) -> String in
            let receipt = try await context.callActivity(charge, order)
            return try await context.callActivity("Deliver", receipt)
        }
        let error = try thrownNow { try assertReplays(history, renamed) }
        #expect(error.code == .replayDiverged)
        #expect(
            error.description
                == "DTQ2003 instance \"o-7\" (Fulfil): replay diverged at event 5. History holds "
                + "TaskScheduled \"Ship\" (event ID 1); the code asked for activity \"Deliver\" (event ID 1). See ops/errors/DTQ2003.md"
        )
        let longer = Orchestration("Fulfil") { (order: Order, context: OrchestrationContext) -> String in
            let receipt = try await context.callActivity(charge, order)
            _ = try? await context.callActivity(ship, order)
            try await context.callActivity(refund, receipt)
            try await context.sleep(for: .seconds(1))
            return ""
        }
        let more = try thrownNow { try assertReplays(history, longer) }
        #expect(
            more.description.contains(
                "History holds ExecutionCompleted as completed (event ID 3); the code asked for a"))
        let shorter = Orchestration("Fulfil") { (order: Order, context: OrchestrationContext) -> String in
            _ = try await context.callActivity(charge, order)
            return ""
        }
        let less = try thrownNow { try assertReplays(history, shorter) }
        #expect(less.description.contains("diverged at event 5"))
        let shifting = Orchestration("Fulfil") { (_: Order, _: OrchestrationContext) -> String in
            try await Task.sleep(for: .seconds(3600))
            return ""
        }
        #expect(try thrownNow { try assertReplays(history, shifting) }.code == .nonDurableAwait)
    }

    @Test("Of an instance that has not ended, code that asks for more than was recorded does not fit")
    func unfinished() async throws {
        let environment = try TestOrchestrationEnvironment(charge)
        environment.mock(ship, taking: .seconds(100)) { _ in "" }
        let id = try environment.start(fulfil, input: Order(id: "7", amount: 3))
        try await environment.advance(by: .seconds(50))
        let history = try environment.history(of: id)
        #expect(history.status == .running)
        try assertReplays(history, fulfil)
        let eager = Orchestration("Fulfil") { (order: Order, context: OrchestrationContext) -> String in
            _ = try await context.callActivity(charge, order)
            async let pong: Void = context.callActivity(ping)
            let parcel = try await context.callActivity(ship, order)
            try await pong
            return parcel
        }
        let error = try thrownNow { try assertReplays(history, eager) }
        #expect(
            error.description.contains("History holds the end of that episode; the code asked for activity \"Ping\""))
        let ending = Orchestration("Fulfil") { (order: Order, context: OrchestrationContext) -> String in
            _ = try await context.callActivity(charge, order)
            async let _ = context.callActivity(ship, order)
            return ""
        }
        #expect(try thrownNow { try assertReplays(history, ending) }.description.contains("to end as completed"))
    }

    @Test("A terminated instance replays up to its termination")
    func terminated() async throws {
        let environment = try TestOrchestrationEnvironment()
        let id = try environment.start(receiver, input: 2)
        try environment.raiseEvent("number", to: id, 1)
        try await environment.runUntilIdle()
        try environment.terminate(id)
        try await environment.runUntilIdle()
        let history = try environment.history(of: id)
        #expect(history.status == .terminated)
        try assertReplays(history, receiver)
    }

    @Test("A fixture of other code, and one without its start, are refused")
    func others() async throws {
        let history = try await history()
        let other = try thrownNow { try assertReplays(history, report, charge) }
        #expect(other.code == .notRegistered)
        #expect(
            other.description
                == "the history of instance \"o-7\" is of orchestration \"Fulfil\", and the code given is \"Report\"")
        let cut = OrchestrationHistory(instanceID: history.instanceID, events: Array(history.events.dropFirst(2)))
        #expect(try thrownNow { try assertReplays(cut, fulfil) }.code == .fixtureUnusable)
    }
}

/// Runs `body` and gives what it threw.
private func thrownNow<Result>(_ body: () throws -> Result) throws -> OrchestrationTestError {
    do {
        _ = try body()
    } catch let error as OrchestrationTestError {
        return error
    }
    throw NothingThrown()
}
