import DurableTestKit
import Testing

private let total = Query<NoValue, Int>("total")
private let add = Update<Int, Int>("add")
private let check = Activity("Check") { (number: Int, _: ActivityContext) in number }

private struct NegativeNumber: Error {}

@Suite("Queries and updates under test") struct HandlerTests {
    /// Sums what it is told until the sum is 10.
    private let summing = Orchestration("Sum") { (context: OrchestrationContext) -> Int in
        let sum = context.state(0)
        context.handle(total) { sum.value }
        context.handle(Query<NoValue, Int>("spoil")) {
            sum.value = 1000
            return 0
        }
        context.handle(add, validate: { if $0 < 0 { throw NegativeNumber() } }) { number in
            sum.value += try await context.callActivity(check, number)
            return sum.value
        }
        try await context.wait { sum.value >= 10 }
        try await context.waitForHandlers()
        return sum.value
    }

    @Test("Updates run to their end, queries see what they did, and it all survives a crash at any await")
    func course() async throws {
        let environment = try TestOrchestrationEnvironment(check)
        environment.mock(check, taking: .seconds(60)) { number in number }
        let id = try environment.start(summing)
        try await environment.runUntilIdle()
        #expect(try environment.query(total, of: id) == 0)
        #expect(try await environment.update(add, of: id, 4, updateID: UpdateID("u")) == 4)
        #expect(try await environment.update(add, of: id, 4, updateID: UpdateID("u")) == 4)
        #expect(try environment.query(total, of: id) == 4)
        let rejected = await #expect(throws: UpdateTestFailure.self) { try await environment.update(add, of: id, -1) }
        #expect(rejected?.reason == .rejected)
        environment.schedule(after: .seconds(10)) { try $0.sendUpdate(add, to: id, 6) }
        #expect(try await environment.output(of: summing, id) == 10)
        #expect(try environment.query(total, of: id) == 10)
        let history = try environment.history(of: id)
        #expect(history.updates.map(\.name) == ["add", "add"])
        #expect(try history.updates[0].result(as: Int.self) == 4)
        try environment.assertReplaySafe()
        try assertReplays(history, summing)
        #expect(try OrchestrationHistory(json: history.json) == history)
    }

    @Test("What cannot be answered says why") func refusals() async throws {
        let environment = try TestOrchestrationEnvironment(check)
        let id = try environment.start(summing)
        try await environment.runUntilIdle()
        let misuse = #expect(throws: OrchestrationTestError.self) {
            try environment.query(Query<NoValue, Int>("spoil"), of: id)
        }
        #expect(misuse?.code == .handlerMisuse)
        let unknown = #expect(throws: OrchestrationTestError.self) {
            try environment.query(Query<NoValue, Int>("sum"), of: id)
        }
        #expect(unknown?.code == .noHandler)
        #expect(try environment.query(total, of: id) == 0)
        let stuck = await #expect(throws: OrchestrationTestError.self) {
            try await environment.update(Update<Int, Int>("multiply"), of: id, 2)
        }
        #expect(stuck?.code == .stuck)
        #expect(stuck?.description.contains(#"a handler of update "multiply""#) == true)
    }

    @Test("An update that its instance's end cuts off says so") func cutOff() async throws {
        let environment = try TestOrchestrationEnvironment(check)
        environment.mock(check, taking: .seconds(60)) { number in number }
        let id = try environment.start(summing)
        let updateID = try environment.sendUpdate(add, to: id, 1)
        try await environment.advance(by: .seconds(1))
        try environment.terminate(id)
        let failure = await #expect(throws: UpdateTestFailure.self) {
            try await environment.result(of: add, id, updateID)
        }
        #expect(failure?.reason == .notFinished)
    }
}
