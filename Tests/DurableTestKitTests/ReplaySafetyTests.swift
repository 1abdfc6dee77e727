import DurableTestKit
import Foundation
import Logging
import Synchronization
import Testing

@Suite("assertReplaySafe") struct ReplaySafetyTests {
    let order = Order(id: "7", amount: 3)

    @Test("Sequences, groups, races, families and a month of reminders are safe, and their activities run once")
    func safe() async throws {
        let environment = try TestOrchestrationEnvironment(charge, ship, refund, ping, fulfil, report)
        let orders = (0..<10).map { Order(id: "\($0)", amount: $0) }
        #expect(try await environment.assertReplaySafe(fulfil, input: order).output(as: String.self) == "parcel-7")
        try await environment.assertReplaySafe(fulfilAll, input: orders)
        try await environment.assertReplaySafe(parent, input: orders)
        try await environment.assertReplaySafe(longApproval, input: order)
        #expect(try environment.calls(of: ship).count == 11)
        #expect(try environment.calls(of: ping).count == 30)
        try environment.start(receiver, input: 3, id: InstanceID("receiver"))
        try await environment.assertReplaySafe(sender, input: 3)
    }

    @Test("One that fails, one that is terminated and one that has not ended are safe as well")
    func ends() async throws {
        let environment = try TestOrchestrationEnvironment(charge, ship, refund)
        environment.fail(charge, next: 1)
        let history = try await environment.assertReplaySafe(fulfil, input: order)
        #expect(history.status == .failed)
        let terminated = try environment.start(receiver, input: 2)
        try environment.raiseEvent("number", to: terminated, 1)
        try await environment.runUntilIdle()
        try environment.terminate(terminated)
        let before = try environment.start(receiver, input: 2)
        try environment.terminate(before)
        try environment.start(receiver, input: 2)
        try await environment.runUntilIdle()
        try environment.assertReplaySafe()
    }

    @Test("A patch is safe: recorded where it is new, and a history from before it fits the patched code")
    func patches() async throws {
        func order(asks: Bool) -> Orchestration<Order, String> {
            Orchestration("Patched") { (order: Order, context: OrchestrationContext) -> String in
                let isPatched = asks && context.isPatched("ship first")
                if isPatched { try await context.callActivity(ping) }
                try await context.sleep(for: .seconds(60))
                if isPatched { context.deprecatePatch("ship second") }
                return try await context.callActivity(charge, order)
            }
        }
        let environment = try TestOrchestrationEnvironment(charge, ping, order(asks: true))
        let history = try await environment.assertReplaySafe(order(asks: true), input: self.order)
        #expect(history.patches == ["ship first", "ship second"])
        let before = try await TestOrchestrationEnvironment(charge, ping, order(asks: false))
            .assertReplaySafe(order(asks: false), input: self.order)
        #expect(before.patches == [])
        try assertReplays(before, order(asks: true))
        try assertReplays(history, order(asks: true))
        let error = #expect(throws: OrchestrationTestError.self) { try assertReplays(history, order(asks: false)) }
        #expect(error?.code == .replayDiverged)
    }

    @Test("What the context offers is safe: time, UUIDs, random numbers, custom status, events, cancelled timers")
    func context() async throws {
        let careful = Orchestration("Careful") { (context: OrchestrationContext) -> String in
            context.setCustomStatus("at \(context.now)")
            let pause = Int.random(in: 1...60, using: &context.randomNumberGenerator)
            try await context.sleep(for: .seconds(pause))
            context.raiseEvent(to: InstanceID("r"), "number", pause)
            async let _: Void = context.sleep(for: .seconds(1_000_000))
            context.setCustomStatus(context.newUUID().uuidString)
            let number = try await context.callActivity(roll)
            context.logger.info("replaying: \(context.isReplaying)")
            return "\(number) \(context.now)"
        }
        let environment = try TestOrchestrationEnvironment(roll)
        try environment.start(receiver, input: 1, id: InstanceID("r"))
        try await environment.assertReplaySafe(careful)
    }

    // MARK: - What it finds

    private func divergence<Output>(
        _ orchestration: Orchestration<NoValue, Output>, _ items: any Registrable...
    ) async throws -> String {
        let environment = try TestOrchestrationEnvironment(ping, roll)
        environment.mock("Note") { (text: String) in text }
        let error = try await thrown(OrchestrationTestError.self) {
            try await environment.assertReplaySafe(orchestration)
        }
        #expect(error.code == .replayDiverged)
        return error.description
    }

    @Test("A clock in an activity's input")
    func clockInInput() async throws {
        let text = try await divergence(
            Orchestration("Clock") { (context: OrchestrationContext) -> String in
                try await context.callActivity(ping)
                return try await context.callActivity("Note", "\(Date().timeIntervalSince1970)")
            })
        #expect(
            text.hasPrefix("DTQ2003 instance \"Clock-1\" (Clock): replay diverged at event 5. History holds activity "))
        #expect(text.contains("History holds activity \"Note\" (event ID 1) with input \""))
        #expect(text.contains("; the code asked for activity \"Note\" (event ID 1) with input \""))
        #expect(text.hasSuffix("(when run again from its start). See ops/errors/DTQ2003.md"))
    }

    @Test("A clock in a timer")
    func clockInTimer() async throws {
        let text = try await divergence(
            Orchestration("Clock") { (context: OrchestrationContext) in
                try await context.sleep(until: Timestamp(Date()) + .seconds(60))
            })
        #expect(text.contains("diverged at event 2. History holds a timer due 2"))
    }

    @Test("Random numbers, even a coin")
    func random() async throws {
        let number = try await divergence(
            Orchestration("Random") { (context: OrchestrationContext) -> Int in
                _ = try await context.callActivity(roll)
                return Int.random(in: 0...1_000_000)
            })
        #expect(number.contains("History holds to end as completed (event ID 1) with result "))
        // One coin: the first run agrees with all of 8 others once in 256 times, so three of them are thrown.
        let coin = try await divergence(
            Orchestration("Coin") { (context: OrchestrationContext) in
                for _ in 0..<3 where Bool.random() { try await context.callActivity(ping) }
                try await context.sleep(for: .seconds(1))
                for _ in 0..<3 where Bool.random() { try await context.callActivity(ping) }
            })
        #expect(coin.contains("DTQ2003"))
    }

    @Test("A counter that all instances share")
    func counter() async throws {
        let counting = Counter()
        let text = try await divergence(
            Orchestration("Count") { (context: OrchestrationContext) in
                let number = counting.next()
                _ = try await context.callActivity("Note", "number \(number)", as: String.self)
            })
        #expect(
            text.contains("with input \"number 0\"; the code asked for activity \"Note\" (event ID 0) with input \"num")
        )
    }

    @Test("The order of a dictionary, kept over an await or not")
    func dictionaryOrder() async throws {
        let kept = try await divergence(
            Orchestration("Kept") { (context: OrchestrationContext) in
                let words = Dictionary(uniqueKeysWithValues: (0..<20).map { ("word-\($0)", $0) })
                for (word, _) in words { _ = try await context.callActivity("Note", word, as: String.self) }
            })
        #expect(kept.contains("History holds activity \"Note\" (event ID 0) with input \"word-"))
        let passing = try await divergence(
            Orchestration("Passing") { (context: OrchestrationContext) in
                let word = Set((0..<20).map { "word-\($0)" }).joined(separator: " ")
                _ = try await context.callActivity("Note", word, as: String.self)
            })
        #expect(passing.contains("DTQ2003"))
    }

    @Test("A custom status of the code's own, though no event records it")
    func customStatus() async throws {
        let counting = Counter()
        let text = try await divergence(
            Orchestration("Status") { (context: OrchestrationContext) in
                try await context.callActivity(ping)
                context.setCustomStatus(counting.next())
            })
        #expect(
            text.contains("diverged at event 5. History holds to set its custom status with value 0; the code asked "))
    }

    @Test("The position is that of the event that does not fit, not counting what leaves no event")
    func position() async throws {
        let counting = Counter()
        let text = try await divergence(
            Orchestration("Several") { (context: OrchestrationContext) in
                context.setCustomStatus("a")
                context.raiseEvent(to: InstanceID("nobody"), "first", 1)
                context.setCustomStatus("b")
                context.raiseEvent(to: InstanceID("nobody"), "second", counting.next())
            })
        #expect(text.contains("diverged at event 3. History holds to raise event \"second\" for instance \"nobody\""))
    }

    @Test("What only a session that was rebuilt does: code that asks whether it is replayed")
    func decidesByReplaying() async throws {
        let text = try await divergence(
            Orchestration("Peek") { (context: OrchestrationContext) in
                var wasReplayed = context.isReplaying
                try await context.callActivity(ping)
                wasReplayed = wasReplayed || context.isReplaying
                try await context.callActivity(ping)
                if wasReplayed { try await context.sleep(for: .seconds(1)) }
            })
        #expect(text.contains("the code asked for a timer due"))
        #expect(text.contains("in a session rebuilt from the first 3 events, as after a crash"))
    }

    @Test("The divergence of a child is found, and named")
    func child() async throws {
        let counting = Counter()
        let child = Orchestration("Child") { (context: OrchestrationContext) -> Int in
            try await context.callActivity(ping)
            return counting.next()
        }
        let calling = Orchestration("Calling") { (context: OrchestrationContext) -> Int in
            try await context.callSubOrchestration(child, instanceID: InstanceID("c"))
        }
        let environment = try TestOrchestrationEnvironment(ping, child)
        let error = try await thrown(OrchestrationTestError.self) { try await environment.assertReplaySafe(calling) }
        #expect(error.instanceID == InstanceID("c"))
        #expect(error.description.contains("(Child): replay diverged at event 5"))
    }

    @Test("Each episode and each cut of the history has a session of its own")
    func sessions() async throws {
        let runs = Counter()
        let counted = Orchestration("Counted") { (context: OrchestrationContext) in
            _ = runs.next()
            for _ in 0..<3 { try await context.callActivity(ping) }
        }
        let environment = try TestOrchestrationEnvironment(ping)
        let history = try await environment.assertReplaySafe(counted)
        #expect(history.events.count == 12)
        // Live; eight from the start, one from each of the other episodes; whole; cut after 0 to 11 events.
        #expect(runs.next() == 1 + 8 + 3 + 1 + 12)
    }

    @Test("Of many episodes some are taken, the first and the last among them")
    func many() async throws {
        let late = Counter()
        let long = Orchestration("Long") { (context: OrchestrationContext) -> Int in
            for _ in 0..<600 { try await context.callActivity(ping) }
            return context.isReplaying ? -1 : late.next()
        }
        let text = try await divergence(long)
        #expect(text.contains("History holds to end as completed (event ID 600) with result 0"))
        let environment = try TestOrchestrationEnvironment(ping)
        try await environment.assertReplaySafe(
            Orchestration("Long") { (context: OrchestrationContext) in
                for _ in 0..<600 { try await context.callActivity(ping) }
            })
    }
}

/// As careless code has it.
private final class Counter: Sendable {
    private let count = Atomic<Int>(0)
    func next() -> Int { count.wrappingAdd(1, ordering: .relaxed).oldValue }
}
