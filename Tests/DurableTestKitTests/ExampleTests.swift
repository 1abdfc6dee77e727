import DurableTestKit
import Foundation
import Testing

@testable import approval
@testable import hello_cities
@testable import word_count

@Suite("Examples") struct ExampleTests {
    private static let expense = Expense(employee: "eve", amount: 30, secondsToDecide: 3 * 86_400)

    private static func approvalEnvironment(
        _ expense: Expense = expense
    ) throws -> (TestOrchestrationEnvironment, InstanceID) {
        let environment = try TestOrchestrationEnvironment(approval, answer)
        environment.mock(notify) { _ in }
        return (environment, try environment.start(approval, input: expense))
    }

    @Test("hello-cities greets one city after the other")
    func hello() async throws {
        let environment = try TestOrchestrationEnvironment(sayHello)
        let history = try await environment.assertReplaySafe(helloCities, input: ["Oslo", "Lima"])
        #expect(try history.output(as: [String].self) == ["Hello, Oslo!", "Hello, Lima!"])
    }

    @Test("approval: a decision in time ends it, and its notices go out", arguments: [true, false])
    func decided(isApproved: Bool) async throws {
        let (environment, id) = try Self.approvalEnvironment()
        environment.schedule(after: .seconds(2 * 86_400)) {
            try $0.raiseEvent("decision", to: id, Decision(isApproved: isApproved, by: "ana"))
        }
        let outcome = isApproved ? "approved" : "rejected"
        #expect(try await environment.output(of: approval, id) == outcome)
        let notices = try environment.calls(of: notify).map(\.input)
        #expect(notices.map(\.to) == ["approver", "eve"])
        #expect(notices.last?.text == "\(outcome) by ana")
        #expect(try environment.customStatus(of: id, as: String.self) == "waiting for a decision")
        try environment.assertReplaySafe()
    }

    @Test("approval: without a decision the manager hears of it, at the end of the time")
    func escalated() async throws {
        let (environment, id) = try Self.approvalEnvironment()
        let start = environment.now
        #expect(try await environment.output(of: approval, id) == "escalated")
        #expect(environment.now.since(start) == .seconds(3 * 86_400))
        #expect(try environment.calls(of: notify).map(\.input.to) == ["approver", "manager"])
        try environment.assertReplaySafe()
    }

    @Test("approval: who does not decide is reminded, and may still decide")
    func reminded() async throws {
        var expense = Self.expense
        expense.secondsToRemind = 86_400
        let (environment, id) = try Self.approvalEnvironment(expense)
        let decision = Decision(isApproved: true, by: "ana")
        try environment.start(answer, input: Promise(to: id, afterSeconds: 5 * 43_200, decision: decision))
        #expect(try await environment.output(of: approval, id) == "approved")
        #expect(
            try environment.calls(of: notify).map(\.input.text) == [
                "eve asks for 30", "eve waits, for 172800 more seconds", "eve waits, for 86400 more seconds",
                "approved by ana",
            ])
        try environment.assertReplaySafe()
    }

    @Test("approval: histories kept in the form that dtq prints still fit", arguments: ["approved", "waiting"])
    func fixture(name: String) async throws {
        let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appending(path: "Fixtures/approval-\(name).json")
        let history = try OrchestrationHistory(contentsOf: file)
        try assertReplays(history, approval)
        if name == "waiting" {
            #expect(history.status == .running)
        } else {
            #expect(try history.output(as: String.self) == name)
        }
    }

    @Test("word-count adds up what the files hold, most frequent first")
    func words() async throws {
        let environment = try TestOrchestrationEnvironment(wordCount)
        environment.mock(countWords) { path in
            path == "a" ? [Count(word: "x", count: 2), Count(word: "y", count: 1)] : [Count(word: "y", count: 2)]
        }
        let history = try await environment.assertReplaySafe(wordCount, input: ["a", "b"])
        let counts = try history.output(as: [Count].self)
        #expect(counts.map(\.word) == ["y", "x"])
        #expect(counts.map(\.count) == [3, 2])
    }

    @Test("word-count's activity counts the words of a file")
    func wordsOfFile() async throws {
        let file = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
        try "To be, or not to be".write(to: file, atomically: true, encoding: .utf8)
        defer { try? FileManager.default.removeItem(at: file) }
        let environment = try TestOrchestrationEnvironment(countWords)
        let counts = try await environment.run(wordCount, input: [file.path])
        #expect(counts.map(\.word) == ["be", "to", "not", "or"])
        #expect(counts.map(\.count) == [2, 2, 1, 1])
    }
}
