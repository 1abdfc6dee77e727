import DurableTestKit
import Foundation
import Testing

@Suite("Running orchestrations in process") struct RunningTests {
    let order = Order(id: "7", amount: 3)

    @Test("Registered activities run for real, one after the other")
    func sequence() async throws {
        let environment = try TestOrchestrationEnvironment(charge, ship, fulfil)
        #expect(try await environment.run(fulfil, input: order) == "parcel-7")
        let history = try environment.history(of: InstanceID("Fulfil-1"))
        #expect(history.activities.map(\.name) == ["Charge", "Ship"])
        #expect(try history.activities[0].input(as: Order.self) == order)
        #expect(try history.activities[0].result(as: String.self) == "receipt-7")
        #expect(history.status == .completed)
    }

    @Test("A failed activity is the orchestration's to handle, and a failed orchestration throws its failure")
    func failures() async throws {
        let environment = try TestOrchestrationEnvironment(charge, ship, refund)
        environment.fail(ship)
        #expect(try await environment.run(fulfil, input: order) == "refunded")
        #expect(try environment.calls(of: refund).map(\.input) == ["receipt-7"])
        environment.fail(charge, with: CardDeclined())
        let failure = try await thrown(FailureDetails.self) { _ = try await environment.run(fulfil, input: order) }
        #expect(failure.errorType == "ActivityFailure")
        #expect(failure.isNonRetryable)
        #expect(failure.cause.map(\.errorType) == ["CardDeclined"])
        #expect(try environment.status(of: InstanceID("Fulfil-2")) == .failed)
    }

    @Test("Activities of one moment all begin before the first result comes, and results come in order of request")
    func fanOut() async throws {
        let environment = try TestOrchestrationEnvironment()
        environment.mock(charge) { "receipt-\($0.id)" }
        environment.fail(charge, next: 1)
        let orders = (0..<20).map { Order(id: "\($0)", amount: $0) }
        _ = try await thrown(FailureDetails.self) { _ = try await environment.run(fulfilAll, input: orders) }
        #expect(try environment.calls(of: charge).map(\.input) == orders)
        let receipts = try await environment.run(fulfilAll, input: orders)
        #expect(receipts == orders.map { "receipt-\($0.id)" })
    }

    @Test("A mock's virtual time decides who wins a race, and nobody waits for it in real time")
    func race() async throws {
        let race = Orchestration("Race") { (context: OrchestrationContext) -> String in
            try await withThrowingTaskGroup(of: String.self) { group in
                group.addTask { try await context.callActivity("Slow", as: String.self) }
                group.addTask {
                    try await context.sleep(for: .seconds(3600))
                    return "timeout"
                }
                defer { group.cancelAll() }
                return try await group.next() ?? "none"
            }
        }
        for (seconds, winner) in [(3599, "activity"), (3600, "activity"), (3601, "timeout")] {
            let environment = try TestOrchestrationEnvironment()
            environment.mock("Slow", taking: .seconds(seconds)) { (_: NoValue) in "activity" }
            let start = environment.now
            #expect(try await environment.run(race) == winner)
            #expect(environment.now.since(start) == .seconds(min(seconds, 3600)))
        }
    }

    @Test("Of a timer and an activity due at one moment, the first that was asked for comes first")
    func sameMoment() async throws {
        let race = Orchestration("Race") { (context: OrchestrationContext) -> String in
            try await withThrowingTaskGroup(of: String.self) { group in
                group.addTask {
                    try await context.sleep(for: .seconds(10))
                    return "timer"
                }
                group.addTask { try await context.callActivity("Slow", as: String.self) }
                return try await group.next() ?? "none"
            }
        }
        let environment = try TestOrchestrationEnvironment()
        environment.mock("Slow", taking: .seconds(10)) { (_: NoValue) in "activity" }
        #expect(try await environment.run(race) == "timer")
    }

    @Test("A month of reminders passes at once, and a scheduled event ends it")
    func month() async throws {
        let environment = try TestOrchestrationEnvironment(ping)
        let id = try environment.start(longApproval, input: order)
        let start = environment.now
        environment.schedule(after: day * 12 + .seconds(1)) { try $0.raiseEvent("decision", to: id, "yes") }
        #expect(try await environment.output(of: longApproval, id) == "yes after 12 reminders")
        #expect(environment.now.since(start) == day * 12 + .seconds(1))
        #expect(try environment.calls(of: ping).map(\.time) == (1...12).map { start + day * $0 })
        #expect(try environment.customStatus(of: id, as: String.self) == "reminded 12 times")
        let history = try environment.history(of: id)
        #expect(history.timers.map { $0.firedAt != nil } == Array(repeating: true, count: 12) + [false])
        #expect(try history.raisedEvents.map { try $0.value(as: String.self) } == ["yes"])
    }

    @Test("advance runs what is due until then, and no further")
    func advance() async throws {
        let environment = try TestOrchestrationEnvironment(ping)
        let id = try environment.start(longApproval, input: order)
        let start = environment.now
        try await environment.advance(by: day * 3 - .milliseconds(1))
        #expect(try environment.calls(of: ping).count == 2)
        #expect(environment.now == start + (day * 3 - .milliseconds(1)))
        try await environment.advance(by: .milliseconds(1))
        #expect(try environment.calls(of: ping).count == 3)
        #expect(try environment.status(of: id) == .running)
        try await environment.runUntilIdle()
        #expect(try environment.history(of: id).output(as: String.self) == "nobody decided")
        #expect(environment.now == start + day * 30)
    }

    @Test("A start time is waited for")
    func startAt() async throws {
        let environment = try TestOrchestrationEnvironment()
        let time = environment.now + day
        let id = try environment.start(report, input: 5, startAt: time)
        try await environment.advance(by: .seconds(1))
        #expect(try environment.status(of: id) == .pending)
        #expect(try await environment.output(of: report, id) == 5)
        #expect(environment.now == time + .seconds(60))
    }

    @Test("Children run in the same environment, and one that nobody waits for goes on by itself")
    func children() async throws {
        let environment = try TestOrchestrationEnvironment(charge, ship, fulfil, report)
        let orders = ["a", "b"].map { Order(id: $0, amount: 1) }
        let id = try environment.start(parent, input: orders, id: InstanceID("p"))
        #expect(try await environment.output(of: parent, id) == ["parcel-a", "parcel-b"])
        #expect(environment.instances.map(\.value) == ["p", "the-report", "order-a", "order-b"])
        let children = try environment.history(of: id).children
        #expect(children.map(\.name) == ["Report", "Fulfil", "Fulfil"])
        #expect(children.map(\.isDetached) == [true, false, false])
        #expect(try children[1].result(as: String.self) == "parcel-a")
        #expect(try children[1].input(as: Order.self) == orders[0])
        #expect(try environment.status(of: InstanceID("the-report")) == .running)
        try await environment.runUntilIdle()
        #expect(try environment.history(of: InstanceID("the-report")).output(as: Int.self) == 2)
    }

    @Test("A child whose ID is taken, and one that fails, are its parent's failure")
    func failingChildren() async throws {
        let environment = try TestOrchestrationEnvironment(charge, ship, refund, fulfil, report)
        try environment.start(report, input: 1, id: InstanceID("order-a"))
        let orders = [Order(id: "a", amount: 1)]
        let taken = try await thrown(FailureDetails.self) { _ = try await environment.run(parent, input: orders) }
        #expect(taken.cause.first?.errorType == "InstanceExists")
        environment.fail(charge)
        let failed = try await thrown(FailureDetails.self) {
            _ = try await environment.run(parent, input: [Order(id: "b", amount: 1)])
        }
        #expect(failed.cause.last?.errorType == "InjectedFailure")
    }

    @Test("Instances raise events to each other while all of them run")
    func eventsBetween() async throws {
        let environment = try TestOrchestrationEnvironment()
        try environment.start(receiver, input: 4, id: InstanceID("receiver"))
        let sent = try environment.start(sender, input: 3)
        try environment.raiseEvent("number", to: InstanceID("receiver"), 99)
        #expect(try await environment.output(of: receiver, InstanceID("receiver")) == [99, 0, 1, 2])
        #expect(
            try environment.history(of: sent).sentEvents.map(\.instanceID.value) == [
                "receiver", "receiver", "receiver",
            ])
    }

    @Test("A terminated instance ends at once, with the children it waits for")
    func terminate() async throws {
        let environment = try TestOrchestrationEnvironment(charge, ship, fulfil, report)
        environment.mock(charge, taking: day) { "receipt-\($0.id)" }
        let id = try environment.start(parent, input: [Order(id: "a", amount: 1)])
        environment.schedule(after: .seconds(30)) { try $0.terminate(id, reason: "enough") }
        let failure = try await thrown(FailureDetails.self) { _ = try await environment.output(of: parent, id) }
        #expect(failure.errorType == "OrchestrationTerminated")
        try await environment.runUntilIdle()
        #expect(try environment.status(of: InstanceID("order-a")) == .terminated)
        #expect(try environment.status(of: InstanceID("the-report")) == .completed)
        let error = try await thrown(OrchestrationTestError.self) { try environment.raiseEvent("x", to: id) }
        #expect(error.code == .instanceEnded)
    }

    @Test("A suspended instance keeps what arrives, and its timers fire when it is resumed")
    func suspend() async throws {
        let environment = try TestOrchestrationEnvironment()
        let id = try environment.start(receiver, input: 1)
        let timed = try environment.start(report, input: 1)
        try await environment.runUntilIdle()
        let second = try environment.start(report, input: 2)
        try await environment.advance(by: .seconds(1))
        for id in [id, second] { try environment.suspend(id, reason: "wait") }
        try environment.raiseEvent("number", to: id, 5)
        try await environment.advance(by: day)
        #expect(try environment.status(of: timed) == .completed)
        #expect(try environment.status(of: id) == .suspended)
        #expect(try environment.status(of: second) == .suspended)
        let stuck = try await thrown(OrchestrationTestError.self) { _ = try await environment.output(of: receiver, id) }
        #expect(stuck.code == .stuck)
        #expect(stuck.description.contains("waits for resume, since it is suspended"))
        for id in [id, second] { try environment.resume(id) }
        let resumedAt = environment.now
        #expect(try await environment.output(of: receiver, id) == [5])
        #expect(try await environment.output(of: report, second) == 2)
        #expect(environment.now == resumedAt)
        try environment.assertReplaySafe()
    }

    @Test("A suspended instance can be terminated")
    func terminateSuspended() async throws {
        let environment = try TestOrchestrationEnvironment()
        let id = try environment.start(receiver, input: 1)
        try await environment.runUntilIdle()
        try environment.suspend(id)
        try environment.terminate(id)
        try await environment.runUntilIdle()
        #expect(try environment.status(of: id) == .terminated)
    }

    @Test("Events that other tasks raise while the environment runs arrive, each once")
    func otherTasks() async throws {
        let environment = try TestOrchestrationEnvironment(report)
        let id = try environment.start(receiver, input: 400)
        for number in 0..<400 { try environment.start(report, input: number) }
        async let raised: Void = withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<400 { group.addTask { try environment.raiseEvent("number", to: id, number) } }
            try await group.waitForAll()
        }
        try await environment.runUntilIdle()
        try await raised
        #expect(try await environment.output(of: receiver, id).sorted() == Array(0..<400))
    }

    @Test("The same test takes the same course, IDs and recorded values included")
    func deterministic() async throws {
        let drawing = Orchestration("Draw") { (context: OrchestrationContext) -> [String] in
            let number = Int.random(in: 0..<1_000_000, using: &context.randomNumberGenerator)
            _ = try await context.callActivity(roll)
            return [context.newUUID().uuidString, "\(number)", "\(context.now)", context.executionID.value]
        }
        let results = [try await course(drawing), try await course(drawing)]
        #expect(results[0] == results[1])
    }

    private func course(_ orchestration: Orchestration<NoValue, [String]>) async throws -> [String] {
        let environment = try TestOrchestrationEnvironment(roll)
        let result = try await environment.run(orchestration)
        return result + [try environment.history(of: InstanceID("Draw-1")).description]
    }
}
