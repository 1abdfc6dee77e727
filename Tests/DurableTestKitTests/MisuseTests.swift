import DurableTestKit
import Testing

@Suite("What is wrong is said") struct MisuseTests {
    private func failure(
        _ environment: TestOrchestrationEnvironment,
        _ body: @escaping @Sendable (OrchestrationContext) async throws -> Void
    ) async throws -> OrchestrationTestError {
        try await thrown(OrchestrationTestError.self) {
            _ = try await environment.run(Orchestration("Wrong", run: body), id: InstanceID("w"))
        }
    }

    @Test("An await that is not durable fails the test with DTQ2001")
    func nonDurable() async throws {
        let environment = try TestOrchestrationEnvironment()
        let error = try await failure(environment) { _ in try await Task.sleep(for: .seconds(3600)) }
        #expect(error.code == .nonDurableAwait)
        #expect(error.instanceID == InstanceID("w"))
        #expect(
            error.description.hasPrefix(#"DTQ2001 instance "w" (Wrong): its code awaited something that is not dur"#))
        #expect(error.description.hasSuffix("See ops/errors/DTQ2001.md"))
        let waiting = try await thrown(OrchestrationTestError.self) { try await environment.runUntilEnd("w") }
        #expect(waiting.description.contains("waits for code that fits: DTQ2001"))
    }

    @Test("Code that comes back later from an await that is not durable is found too, when the environment runs again")
    func escape() async throws {
        let gate = Gate()
        let straying = Orchestration("Wrong") { (context: OrchestrationContext) in
            async let stray: Void = gate.pass()
            try await context.waitForExternalEvent("go")
            await stray
        }
        let environment = try TestOrchestrationEnvironment()
        try environment.start(straying, id: InstanceID("w"))
        try await environment.runUntilIdle()
        gate.open()
        let error = try await thrown(OrchestrationTestError.self) { try await environment.runUntilIdle() }
        #expect(error.code == .nonDurableAwait)
        #expect(error.description.contains("the orchestration was resumed by another thread"))
    }

    @Test("The context used from outside fails the test with DTQ2002")
    func misuse() async throws {
        let error = try await failure(try TestOrchestrationEnvironment(ping)) { context in
            let stolen = Task.detached { context.newUUID() }
            _ = await stolen.value
        }
        #expect([.contextMisuse, .nonDurableAwait].contains(error.code))
        let immediate = try await failure(try TestOrchestrationEnvironment(ping)) { context in
            Task.immediate { try await context.callActivity(ping) }
            try await context.callActivity(ping)
        }
        #expect(immediate.code == .contextMisuse)
        #expect(immediate.description.hasPrefix(#"DTQ2002 instance "w" (Wrong): its context was used from outside"#))
    }

    @Test("An activity that is neither registered nor mocked, and an orchestration that is not registered, are named")
    func notRegistered() async throws {
        let activity = try await thrown(OrchestrationTestError.self) {
            _ = try await TestOrchestrationEnvironment().run(fulfil, input: Order(id: "1", amount: 1))
        }
        #expect(activity.code == .notRegistered)
        #expect(
            activity.description
                == "instance \"Fulfil-1\" calls activity \"Charge\" (event ID 0), which is neither registered "
                + "nor mocked: give it to the environment, or mock it")
        let child = try await thrown(OrchestrationTestError.self) {
            _ = try await TestOrchestrationEnvironment(report).run(parent, input: [Order(id: "1", amount: 1)])
        }
        #expect(child.code == .notRegistered)
        #expect(
            child.description.hasPrefix("instance \"order-1\" is of orchestration \"Fulfil\", which is not registered"))
    }

    @Test("An instance that nothing can wake is said to be stuck, with what all wait for")
    func stuck() async throws {
        let waiting = Orchestration("Waiting") { (context: OrchestrationContext) in
            async let name: String = context.waitForExternalEvent("name")
            async let child: [Int] = context.callSubOrchestration(receiver, 1, instanceID: InstanceID("r"))
            _ = try await (name, child)
        }
        let environment = try TestOrchestrationEnvironment(receiver)
        let error = try await thrown(OrchestrationTestError.self) { try await environment.run(waiting) }
        #expect(error.code == .stuck)
        #expect(
            error.description
                == "instance \"Waiting-1\" has not ended, and nothing is due that could wake it: "
                + "\"Waiting-1\" (Waiting) waits for external event \"name\", sub-orchestration \"r\"; "
                + "\"r\" (Receiver) waits for external event \"number\". Raise the event, or schedule it before you run"
        )
    }

    @Test("What never ends is stopped")
    func endless() async throws {
        let eternal = Orchestration("Eternal") { (context: OrchestrationContext) in
            while true { try await context.sleep(for: .seconds(1)) }
        }
        let environment = try TestOrchestrationEnvironment(episodeLimit: 1000)
        let error = try await thrown(OrchestrationTestError.self) { try await environment.run(eternal) }
        #expect(error.code == .episodeLimit)
        #expect(error.instanceID == InstanceID("Eternal-1"))
        try await environment.advance(by: .seconds(900))
    }

    @Test("IDs that are unknown, taken or unusable are refused")
    func ids() async throws {
        let environment = try TestOrchestrationEnvironment()
        let none = try await thrown(OrchestrationTestError.self) { try environment.terminate(InstanceID("x")) }
        #expect(none.code == .instanceNotFound)
        #expect(none.description == "there is no instance \"x\"; there is none at all")
        try environment.start(receiver, input: 1, id: InstanceID("r"))
        let taken = try await thrown(OrchestrationTestError.self) {
            try environment.start(receiver, input: 1, id: InstanceID("r"))
        }
        #expect(taken.code == .instanceExists)
        let unknown = try await thrown(OrchestrationTestError.self) { _ = try environment.status(of: InstanceID("x")) }
        #expect(unknown.description == "there is no instance \"x\"; there are \"r\"")
        _ = try await thrown(InvalidInstanceID.self) { try environment.start(receiver, input: 1, id: InstanceID("")) }
    }

    @Test("One task at a time runs the environment")
    func running() async throws {
        let environment = try TestOrchestrationEnvironment()
        environment.mock(ping) { [unowned environment] in try await environment.runUntilIdle() }
        let pinging = Orchestration("Pinging") { (context: OrchestrationContext) in try await context.callActivity(ping)
        }
        let failure = try await thrown(FailureDetails.self) { try await environment.run(pinging) }
        #expect(failure.cause.first?.message.hasPrefix("the environment is running already") == true)
        try await environment.runUntilIdle()
    }

    @Test("An event that is raised while its instance runs is not lost")
    func raisedMeanwhile() async throws {
        let environment = try TestOrchestrationEnvironment()
        let selfish = Orchestration("Selfish") { [unowned environment] (context: OrchestrationContext) -> Int in
            try environment.raiseEvent("number", to: context.instanceID, 5)
            return try await context.waitForExternalEvent("number")
        }
        #expect(try await environment.run(selfish) == 5)
    }

    @Test("What a scheduled action throws ends the run")
    func scheduled() async throws {
        let environment = try TestOrchestrationEnvironment()
        environment.schedule(after: .seconds(1)) { try $0.raiseEvent("x", to: InstanceID("nobody")) }
        let error = try await thrown(OrchestrationTestError.self) { try await environment.runUntilIdle() }
        #expect(error.code == .instanceNotFound)
    }

    @Test("Whoever cancels the test ends the run")
    func cancelled() async throws {
        let environment = try TestOrchestrationEnvironment()
        let task = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            try await environment.run(report, input: 1)
        }
        await #expect(throws: CancellationError.self) { try await task.value }
    }
}

/// Holds one task until it is opened.
private final class Gate: Sendable {
    private let waiting = PlatformLock<CheckedContinuation<Void, Never>?>(nil)
    func pass() async { await withCheckedContinuation { waiter in waiting.withLock { $0 = waiter } } }
    func open() { waiting.withLock { $0 }?.resume() }
}

extension TestOrchestrationEnvironment {
    /// Asks for the end of an instance of `Wrong`.
    func runUntilEnd(_ id: String) async throws {
        try await output(of: Orchestration<NoValue, NoValue>("Wrong") { _, _ in NoValue() }, InstanceID(id))
    }
}
