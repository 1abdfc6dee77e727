import DurableCore
import DurableTask
import Testing

@Suite("Eviction") struct EvictionTests {
    /// Four waits at once: two activities, a timer, an event.
    private func busy(_ freed: Counter) -> AnyOrchestration {
        orchestrate { [token = Token(freed)] context in
            let held = token
            try await withThrowingTaskGroup(of: Void.self) { group in
                for name in ["a", "b"] { group.addTask { let _: String = try await context.callActivity(name, name) } }
                group.addTask { try await context.sleep(for: .seconds(60)) }
                async let event: Void = context.waitForExternalEvent("go", timeout: .seconds(60))
                try await group.waitForAll()
                try await event
            }
            withExtendedLifetime(held) {}
        }
    }

    @Test("10,000 evictions free 10,000 instances") func leaksNothing() throws {
        let freed = Counter()
        for _ in 0..<10_000 {
            var driver = Driver(busy(freed))
            try driver.start()
            driver.session.evict()
        }
        #expect(freed.value == 10_000)
    }

    @Test("A session that is dropped evicts itself") func droppedSession() throws {
        let freed = Counter()
        for _ in 0..<100 {
            var driver = Driver(busy(freed))
            try driver.start()
        }
        #expect(freed.value == 100)
    }

    @Test("What dying code asks for is ignored, and evicting twice is evicting once") func dyingCode() throws {
        let caught = Counter()
        var driver = Driver(
            orchestrate { context in
                do {
                    let _: String = try await context.callActivity("a", "a")
                } catch {
                    caught.increment()
                    context.setCustomStatus("dying")
                    context.raiseEvent(to: InstanceID("other"), "dying")
                    do {
                        let _: String = try await context.callActivity("undo", "a")
                    } catch { caught.increment() }
                }
            })
        try driver.start()
        driver.session.evict()
        driver.session.evict()
        #expect(caught.value == 2)
        #expect(!driver.session.isComplete)
    }

    @Test("Thousands of children that clean up while they die are freed") func dyingChildren() throws {
        let freed = Counter()
        var driver = Driver(
            orchestrate { context in
                await withTaskGroup(of: Void.self) { group in
                    for index in 0..<5000 {
                        group.addTask { [token = Token(freed)] in
                            for _ in 0..<3 { let _: Int? = try? await context.callActivity("a", index) }
                            withExtendedLifetime(token) {}
                        }
                    }
                }
            })
        try driver.start()
        driver.session.evict()
        #expect(freed.value == 5000)
    }

    @Test("Code that swallows the error in a loop is left suspended", arguments: SwallowedWait.allCases)
    func swallowingLoop(_ wait: SwallowedWait) throws {
        var driver = Driver(
            orchestrate { context in
                while true { try? await wait.perform(context) }
            })
        try driver.start()
        driver.session.evict()
        #expect(!driver.session.isComplete)
    }

    @Test("An instance that never started, and one that is complete, can be evicted") func otherStates() throws {
        Driver(orchestrate { _ in }).session.evict()
        var driver = Driver(orchestrate { _ in 7 })
        try driver.start()
        driver.session.evict()
        #expect(driver.outcome == "completed 7")
        #expect(driver.session.isComplete)
    }

    @Test("The estimate rises with open operations and events nobody took") func estimate() throws {
        var driver = Driver(
            orchestrate { context in
                let _: String = try await context.callActivity("a", "a")
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for index in 0..<50 { group.addTask { let _: Int = try await context.callActivity("b", index) } }
                    try await group.waitForAll()
                }
            })
        try driver.start()
        let one = driver.session.estimatedBytes
        try driver.episode([.eventRaised(name: "early", input: Payload(Array(repeating: 32, count: 10_000)))])
        let buffered = driver.session.estimatedBytes
        #expect(buffered >= one + 10_000)
        try driver.episode([driver.complete(EventID(0))])
        #expect(driver.session.estimatedBytes >= buffered + 49 * 200)
    }
}

enum SwallowedWait: CaseIterable {
    case activity, timer, event

    func perform(_ context: OrchestrationContext) async throws {
        switch self {
        case .activity: let _: String = try await context.callActivity("a", "a")
        case .timer: try await context.sleep(for: .seconds(1))
        case .event: try await context.waitForExternalEvent("e")
        }
    }
}
