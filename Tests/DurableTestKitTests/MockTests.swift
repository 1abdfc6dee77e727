import DurableTestKit
import Testing

@Suite("Mocks and injected failures") struct MockTests {
    let order = Order(id: "7", amount: 3)

    @Test("A mock takes the place of a registered activity, and its calls are counted with their inputs")
    func replaces() async throws {
        let environment = try TestOrchestrationEnvironment(charge, ship)
        environment.mock(charge) { order, context in "mocked \(order.amount) by \(context.instanceID)" }
        #expect(try await environment.run(fulfil, input: order, id: InstanceID("o")) == "parcel-7")
        let calls = try environment.calls(of: charge)
        #expect(calls.map(\.input) == [order])
        #expect(calls.map(\.instanceID.value) == ["o"])
        #expect(calls.map(\.taskID) == [EventID(0)])
        #expect(calls.allSatisfy { $0.failure == nil })
        let activities = try environment.history(of: InstanceID("o")).activities
        #expect(try activities[0].result(as: String.self) == "mocked 3 by o")
        #expect(try environment.calls(of: ping).isEmpty)
    }

    @Test("Mocks by name and of every shape of activity")
    func shapes() async throws {
        let all = Orchestration("All") { (context: OrchestrationContext) -> String in
            try await context.callActivity(ping)
            try await context.callActivity(refund, "r")
            let number = try await context.callActivity(roll)
            let text = try await context.callActivity("Elsewhere", [1, 2], as: String.self)
            return "\(number) \(text)"
        }
        let environment = try TestOrchestrationEnvironment()
        environment.mock(ping) {}
        environment.mock(refund) { receipt in precondition(receipt == "r") }
        environment.mock(roll) { 6 }
        environment.mock("Elsewhere") { (numbers: [Int]) in "sum \(numbers.reduce(0, +))" }
        #expect(try await environment.run(all) == "6 sum 3")
        #expect(try environment.calls(of: "Elsewhere", as: [Int].self).map(\.input) == [[1, 2]])
    }

    @Test("The first calls fail and later ones run; a count of zero takes the failures away")
    func failFirst() async throws {
        let insisting = Orchestration("Insist") { (context: OrchestrationContext) -> Int in
            for attempt in 1...5 {
                if (try? await context.callActivity(roll)) != nil { return attempt }
                try await context.sleep(for: .seconds(60))
            }
            throw CardDeclined()
        }
        let environment = try TestOrchestrationEnvironment(roll)
        environment.fail(roll, with: CardDeclined(), next: 3)
        #expect(try await environment.run(insisting) == 4)
        let calls = try environment.calls(of: roll)
        #expect(calls.map { $0.failure?.errorType } == ["CardDeclined", "CardDeclined", "CardDeclined", nil])
        environment.fail(roll)
        let failure = try await thrown(FailureDetails.self) { _ = try await environment.run(insisting) }
        #expect(failure.errorType == "CardDeclined")
        #expect(failure.isNonRetryable)
        #expect(try environment.calls(of: roll).count == 9)
        environment.fail(roll, next: 0)
        #expect(try await environment.run(insisting) == 1)
    }

    @Test("A mock may raise events and be replaced on the way")
    func mocksAct() async throws {
        let environment = try TestOrchestrationEnvironment()
        let asking = Orchestration("Ask") { (context: OrchestrationContext) -> String in
            try await context.callActivity(ping)
            let first = try await context.waitForExternalEvent("answer", as: String.self)
            try await context.callActivity(ping)
            return first + (try await context.waitForExternalEvent("answer", as: String.self))
        }
        let id = InstanceID("a")
        environment.mock(ping) { [unowned environment] in
            try environment.raiseEvent("answer", to: id, "one ")
            environment.mock(ping) { try environment.raiseEvent("answer", to: id, "two") }
        }
        #expect(try await environment.run(asking, id: id) == "one two")
    }

    @Test("Inputs and results of another type are told by what they are")
    func wrongTypes() async throws {
        let environment = try TestOrchestrationEnvironment()
        environment.mock("Charge") { (_: Order) in 5 }
        let failure = try await thrown(FailureDetails.self) { _ = try await environment.run(fulfil, input: order) }
        #expect(failure.errorType == "PayloadDecodingError")
        #expect(failure.message.contains("the result of activity \"Charge\" cannot be decoded: expected String"))
        environment.mock("Charge") { (_: [Int]) in "" }
        let input = try await thrown(FailureDetails.self) { _ = try await environment.run(fulfil, input: order) }
        #expect(input.message.contains("the input of activity \"Charge\" cannot be decoded: expected"))
        let calls = try await thrown(PayloadError.self) { _ = try environment.calls(of: "Charge", as: Int.self) }
        #expect(calls.description.hasPrefix("the input of activity \"Charge\" cannot be decoded: expected Int"))
        let history = try environment.history(of: InstanceID("Fulfil-2"))
        let output = try await thrown(FailureDetails.self) { _ = try history.output(as: Int.self) }
        #expect(output == input)
    }
}
