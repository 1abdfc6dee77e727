import DurableCore
import DurableTask
import FoundationEssentials
import Testing

@Suite("Retries") struct RetryTests {
    private let doubling = RetryPolicy(maximumAttempts: 3, firstInterval: .seconds(1), backoffCoefficient: 2)

    /// Completes whatever is open, in order of request, until the code ends.
    private func finish(_ driver: inout Driver) throws {
        for _ in 0..<100 where !driver.session.isComplete {
            guard let id = driver.open.first?.eventID else { break }
            try driver.episode([driver.complete(id)])
        }
    }

    private func kinds(_ driver: Driver) -> [String] {
        driver.history.compactMap { event in
            switch event.kind {
            case .taskScheduled(let name, let input): "\(event.eventID) \(name) \(input?.text ?? "-")"
            case .subOrchestrationCreated(let child): "\(event.eventID) \(child.name) \(child.instanceID)"
            case .timerCreated(let fireAt): "\(event.eventID) pause \(fireAt.since(event.timestamp))"
            default: nil
            }
        }
    }

    @Test("Each attempt is a task of its own, with the same input, and each pause a timer") func attempts() throws {
        var driver = Driver(
            orchestrate { [doubling] context -> Int in try await context.callActivity("failCharge", 7, retry: doubling)
            })
        try driver.start()
        try finish(&driver)
        #expect(
            kinds(driver) == [
                "0 failCharge 7", "1 pause 1.0 seconds", "2 failCharge 7", "3 pause 2.0 seconds", "4 failCharge 7",
            ])
    }

    @Test("After the last attempt its failure is thrown as it is") func lastFailure() throws {
        var driver = Driver(
            orchestrate { [doubling] context -> String in
                do {
                    return try await context.callActivity("failCharge", 7, retry: doubling)
                } catch let failure as ActivityFailure {
                    return "\(failure)"
                }
            })
        try driver.start()
        try finish(&driver)
        #expect(driver.outcome == #"completed "activity \"failCharge\" (task 4) failed: Declined: failCharge""#)
    }

    @Test("A result ends the attempts") func success() throws {
        var driver = Driver(
            orchestrate { [doubling] context -> Int in try await context.callActivity("Charge", 7, retry: doubling) })
        let failures = Counter()
        driver.activity = { _, input in
            if failures.value == 1 { return .success(input) }
            failures.increment()
            return .failure(FailureDetails(errorType: "Busy", message: "later"))
        }
        try driver.start()
        try finish(&driver)
        #expect(driver.outcome == "completed 7")
        #expect(kinds(driver) == ["0 Charge 7", "1 pause 1.0 seconds", "2 Charge 7"])
    }

    @Test("Without a policy a failure is final, and a policy adds nothing to a call that succeeds") func noPolicy()
        throws
    {
        var failing = Driver(orchestrate { context in let _: Int = try await context.callActivity("fail", 1) })
        try failing.start()
        try finish(&failing)
        #expect(kinds(failing) == ["0 fail 1"])
        let bodies: [@Sendable (OrchestrationContext) async throws -> Int] = [
            { try await $0.callActivity("Charge", 1) },
            { [doubling] in try await $0.callActivity("Charge", 1, retry: doubling) },
        ]
        let histories = try bodies.map { body in
            var driver = Driver(orchestrate(body))
            try driver.start()
            try finish(&driver)
            return driver.history
        }
        #expect(histories[0] == histories[1])
    }

    @Test("Every form of a call takes a policy") func forms() throws {
        let once = RetryPolicy(maximumAttempts: 2, firstInterval: .seconds(1))
        let bodies: [@Sendable (OrchestrationContext) async throws -> Void] = [
            { _ = try await $0.callActivity(Activity("fail") { (_: Int, _) -> Int in 1 }, 1, retry: once) },
            { _ = try await $0.callActivity(Activity("fail") { (_: ActivityContext) -> Int in 1 }, retry: once) },
            { try await $0.callActivity(Activity("fail") { (_: Int, _) in }, 1, retry: once) },
            { try await $0.callActivity(Activity("fail") { (_: ActivityContext) in }, retry: once) },
            { _ = try await $0.callActivity("fail", 1, retry: once, as: Int.self) },
            {
                _ = try await $0.callSubOrchestration(
                    Orchestration("fail") { (_: Int, _) -> Int in 1 }, 1, retry: once)
            },
            {
                _ = try await $0.callSubOrchestration(
                    Orchestration("fail") { (_: OrchestrationContext) -> Int in 1 }, retry: once)
            },
            { try await $0.callSubOrchestration(Orchestration("fail") { (_: Int, _) in }, 1, retry: once) },
            { try await $0.callSubOrchestration(Orchestration("fail") { (_: OrchestrationContext) in }, retry: once) },
            { _ = try await $0.callSubOrchestration("fail", 1, retry: once, as: Int.self) },
        ]
        for (index, body) in bodies.enumerated() {
            var driver = Driver(orchestrate(body))
            try driver.start()
            try finish(&driver)
            #expect(kinds(driver).count == 3, "form \(index): \(kinds(driver))")
        }
    }

    @Test("A time limit counts from the first request, the attempts' own time included") func timeout() throws {
        let policy = RetryPolicy(
            maximumAttempts: .max, firstInterval: .milliseconds(100), retryTimeout: .milliseconds(450))
        var driver = Driver(
            orchestrate { context -> Int in try await context.callActivity("fail", 1, retry: policy) })
        try driver.start()
        try finish(&driver)
        // The test's time goes on by 100 ms with each episode: failures at 100 and 300, the next would begin at 400;
        // of the one at 500 there is none.
        #expect(kinds(driver).count(where: { $0.contains("fail") }) == 3)
        #expect(driver.failure?.errorType == "ActivityFailure")
    }

    @Test("What is no failure of the activity is thrown at once") func otherErrors() throws {
        var driver = Driver(
            orchestrate { [doubling] context -> Int in try await context.callActivity("Charge", "x", retry: doubling) })
        try driver.start()
        try finish(&driver)
        #expect(driver.failure?.errorType == "PayloadDecodingError")
        #expect(kinds(driver) == [#"0 Charge "x""#])
    }

    // MARK: - Cancellation

    /// A call that is tried again until it is cancelled from outside.
    private var stopped: AnyOrchestration {
        orchestrate { [doubling] context -> String in
            try await withThrowingTaskGroup(of: String.self) { group in
                group.addTask {
                    do {
                        return try await context.callActivity("fail", 1, retry: doubling)
                    } catch { return "\(type(of: error))" }
                }
                try await context.waitForExternalEvent("stop")
                group.cancelAll()
                return try await group.next() ?? "nothing"
            }
        }
    }

    @Test("Cancelled between two attempts the call throws CancellationError and drops its timer") func cancelledPause()
        throws
    {
        var driver = Driver(stopped)
        try driver.start()
        try driver.episode([driver.complete(EventID(0))])
        #expect(driver.open.map(\.eventID) == [EventID(1)])
        let actions = try driver.episode([.eventRaised(name: "stop", input: nil)])
        #expect(actions.first == .cancelTimer(id: EventID(1)))
        #expect(driver.outcome == #"completed "CancellationError""#)
        #expect(driver.open.isEmpty)
    }

    @Test("Cancelled during an attempt, or with its failure, the call makes no further one", arguments: [false, true])
    func cancelledAttempt(failsFirst: Bool) throws {
        var driver = Driver(stopped)
        try driver.start()
        let stop = HistoryEvent.Kind.eventRaised(name: "stop", input: nil)
        let failure = driver.complete(EventID(0))
        let actions = try driver.episode(failsFirst ? [failure, stop] : [stop, failure])
        #expect(driver.outcome == #"completed "CancellationError""#)
        #expect(!actions.contains { if case .scheduleTask = $0 { true } else { false } })
    }

    @Test("Evicted between two attempts it goes on where it was") func eviction() throws {
        let code = orchestrate { [doubling] context -> Int in
            try await context.callActivity("fail", 7, retry: doubling)
        }
        var driver = Driver(code)
        try driver.start()
        try driver.episode([driver.complete(EventID(0))])
        let history = driver.history
        driver.session.evict()
        driver.session = Driver.session(code)
        try driver.session.replay(history)
        // The input is encoded for an attempt that history does not hold.
        let actions = try driver.episode([driver.complete(EventID(1))])
        #expect(actions == [.scheduleTask(id: EventID(2), name: "fail", input: Payload("7"))])
    }

    // MARK: - Jitter

    private func jittered(_ draws: Bool) throws -> [String] {
        let policy = RetryPolicy(maximumAttempts: 4, firstInterval: .seconds(100), jitter: 1)
        var driver = Driver(
            orchestrate { context -> UInt64 in
                if draws { _ = context.randomNumberGenerator.next() }
                let _: Int? = try? await context.callActivity("fail", 1, retry: policy)
                return context.randomNumberGenerator.next()
            })
        try driver.start()
        try finish(&driver)
        return kinds(driver).filter { $0.contains("pause") } + [driver.outcome ?? "none"]
    }

    @Test("Jitter is fixed by instance, execution and attempt, for ever") func jitter() throws {
        #expect(
            try jittered(false) == [
                "1 pause 55.963 seconds", "3 pause 91.768 seconds", "5 pause 63.048 seconds",
                "completed 16939625434374786107",
            ])
    }

    @Test("Jitter and the code's own random numbers do not depend on each other") func ownSeries() throws {
        let (without, with) = (try jittered(false), try jittered(true))
        #expect(without.dropLast() == with.dropLast())
        #expect(without.last == "completed 16939625434374786107")
        #expect(with.last == "completed 10628746383132146085")
    }

    // MARK: - Sub-orchestrations

    private func children(instanceID: InstanceID?, _ policy: RetryPolicy) throws -> Driver {
        var driver = Driver(
            orchestrate { context -> Int in
                try await context.callSubOrchestration("failShip", 1, instanceID: instanceID, retry: policy)
            })
        try driver.start()
        try finish(&driver)
        return driver
    }

    @Test("Each attempt is a child of its own: derived IDs follow the request, a given one gets the attempt's number")
    func childIDs() throws {
        #expect(
            kinds(try children(instanceID: nil, doubling)) == [
                "0 failShip e-1:0", "1 pause 1.0 seconds", "2 failShip e-1:2", "3 pause 2.0 seconds",
                "4 failShip e-1:4",
            ])
        #expect(
            kinds(try children(instanceID: InstanceID("ship-7"), doubling)) == [
                "0 failShip ship-7", "1 pause 1.0 seconds", "2 failShip ship-7:attempt-2", "3 pause 2.0 seconds",
                "4 failShip ship-7:attempt-3",
            ])
    }

    @Test("An ID without room for its attempts' numbers is refused before anything is requested") func longID() throws {
        func failure(bytes: Int, _ attempts: Int) throws -> String? {
            let id = InstanceID(String(repeating: "x", count: bytes))
            return try children(instanceID: id, .init(maximumAttempts: attempts, firstInterval: .seconds(1)))
                .failure?.errorType
        }
        #expect(try failure(bytes: 255, 1) == "SubOrchestrationFailure")
        #expect(try failure(bytes: 245, 9) == "SubOrchestrationFailure")
        #expect(try failure(bytes: 246, 9) == "InvalidInstanceID")
        #expect(try failure(bytes: 245, 10) == "InvalidInstanceID")
        #expect(try failure(bytes: 10, 0) == "InvalidRetryPolicy")
    }

    @Test("A child that was terminated, or whose ID is taken, is not tried again") func finalEnds() throws {
        for type in ["Terminated", "InstanceExists"] {
            var driver = Driver(
                orchestrate { [doubling] context -> Int in
                    try await context.callSubOrchestration("Ship", 1, retry: doubling)
                })
            // As the engine answers.
            driver.activity = { _, _ in
                .failure(FailureDetails(errorType: type, message: "", isNonRetryable: true))
            }
            try driver.start()
            try finish(&driver)
            #expect(kinds(driver).count == 1)
        }
    }
}
