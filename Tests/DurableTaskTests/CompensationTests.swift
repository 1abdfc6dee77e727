import DurableCore
import DurableTask
import Testing

@Suite("Compensation") struct CompensationTests {
    /// Ends what is open, in order of request, until the code ends.
    private func finish(_ driver: inout Driver) throws {
        for _ in 0..<100 where !driver.session.isComplete {
            guard let id = driver.open.first?.eventID else { break }
            try driver.episode([driver.complete(id)])
        }
    }

    private func run(_ body: @escaping @Sendable (OrchestrationContext) async throws -> Void) throws -> Driver {
        var driver = Driver(orchestrate(body))
        try driver.start()
        try finish(&driver)
        return driver
    }

    private func tasks(_ driver: Driver) -> [String] {
        driver.history.compactMap { if case .taskScheduled(let name, _) = $0.kind { name } else { nil } }
    }

    @Test("When a step fails those before it are undone in reverse order, and the error is thrown on") func reverse()
        throws
    {
        let driver = try run { context in try await context.trip(["a", "b", "failC"]) }
        #expect(tasks(driver) == ["a", "b", "failC", "undo-b", "undo-a"])
        #expect(driver.failure?.errorType == "ActivityFailure")
        #expect(driver.failure?.cause.first?.message == "failC")
    }

    @Test("When all steps succeed nothing is undone, whatever fails afterwards") func success() throws {
        let driver = try run { context in
            try await context.trip(["a", "b"])
            try await context.step("failLater")
        }
        #expect(tasks(driver) == ["a", "b", "failLater"])
    }

    @Test("An error of the code's own is a reason to undo too, and nothing to undo is fine") func ownError() throws {
        let driver = try run { context in
            do {
                try await context.withCompensation { _ in throw Refusal() }
            } catch is Refusal {
                try await context.step("caught")
            }
            try await context.withCompensation { saga in
                saga.addCompensation { try await context.step("undo") }
                throw Refusal()
            }
        }
        #expect(tasks(driver) == ["caught", "undo"])
        #expect(driver.failure?.errorType == "Refusal")
    }

    @Test("To continue as new is no failure: nothing is undone") func continueAsNew() throws {
        let driver = try run { context in
            try await context.withCompensation { saga in
                try await context.step("a")
                saga.addCompensation { try await context.step("undo-a") }
                try context.continueAsNew()
            }
        }
        #expect(tasks(driver) == ["a"])
        #expect(driver.session.isComplete)
    }

    @Test("In parallel all compensations are requested at once, the last registered first") func parallel() throws {
        var driver = Driver(orchestrate { context in try await context.trip(["a", "b", "failC"], order: .parallel) })
        try driver.start()
        for id in 0...2 { try driver.episode([driver.complete(EventID(Int32(id)))]) }
        #expect(driver.open.count == 2)
        #expect(tasks(driver).suffix(2) == ["undo-b", "undo-a"])
        try finish(&driver)
        #expect(driver.failure?.errorType == "ActivityFailure")
    }

    // MARK: - Compensations that fail

    private func failing(_ order: CompensationOrder) throws -> Driver {
        try run { context in
            do {
                try await context.withCompensation(order: order) { saga in
                    for name in ["undo-a", "fail-b", "undo-c", "fail-d", "undo-e"] {
                        saga.addCompensation { try await context.step(name) }
                    }
                    throw Refusal()
                }
            } catch let error as CompensationFailure {
                #expect(error.original is Refusal)
                let failures = error.failures.compactMap { ($0 as? ActivityFailure)?.activityName }
                context.setCustomStatus("\(failures) \(error.skippedCount)")
                throw error
            }
        }
    }

    private func status(_ driver: Driver) -> String? {
        let statuses = driver.episodes.flatMap(\.actions).compactMap { action -> Payload?? in
            if case .setCustomStatus(let status) = action { .some(status) } else { nil }
        }
        return statuses.last??.text
    }

    @Test("One that fails does not keep the others from running; all failures are reported with the original")
    func goesOn() throws {
        let driver = try failing(.reverse)
        #expect(tasks(driver) == ["undo-e", "fail-d", "undo-c", "fail-b", "undo-a"])
        #expect(status(driver) == #""[\"fail-d\", \"fail-b\"] 0""#)
        #expect(driver.failure?.errorType == "CompensationFailure")
        #expect(driver.failure?.isNonRetryable == true)
        #expect(driver.failure?.cause.map(\.errorType) == ["Refusal"])
        for text in ["refused", "2 of its compensations failed", "fail-d", "fail-b"] {
            #expect(driver.failure?.message.contains(text) == true, "\(text)")
        }
    }

    @Test("Until a failure, the rest is left and counted") func stops() throws {
        let driver = try failing(.reverseUntilFailure)
        #expect(tasks(driver) == ["undo-e", "fail-d"])
        #expect(status(driver) == #""[\"fail-d\"] 3""#)
        #expect(driver.failure?.message.contains("3 more were not run") == true)
    }

    @Test("In parallel, failures stand in order of request, whichever came first") func parallelFailures() throws {
        #expect(status(try failing(.parallel)) == #""[\"fail-d\", \"fail-b\"] 0""#)
    }

    // MARK: - Cancellation

    /// A saga in a task group that is cancelled while its second step runs.
    private func cancelled(
        _ compensation: @escaping @Sendable (OrchestrationContext) async throws -> Void
    ) throws -> Driver {
        var driver = Driver(
            orchestrate { context -> String in
                try await withThrowingTaskGroup(of: String.self) { group in
                    group.addTask {
                        do {
                            try await context.withCompensation { saga in
                                saga.addCompensation {
                                    #expect(!Task.isCancelled)
                                    try await compensation(context)
                                }
                                try await context.step("slow")
                            }
                            return "done"
                        } catch {
                            #expect(Task.isCancelled)
                            return "\(type(of: error))"
                        }
                    }
                    try await context.waitForExternalEvent("stop")
                    group.cancelAll()
                    return try await group.next() ?? "nothing"
                }
            })
        try driver.start()
        try driver.episode([.eventRaised(name: "stop", input: nil)])
        #expect(!driver.session.isComplete, "it waits for its compensation")
        return driver
    }

    @Test("A cancelled task undoes what it did, and its compensation does not notice the cancellation")
    func cancellation() throws {
        var driver = try cancelled { context in
            try await context.step("undo-1")
            try await context.sleep(for: .seconds(1))
            async let one: Void = context.step("undo-2")
            async let two: Void = context.step("undo-3")
            _ = try await (one, two)
        }
        try finish(&driver)
        #expect(tasks(driver) == ["slow", "undo-1", "undo-2", "undo-3"])
        #expect(driver.outcome == #"completed "CancellationError""#)
    }

    @Test("Cancellation inside a compensation works as anywhere") func cancellationInside() throws {
        var driver = try cancelled { context in
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await context.step("undo") }
                group.addTask { try await context.sleep(for: .seconds(86_400)) }
                try await group.next()
                group.cancelAll()
            }
        }
        let id = try #require(driver.open.last { if case .scheduleTask = $0 { true } else { false } }?.eventID)
        let actions = try driver.episode([driver.complete(id)])
        #expect(actions.contains { if case .cancelTimer = $0 { true } else { false } })
        #expect(driver.outcome == #"completed "CancellationError""#)
    }

    @Test("A compensation may have one of its own, and a task-local value reaches it") func nested() throws {
        let driver = try run { context in
            try await Place.$name.withValue("outer") {
                try await context.withCompensation { saga in
                    saga.addCompensation {
                        try await context.withCompensation { inner in
                            inner.addCompensation { try await context.step("undo-undo-\(Place.name)") }
                            try await context.step("failUndo")
                        }
                    }
                    throw Refusal()
                }
            }
        }
        #expect(tasks(driver) == ["failUndo", "undo-undo-outer"])
        #expect(driver.failure?.errorType == "CompensationFailure")
    }

    @Test("A saga may stand inside a private actor") func insideActor() throws {
        let driver = try run { context in try await Agency().book(context) }
        #expect(tasks(driver) == ["a", "failB", "undo-a"])
    }

    // MARK: - Eviction and misuse

    @Test(
        "Evicted before or in the middle of its compensations, an instance begins no further one and is freed",
        arguments: 1...6)
    func eviction(episodes: Int) throws {
        let freed = Counter()
        let begun = Counter()
        for _ in 0..<20 {
            var driver = Driver(
                orchestrate { [token = Token(freed)] context in
                    try await context.withCompensation { saga in
                        for name in ["undo-a", "undo-b", "undo-c"] {
                            saga.addCompensation { [token] in
                                withExtendedLifetime(token) {}
                                begun.increment()
                                try await context.step(name)
                            }
                        }
                        try await context.step("failNow")
                    }
                })
            try driver.start()
            for _ in 1..<episodes where !driver.session.isComplete {
                guard let id = driver.open.first?.eventID else { break }
                try driver.episode([driver.complete(id)])
            }
            driver.session.evict()
        }
        #expect(freed.value == 20)
        #expect(begun.value == 20 * min(3, episodes - 1))
    }

    @Test("A compensation added when nothing would run it any more is found") func tooLate() throws {
        var driver = Driver(
            orchestrate { context in
                let escaped = try await context.withCompensation { saga in saga }
                escaped.addCompensation { try await context.step("undo") }
                try await context.step("a")
            })
        let failure = try episodeFailure { try driver.start() }
        guard case .contextMisuse(let text) = failure else {
            Issue.record("\(failure)")
            return
        }
        #expect(text.contains("saga.addCompensation"))
    }

    @Test("What is not durable is found in compensations too") func escape() async throws {
        let freed = Counter()
        var driver = Driver(
            orchestrate { [token = Token(freed)] context in
                try await context.withCompensation { saga in
                    saga.addCompensation { [token] in
                        withExtendedLifetime(token) {}
                        try await Task.sleep(for: .seconds(3600))
                    }
                    throw Refusal()
                }
            })
        let failure = try episodeFailure { try driver.start() }
        guard case .nonDurableAwait = failure else {
            Issue.record("\(failure)")
            return
        }
        driver.session.evict()
        driver = Driver(orchestrate { _ in })
        try await eventually("the sleep is cancelled and the instance freed") { freed.value == 1 }
    }
}

private struct Refusal: Error, CustomStringConvertible {
    var description: String { "refused" }
}

private enum Place {
    @TaskLocal static var name = "nowhere"
}

private actor Agency {
    func book(_ context: OrchestrationContext) async throws {
        try await context.withCompensation { saga in
            try await context.step("a")
            saga.addCompensation { try await context.step("undo-a") }
            try await context.step("failB")
        }
    }
}

extension OrchestrationContext {
    fileprivate func step(_ name: String) async throws {
        let _: String = try await callActivity(name, name)
    }

    fileprivate func trip(_ names: [String], order: CompensationOrder = .reverse) async throws {
        try await withCompensation(order: order) { saga in
            for name in names {
                try await step(name)
                saga.addCompensation { try await step("undo-\(name)") }
            }
        }
    }
}
