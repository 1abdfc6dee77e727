import DurableCore
import DurableTask
import Testing

func orchestrate<Output: Codable & Sendable>(
    _ body: @escaping @Sendable (OrchestrationContext) async throws -> Output
) -> AnyOrchestration {
    AnyOrchestration(Orchestration("test", run: body))
}

func orchestrate(_ body: @escaping @Sendable (OrchestrationContext) async throws -> Void) -> AnyOrchestration {
    AnyOrchestration(Orchestration("test", run: body))
}

/// Runs `body`, which must end in an episode failure.
func episodeFailure(_ body: () throws -> Void) throws -> EpisodeFailure {
    let error = #expect(throws: EpisodeFailure.self, performing: body)
    return try #require(error)
}

/// Waits for something that another thread does soon; gives up after a minute.
func eventually(_ what: Testing.Comment, _ condition: () -> Bool) async throws {
    let deadline = ContinuousClock.now + .seconds(60)
    while !condition() {
        try #require(ContinuousClock.now < deadline, what)
        await Task.yield()
    }
}
