import DurableCore
import DurableTask
import Logging
import Testing

private let sayHello = Activity("SayHello") { (city: String, context: ActivityContext) async throws -> String in
    "Hello, \(city)!"
}
private let note = Activity("Note") { (_: String, _: ActivityContext) async throws in }
private let ping = Activity("Ping") { (_: ActivityContext) async throws -> Int in 1 }
private let tick = Activity("Tick") { (_: ActivityContext) async throws in }

private let helloCities = Orchestration("HelloCities") {
    (cities: [String], context: OrchestrationContext) async throws -> [String] in
    var greetings: [String] = []
    for city in cities { greetings.append(try await context.callActivity(sayHello, city)) }
    try await context.callActivity(note, "greeted")
    _ = try await context.callActivity(ping)
    try await context.callActivity(tick)
    return greetings
}

/// Several at once, as a library would offer its own.
private struct Greetings: Registrable {
    func register(in registry: inout Registry) throws(RegistryError) {
        try registry.register(sayHello)
        try registry.register(helloCities)
    }
}

@Suite("Registry") struct RegistryTests {
    @Test("An orchestration registered by value runs with the activities registered by value")
    func runs() async throws {
        let registry = try Registry(helloCities, sayHello, note, ping, tick)
        #expect(registry.activityNames == ["Note", "Ping", "SayHello", "Tick"])
        #expect(registry.orchestrationNames == ["HelloCities"])
        let session = try #require(
            registry.makeSession(
                name: "HelloCities", version: nil, instanceID: Driver.instanceID, executionID: Driver.executionID,
                patches: []))
        var driver = Driver(try #require(registry.orchestration(named: "HelloCities")))
        driver.session = session
        try driver.start(name: "HelloCities", input: Payload(#"["Oslo","Lima"]"#))
        while let action = driver.open.first, case .scheduleTask(let id, let name, let input) = action {
            let activity = try #require(registry.activity(named: name))
            let context = ActivityContext(
                name: name, instanceID: Driver.instanceID, executionID: Driver.executionID, taskID: id)
            let result = await activity.run(input: input, context: context)
            driver.activity = { _, _ in result }
            try driver.episode([driver.complete(id)])
        }
        #expect(driver.outcome == #"completed ["Hello, Oslo!","Hello, Lima!"]"#)
    }

    @Test("A name taken twice is refused, by kind") func duplicates() throws {
        var registry = try Registry(Greetings())
        let error = #expect(throws: RegistryError.self) { try registry.register(sayHello) }
        #expect(error?.code == .duplicateName)
        #expect(error?.message.contains("two activitys") == false)
        #expect(error?.message.contains("two activities are named \"SayHello\"") == true)
        // An orchestration may share a name with an activity.
        try registry.register(Orchestration("SayHello") { (_: OrchestrationContext) async throws in })
        #expect(registry.orchestrationNames == ["HelloCities", "SayHello"])
    }

    @Test("A name that queues cannot carry is refused", arguments: ["", "a\nb", String(repeating: "x", count: 129)])
    func invalidNames(_ name: String) throws {
        let error = #expect(throws: RegistryError.self) {
            _ = try Registry(Activity(name) { (_: ActivityContext) async throws in })
        }
        #expect(error?.code == .invalidName)
        #expect(error?.message.contains("1 to 128 bytes") == true)
    }

    @Test("No session for a name nobody registered") func unknownName() throws {
        let registry = Registry()
        #expect(
            registry.makeSession(
                name: "Missing", version: nil, instanceID: Driver.instanceID, executionID: Driver.executionID,
                patches: []) == nil)
    }

    @Test("An activity knows its run; its idempotency key is stable") func activityContext() async throws {
        let context = ActivityContext(
            name: "Charge", instanceID: InstanceID("o-1"), executionID: ExecutionID("e-1"), taskID: EventID(4),
            attempt: 2, deliveryCount: 3)
        #expect(context.idempotencyKey == "o-1/e-1/4")
        #expect(context.logger[metadataKey: "instance"] == "o-1")
        #expect(context.logger[metadataKey: "attempt"] == "2")
    }

    @Test(
        "What the code had no part in does not count against it on replay: refused requests, terminations",
        arguments: ["PayloadTooLarge", "TooManyEvents", nil])
    func imposedEnd(errorType: String?) throws {
        var history = begun
        if let errorType {
            history.append(end(.failed, FailureDetails(errorType: errorType, message: "DTQ2007"), id: .none))
        } else {
            history.append(HistoryEvent(timestamp: time, kind: .executionTerminated(reason: nil, recurse: false)))
            history.append(end(.terminated, nil, id: .none))
        }
        #expect(try asking.replay(history, of: "Asks") == .fits)
    }

    @Test("What the code threw itself counts, whatever it calls its error") func ownEnd() throws {
        let failure = FailureDetails(errorType: "PayloadTooLarge", message: "DTQ2007")
        guard case .diverges = try asking.replay(begun + [end(.failed, failure, id: EventID(0))], of: "Asks") else {
            Issue.record("the failure is passed over")
            return
        }
    }

    private var asking: Registry {
        get throws {
            try Registry(
                Orchestration("Asks") { (context: OrchestrationContext) in
                    _ = try await context.callActivity("work", 1, as: Int.self)
                })
        }
    }

    private let time = Timestamp(millisecondsSinceEpoch: 1)

    /// Of an instance of `Asks`.
    private var begun: [HistoryEvent] {
        let start = ExecutionStarted(name: "Asks", instanceID: InstanceID("i"), executionID: ExecutionID("e"))
        return [.orchestratorStarted, .executionStarted(start)].map { HistoryEvent(timestamp: time, kind: $0) }
    }

    private func end(_ status: OrchestrationStatus, _ failure: FailureDetails?, id: EventID) -> HistoryEvent {
        HistoryEvent(
            eventID: id, timestamp: time, kind: .executionCompleted(status: status, result: nil, failure: failure))
    }

    @Test("What an activity throws becomes its failure; its cancellation is Swift cancellation") func failures() async {
        let context = ActivityContext(
            name: "a", instanceID: InstanceID("i"), executionID: ExecutionID("e"), taskID: EventID(0))
        let decline = AnyActivity(
            Activity("Decline") { (_: ActivityContext) async throws in throw Declined(reason: "no funds") })
        #expect(
            await decline.run(input: nil, context: context)
                == .failure(FailureDetails(errorType: "Declined", message: "no funds", isNonRetryable: true)))
        let patient = AnyActivity(
            Activity("Patient") { (_: ActivityContext) async throws in try Task.checkCancellation() })
        let task = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            return await patient.run(input: nil, context: context)
        }
        guard case .failure(let failure) = await task.value else {
            Issue.record("not cancelled")
            return
        }
        #expect(failure.errorType == "CancellationError")
    }
}

private struct Declined: NonRetryableError, CustomStringConvertible {
    let reason: String
    var description: String { reason }
}
