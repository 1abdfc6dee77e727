import DurableCore
import DurableTask
import Testing

private let progress = Query<NoValue, Int>("progress")
private let scaled = Query<Int, Int>("scaled")
private let add = Update<Int, Int>("add")
private let slow = Update<String, String>("slow")

private struct NegativeNumber: Error {}

@Suite("Handlers of queries and updates") struct HandlerTests {
    /// Adds numbers until 10 is reached; each update also asks an activity.
    private let adder = orchestrate { context -> Int in
        let sum = context.state(0)
        context.handle(progress) { sum.value }
        context.handle(scaled) { $0 * sum.value }
        context.handle(
            add,
            validate: { number in
                if number < 0 { throw NegativeNumber() }
            }
        ) { number in
            sum.value += number
            let checked: Int = try await context.callActivity("check", sum.value)
            return checked
        }
        try await context.wait { sum.value >= 10 }
        try await context.waitForHandlers()
        return sum.value
    }

    private func request(_ id: String, _ name: String, _ input: String) -> UpdateRequest {
        UpdateRequest(id: UpdateID(id), name: name, input: Payload(input))
    }

    private func admit(_ request: UpdateRequest, in driver: Driver) throws -> UpdateAdmission {
        var violation: String?
        let admission = driver.session.admit(request, violation: &violation)
        try #require(violation == nil)
        return admission
    }

    // MARK: - Queries

    @Test("A query sees the state between episodes, and leaves nothing behind") func query() throws {
        var driver = Driver(adder)
        #expect(driver.session.query("progress", input: nil) == .noHandler(known: []))
        try driver.start()
        #expect(driver.session.query("progress", input: nil) == .value(Payload("0")))
        try driver.episode([.updateRequested(request("u1", "add", "4"))])
        #expect(driver.session.query("progress", input: nil) == .value(Payload("4")))
        #expect(driver.session.query("scaled", input: Payload("3")) == .value(Payload("12")))
        #expect(driver.session.query("other", input: nil) == .noHandler(known: ["progress", "scaled"]))
        guard case .failed(let failure) = driver.session.query("scaled", input: Payload("\"x\"")) else {
            Issue.record("text is no number")
            return
        }
        #expect(failure.errorType == "PayloadDecodingError")
    }

    @Test("A query is answered after the end, and after replay of the whole history") func queryAfterTheEnd() throws {
        var driver = Driver(adder)
        try driver.start()
        try driver.episode([.updateRequested(request("u1", "add", "10"))])
        try driver.episode([driver.complete(EventID(0))])
        #expect(driver.outcome == "completed 10")
        #expect(driver.session.query("progress", input: nil) == .value(Payload("10")))
        let session = Driver.session(adder)
        defer { session.evict() }
        try session.replay(driver.history)
        #expect(session.query("progress", input: nil) == .value(Payload("10")))
    }

    @Test("A handler that does more than look is refused, and what it did has no effect") func misuse() throws {
        let states = orchestrate { context in
            let state = context.state([1])
            context.handle(Query<NoValue, [Int]>("read")) { state.value }
            context.handle(Query<NoValue, Int>("write")) {
                state.value.append(2)
                return 0
            }
            context.handle(Query<NoValue, Int>("modify")) {
                state.modify { $0.removeAll() }
                return 0
            }
            context.handle(Query<NoValue, String>("draw")) { "\(context.newUUID())" }
            context.handle(Query<NoValue, Int>("status")) {
                context.setCustomStatus("asked")
                return 0
            }
            try await context.waitForExternalEvent("go")
            _ = context.newUUID()
        }
        for (query, violation) in [
            ("write", "changed a state"), ("modify", "changed a state"), ("draw", "drew a recorded value"),
            ("status", "used context.setCustomStatus"),
        ] {
            var driver = Driver(states)
            try driver.start()
            #expect(driver.session.query(query, input: nil) == .misused(violation))
            #expect(driver.session.query("read", input: nil) == .value(Payload("[1]")))
            #expect(try driver.episode([.eventRaised(name: "go", input: nil)]).count == 1)
        }
    }

    @Test("A query that resumes code of the instance is refused") func resumption() throws {
        let leaky = orchestrate { context in
            let (stream, continuation) = AsyncStream.makeStream(of: Int.self)
            context.handle(Query<NoValue, Int>("leak")) {
                continuation.yield(1)
                return 0
            }
            async let first: Void = { for await _ in stream { break } }()
            try await context.waitForExternalEvent("go")
            await first
        }
        var driver = Driver(leaky)
        try driver.start()
        #expect(driver.session.query("leak", input: nil) == .misused("resumed other code of the instance"))
    }

    // MARK: - Updates

    @Test("An update is let in by its validator, runs beside the function, and its result is recorded once it ends")
    func update() throws {
        var driver = Driver(adder)
        try driver.start()
        #expect(try admit(request("u1", "add", "4"), in: driver) == .admitted)
        #expect(
            try driver.episode([.updateRequested(request("u1", "add", "4"))]) == [
                .scheduleTask(id: EventID(0), name: "check", input: Payload("4"))
            ])
        #expect(
            try driver.episode([driver.complete(EventID(0))]) == [
                .completeUpdate(id: UpdateID("u1"), result: Payload("4"), failure: nil)
            ])
    }

    @Test("A rejected update is told why: by its validator, or since its input is of another type") func rejection()
        throws
    {
        var driver = Driver(adder)
        #expect(try admit(request("u1", "add", "-1"), in: driver) == .noHandler)
        try driver.start()
        guard case .rejected(let reason) = try admit(request("u1", "add", "-1"), in: driver) else {
            Issue.record("a negative number is refused")
            return
        }
        #expect(reason.errorType == "NegativeNumber")
        guard case .rejected(let defect) = try admit(request("u1", "add", "\"x\""), in: driver) else {
            Issue.record("text is no number")
            return
        }
        #expect(defect.errorType == "PayloadDecodingError")
        #expect(try admit(request("u1", "other", "1"), in: driver) == .noHandler)
    }

    @Test("What a handler throws fails its update alone") func failure() throws {
        let failing = orchestrate { context in
            context.handle(add) { (_: Int) -> Int in try await context.callActivity("fail") }
            try await context.waitForExternalEvent("go")
        }
        var driver = Driver(failing)
        try driver.start()
        try driver.episode([.updateRequested(request("u1", "add", "1"))])
        let actions = try driver.episode([driver.complete(EventID(0))])
        guard case .completeUpdate(UpdateID("u1"), nil, let failure?)? = actions.first else {
            Issue.record("the update ends with a failure")
            return
        }
        #expect(failure.errorType == "ActivityFailure")
        try driver.episode([.eventRaised(name: "go", input: nil)])
        #expect(driver.outcome == "completed nothing")
    }

    @Test("A result that cannot be encoded fails its update, live; replay goes the same way") func unencodable() throws
    {
        let broken = orchestrate { context in
            context.handle(Update<NoValue, Double>("nan")) { Double.nan }
            try await context.waitForExternalEvent("go")
        }
        var driver = Driver(broken)
        try driver.start()
        let actions = try driver.episode([
            .updateRequested(UpdateRequest(id: UpdateID("u1"), name: "nan", input: nil))
        ])
        guard case .completeUpdate(_, nil, let failure?)? = actions.first else {
            Issue.record("the update ends with a failure")
            return
        }
        #expect(failure.errorType == "PayloadEncodingError")
        let session = Driver.session(broken)
        defer { session.evict() }
        try session.replay(driver.history)
        #expect(
            try session.run([HistoryEvent(timestamp: Timestamp(millisecondsSinceEpoch: 9), kind: .orchestratorStarted)])
                == [])
    }

    @Test("Handlers that run when the function ends are not waited for, unless it does so itself") func unfinished()
        throws
    {
        let hasty = orchestrate { context in
            let isDone = context.state(false)
            context.handle(add) { (number: Int) -> Int in
                isDone.value = true
                return try await context.callActivity("check", number)
            }
            try await context.wait { isDone.value }
        }
        var driver = Driver(hasty)
        try driver.start()
        let actions = try driver.episode([.updateRequested(request("u1", "add", "1"))])
        #expect(actions.count == 2)
        #expect(driver.outcome == "completed nothing")
    }

    @Test("To continue as new in a handler is a mistake that says so") func continuesAsNew() throws {
        let wrong = orchestrate { context in
            context.handle(Update<NoValue, NoValue>("again")) { try context.continueAsNew() }
            try await context.waitForExternalEvent("go")
        }
        var driver = Driver(wrong)
        try driver.start()
        let failure = try episodeFailure {
            try driver.episode([.updateRequested(UpdateRequest(id: UpdateID("u1"), name: "again", input: nil))])
        }
        #expect(
            "\(failure)".contains(#"handler of update \"again\""#)
                || "\(failure)".contains(#"handler of update "again""#))
    }

    @Test("History with an update that the code does not take is a divergence that names it") func noHandler() throws {
        let deaf = orchestrate { context in try await context.waitForExternalEvent("go") }
        var driver = Driver(deaf)
        try driver.start()
        let failure = try episodeFailure { try driver.episode([.updateRequested(request("u1", "add", "1"))]) }
        guard case .nonDeterministic(3, let holds, let asked) = failure else {
            Issue.record("\(failure)")
            return
        }
        #expect(holds == #"UpdateRequested "add" (update ID "u1")"#)
        #expect(asked == #"no handler of update "add""#)
    }

    // MARK: - Order

    private func turns(_ trace: Trace) -> AnyOrchestration {
        orchestrate { context -> Int in
            let ended = context.state(0)
            context.handle(slow) { name in
                trace.say("begin \(name)", context)
                try await context.sleep(for: .seconds(1))
                trace.say("slept \(name)", context)
                let echo = try await trace.echo("echo \(name)", context)
                ended.value += 1
                return echo
            }
            async let watcher: Void = context.wait { ended.value >= 2 }
            for number in 0..<4 { _ = try await trace.echo("main \(number)", context) }
            try await watcher
            trace.say("two ended", context)
            try await context.waitForHandlers()
            return ended.value
        }
    }

    @Test(
        "Function and handlers take the same turns live and on every replay, with and without fast path",
        arguments: [UInt64](1...30), [true, false])
    func order(seed: UInt64, usesFastPath: Bool) throws {
        let updates = ["a", "b", "c"].map {
            HistoryEvent.Kind.updateRequested(
                UpdateRequest(id: UpdateID($0), name: "slow", input: Payload("\"\($0)\"")))
        }
        try Driver.checkTurns(
            of: turns, to: "completed 3", seed: seed, usesFastPath: usesFastPath, external: updates)
    }

    @Test("A condition that acts holds the instance") func actingCondition() throws {
        let wrong = orchestrate { context in
            let state = context.state(0)
            try await context.wait {
                state.value += 1
                return state.value > 3
            }
        }
        var driver = Driver(wrong)
        let failure = try episodeFailure { try driver.start() }
        guard case .contextMisuse(let text) = failure else {
            Issue.record("\(failure)")
            return
        }
        #expect(text.contains("changed a state"))
    }

    @Test("Waiting for a condition ends with its limit, or with cancellation") func limits() throws {
        let code = orchestrate { context -> [Bool] in
            let flag = context.state(false)
            let timedOut = try await context.wait(timeout: .seconds(5)) { flag.value }
            flag.value = true
            let holds = try await context.wait(timeout: .seconds(5)) { flag.value }
            let cancelled = await withTaskGroup(of: Bool.self) { group in
                group.addTask {
                    do {
                        try await context.wait { !flag.value }
                        return false
                    } catch {
                        return error is CancellationError
                    }
                }
                group.cancelAll()
                return await group.next() ?? false
            }
            return [timedOut, holds, cancelled]
        }
        var driver = Driver(code)
        try driver.start()
        try driver.episode([driver.complete(EventID(0))])
        #expect(driver.outcome == "completed [false,true,true]")
    }
}
