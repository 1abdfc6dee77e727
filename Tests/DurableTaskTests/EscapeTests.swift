import Dispatch
import DurableCore
import DurableTask
import Testing

/// Code that leaves the orchestration's own tasks.
@Suite("Escapes") struct EscapeTests {
    /// Runs up to five episodes until the code is found out; then opens the gate that holds what it awaits.
    private func failure(
        gate: DispatchSemaphore = DispatchSemaphore(value: 0),
        _ body: @escaping @Sendable (OrchestrationContext) async throws -> Void
    ) async throws -> EpisodeFailure? {
        let freed = Counter()
        var driver = Driver(
            orchestrate { [token = Token(freed)] context in
                _ = token
                try await body(context)
            })
        var failure: EpisodeFailure?
        do {
            try driver.start()
            for _ in 0..<5 where !driver.session.isComplete {
                guard let id = driver.open.first?.eventID else { break }
                try driver.episode([driver.complete(id)])
            }
        } catch let error as EpisodeFailure {
            failure = error
        }
        driver.session.evict()
        driver = Driver(orchestrate { _ in })
        gate.signal()
        try await eventually("what the code still awaits ends, and the instance is freed") { freed.value == 1 }
        return failure
    }

    private func expectNonDurableAwait(
        gate: DispatchSemaphore = DispatchSemaphore(value: 0),
        _ body: @escaping @Sendable (OrchestrationContext) async throws -> Void
    ) async throws {
        let failure = try await failure(gate: gate, body)
        guard case .nonDurableAwait(let text)? = failure else {
            Issue.record("expected a non-durable await, got \(String(describing: failure))")
            return
        }
        for word in ["not durable", "context.sleep", "task group", "activity"] { #expect(text.contains(word)) }
    }

    @Test("Task.sleep is found") func taskSleep() async throws {
        try await expectNonDurableAwait { context in
            let _: String = try await context.callActivity("a", "a")
            try await Task.sleep(for: .seconds(3600))
            let _: String = try await context.callActivity("b", "b")
        }
    }

    @Test("An awaited detached task is found") func detachedTask() async throws {
        let gate = DispatchSemaphore(value: 0)
        try await expectNonDurableAwait(gate: gate) { context in
            let task = Task.detached { await resumedByAnotherThread(once: gate) }
            await task.value
            let _: String = try await context.callActivity("b", "b")
        }
    }

    @Test("A hop to the main actor is found") func mainActor() async throws {
        try await expectNonDurableAwait { context in
            await onMain()
            let _: String = try await context.callActivity("b", "b")
        }
    }

    @Test("A continuation resumed by another thread is found") func callback() async throws {
        let gate = DispatchSemaphore(value: 0)
        try await expectNonDurableAwait(gate: gate) { context in
            await resumedByAnotherThread(once: gate)
            let _: String = try await context.callActivity("b", "b")
        }
    }

    @Test("A callback is found once it comes back, though an activity is pending beside it")
    func callbackBesideActivity() async throws {
        let gate = DispatchSemaphore(value: 0)
        let returned = Counter()
        var options = NativeOrchestration.Options()
        options.onEscape = { returned.increment() }
        var driver = Driver(
            orchestrate { context in
                async let activity: String = context.callActivity("a", "a")
                await resumedByAnotherThread(once: gate)
                _ = try await activity
            }, options: options)
        try driver.start()
        #expect(returned.value == 0)
        gate.signal()
        try await eventually("the engine is told that the callback has come back") { returned.value == 1 }
        let failure = try episodeFailure { try driver.episode([]) }
        guard case .nonDurableAwait(let text) = failure else {
            Issue.record("\(failure)")
            return
        }
        #expect(text.contains("another thread"))
    }

    @Test("The context used inside Task {} is found, even if the code swallows the error")
    func contextInsideTask() async throws {
        let used = Counter()
        var driver = Driver(
            orchestrate { context in
                async let activity: String = context.callActivity("a", "a")
                Task {
                    let _: String? = try? await context.callActivity("inside", "x")
                    used.increment()
                }
                _ = try await activity
                let _: String = try await context.callActivity("b", "b")
            })
        let failure: EpisodeFailure
        do {
            try driver.start()
            try await eventually("the other task used the context") { used.value == 1 }
            failure = try episodeFailure { try driver.episode([driver.complete(EventID(0))]) }
        } catch let early as EpisodeFailure {
            failure = early
        }
        guard case .contextMisuse(let text) = failure else {
            Issue.record("\(failure)")
            return
        }
        for word in ["context.callActivity", "outside", "Task {}", "task group"] { #expect(text.contains(word)) }
    }

    @Test("A value read from the context by another thread is found", arguments: ContextUse.allCases)
    func valueReadOutside(_ use: ContextUse) async throws {
        let used = Counter()
        var driver = Driver(
            orchestrate { context in
                Task.detached {
                    use.perform(context)
                    used.increment()
                }
                let _: String = try await context.callActivity("a", "a")
                let _: String = try await context.callActivity("b", "b")
            })
        var failure: EpisodeFailure?
        do {
            try driver.start()
            try await eventually("the other task used the context") { used.value == 1 }
            try driver.episode([driver.complete(EventID(0))])
        } catch let error as EpisodeFailure { failure = error }
        guard case .contextMisuse(let text)? = failure else {
            Issue.record("\(String(describing: failure))")
            return
        }
        #expect(text.contains("context.\(use)"))
    }

    @Test("Task.immediate that awaits a durable operation is found") func immediateTask() async throws {
        let failure = try await failure { context in
            let task = Task.immediate { () -> String in try await context.callActivity("inside", "x") }
            _ = try await task.value
        }
        guard case .contextMisuse(let text)? = failure else {
            Issue.record("\(String(describing: failure))")
            return
        }
        #expect(text.contains("Task.immediate"))
    }

    @Test("A loop that swallows the refusal ends the episode all the same") func swallowingLoop() throws {
        let driver = Driver(
            orchestrate { context in
                Task.immediate { let _: String? = try? await context.callActivity("inside", "x") }
                while true { let _: String? = try? await context.callActivity("a", "a") }
            })
        var copy = driver
        guard case .contextMisuse = try episodeFailure({ try copy.start() }) else {
            Issue.record("expected misuse")
            return
        }
        driver.session.evict()
    }

    @Test("Durable ways of the language pass: yield, nonisolated and concurrent functions, an actor of one's own")
    func whatIsAllowed() async throws {
        let found = try await failure { context in
            let sum = await concurrent() + (await nonisolatedHelper())
            await Task.yield()
            let actor = Tally()
            await actor.add(sum)
            let _: String = try await context.callActivity("a", "\(await actor.sum)")
        }
        #expect(found == nil)
    }
}

enum ContextUse: String, CaseIterable, CustomStringConvertible {
    case now, newUUID, randomNumberGenerator, isReplaying, logger, setCustomStatus, raiseEvent

    var description: String { rawValue }

    func perform(_ context: OrchestrationContext) {
        switch self {
        case .now: _ = context.now
        case .newUUID: _ = context.newUUID()
        case .randomNumberGenerator: _ = Int.random(in: 0..<10, using: &context.randomNumberGenerator)
        case .isReplaying: _ = context.isReplaying
        case .logger: _ = context.logger
        case .setCustomStatus: context.setCustomStatus("x")
        case .raiseEvent: context.raiseEvent(to: InstanceID("x"), "x")
        }
    }
}

@MainActor private func onMain() {}
@concurrent private func concurrent() async -> Int { 5 }
private func nonisolatedHelper() async -> Int { 4 }

private actor Tally {
    var sum = 0
    func add(_ number: Int) { sum += number }
}

/// Suspends until the gate opens; resumed by a thread of Dispatch.
private func resumedByAnotherThread(once gate: DispatchSemaphore) async {
    await withUnsafeContinuation { continuation in
        DispatchQueue.global().async {
            gate.wait()
            continuation.resume()
        }
    }
}
