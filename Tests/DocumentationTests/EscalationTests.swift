import Durable
import DurableTestKit
import Testing

// Code of the article "Test orchestrations".

@Test("Without a decision nobody decides")
func nobodyDecides() async throws {
    let environment = try TestOrchestrationEnvironment(readMeter)
    let start = environment.now
    #expect(try await environment.run(askForLeave, input: 3) == "nobody decided")
    #expect(environment.now.since(start) == .seconds(3 * 86_400))
}

@Test("A failure is tried again")
func triedAgain() async throws {
    let environment = try TestOrchestrationEnvironment(bookFlight, cancelFlight)
    environment.mock(bookRoom) { trip in "the last room in \(trip)" }
    environment.fail(bookFlight, next: 2)
    let history = try await environment.assertReplaySafe(bookTrip, input: "Oslo")
    #expect(try history.output(as: [String].self) == ["flight to Oslo", "the last room in Oslo"])
}
