import Durable
import DurableTestKit
import Testing

// Code of the article "Retry and compensate".

struct SoldOut: NonRetryableError {}

let bookFlight = Activity("BookFlight") { (trip: String, _: ActivityContext) -> String in "flight to \(trip)" }
let cancelFlight = Activity("CancelFlight") { (flight: String, _: ActivityContext) in }
let bookRoom = Activity("BookRoom") { (trip: String, _: ActivityContext) -> String in "room in \(trip)" }

let bookTrip = Orchestration("BookTrip") { (trip: String, context: OrchestrationContext) -> [String] in
    let patient = RetryPolicy(
        maximumAttempts: 6, firstInterval: .seconds(1), backoffCoefficient: 2, maximumInterval: .seconds(30),
        jitter: 0.2)
    return try await context.withCompensation { saga in
        let flight = try await context.callActivity(bookFlight, trip, retry: patient)
        saga.addCompensation { try await context.callActivity(cancelFlight, flight, retry: patient) }
        let room = try await context.callActivity(bookRoom, trip, retry: patient)
        return [flight, room]
    }
}

let bookIfThereIsRoom = Orchestration("BookIfThereIsRoom") { (trip: String, context: OrchestrationContext) -> String? in
    do {
        return try await context.callActivity(bookRoom, trip)
    } catch let failure as ActivityFailure where failure.details.errorType == "SoldOut" {
        return nil
    }
}

@Suite("Article: retry and compensate") struct RetryTests {
    @Test("A flight is given back when there is no room")
    func compensates() async throws {
        let environment = try TestOrchestrationEnvironment(bookFlight, cancelFlight, bookRoom)
        environment.fail(bookFlight, next: 3)
        #expect(try await environment.run(bookTrip, input: "Oslo") == ["flight to Oslo", "room in Oslo"])
        #expect(try environment.calls(of: bookFlight).count == 4)
        environment.fail(bookRoom, with: SoldOut())
        await #expect(throws: FailureDetails.self) { try await environment.run(bookTrip, input: "Lima") }
        #expect(try environment.calls(of: cancelFlight).map(\.input) == ["flight to Lima"])
        #expect(try await environment.run(bookIfThereIsRoom, input: "Lima") == nil)
        try environment.assertReplaySafe()
    }
}
