import DurableBackend
import DurableCore
import DurableMemory
import DurableTask
import DurableWire
import DurableWorker
import Testing

@Suite("Activities that somebody says nobody waits for", .timeLimit(.minutes(5))) struct DoubtTests {
    /// What becomes of what workers say.
    private final class Wire: Sendable {
        private struct State {
            /// Of owners' answers to heartbeats, in order; the last one is for all that follow.
            var answers: [FaultPlan.Fault]
            var answerCount = 0
            var cancellationCount = 0
            var hasEndedConsumers = false
        }

        private let state: PlatformLock<State>

        init(answers: FaultPlan.Fault...) { state = PlatformLock(State(answers: answers)) }

        var answerCount: Int { state.withLock(\.answerCount) }
        var cancellationCount: Int { state.withLock(\.cancellationCount) }
        /// Whether the worker `runner` takes no more tasks.
        var hasEndedConsumers: Bool { state.withLock(\.hasEndedConsumers) }

        var plan: FaultPlan {
            FaultPlan { [self] point in
                state.withLock { state in
                    switch point.call {
                    case .cancel("work") where point.transport == "runner": state.hasEndedConsumers = true
                    case .publish(let messages):
                        if messages.contains(where: { $0.properties.type == "TaskCancellation" }) {
                            state.cancellationCount += 1
                        }
                        guard messages.contains(where: \.answersHeartbeat) else { break }
                        state.answerCount += 1
                        return state.answers.count > 1 ? state.answers.removeFirst() : state.answers[0]
                    default: break
                    }
                    return .none
                }
            }
        }
    }

    /// Says something, and goes on until it is cancelled.
    private struct Endless {
        let begun = Counter()
        let cancelled = Counter()

        var activity: Activity<NoValue, NoValue> {
            Activity<NoValue, NoValue>("Endless") { [begun, cancelled] _, context in
                try context.heartbeat(1)
                begun.next()
                do {
                    try await Barrier().passUnlessCancelled()
                } catch {
                    cancelled.next()
                    throw error
                }
                return NoValue()
            }
        }
    }

    /// Gives the activity up when "stop" comes.
    private let flow = Orchestration("Flow") { (context: OrchestrationContext) in
        await withTaskGroup(of: Void.self) { group in
            group.addTask { _ = try? await context.callActivity("Endless", as: NoValue.self) }
            try? await context.waitForExternalEvent("stop")
            group.cancelAll()
        }
    }

    private func start(
        _ wire: Wire, _ endless: Endless, heartbeatInterval: Duration
    ) async throws -> (hub: EngineHarness, owner: RunningWorker, runner: RunningWorker) {
        let hub = try await EngineHarness(faults: wire.plan)
        let owner = try hub.startWorker("owner", [flow]) { $0.runsActivities = false }
        let runner = try hub.startWorker("runner", [endless.activity]) {
            $0.runsOrchestrations = false
            $0.gracePeriod = .zero
            $0.heartbeatInterval = heartbeatInterval
        }
        try await hub.start("Flow", id: "f")
        try await hub.eventually("the activity runs") { endless.begun.count == 1 }
        return (hub, owner, runner)
    }

    @Test("An owner's answer from before says nothing about what was said since") func olderAnswer() async throws {
        let (wire, endless) = (Wire(answers: .delay(.seconds(2)), .reject(isTaken: false), .none), Endless())
        let (hub, owner, runner) = try await start(wire, endless, heartbeatInterval: .seconds(5))
        try await hub.eventually("a heartbeat to be answered") { wire.answerCount == 1 }
        try await hub.raise("stop", to: "f", message: "stop")
        try await hub.eventually("the word of it", moving: .milliseconds(1)) { wire.cancellationCount > 0 }
        try await hub.eventually("it is cancelled", moving: .milliseconds(5)) { endless.cancelled.count == 1 }
        #expect(wire.answerCount >= 3)
        try await runner.stop()
        try await owner.stop()
    }

    @Test("A worker hears what others say while an owner that it has asked does not answer") func hearsOthers()
        async throws
    {
        let (wire, endless) = (Wire(answers: .reject(isTaken: false)), Endless())
        let (hub, owner, runner) = try await start(wire, endless, heartbeatInterval: .seconds(100_000))
        try await hub.raise("stop", to: "f", message: "stop")
        try await hub.eventually("the owner to be asked", moving: .milliseconds(1)) { wire.answerCount == 1 }
        let drain = DrainRequest(workers: [WorkerID("runner")], grace: nil)
        _ = try await hub.client.publish([hub.topology.drain(drain, at: hub.clock.now())])
        // The clock stands still: nobody's patience ends.
        try await hub.eventually("the request to be heard", moving: .zero) { wire.hasEndedConsumers }
        try await runner.stop()
        try await owner.stop()
    }

    @Test("A stop does not wait long for an owner that does not take its runs' last word") func stops() async throws {
        let (wire, endless) = (Wire(answers: .reject(isTaken: false)), Endless())
        let (hub, owner, runner) = try await start(wire, endless, heartbeatInterval: .seconds(100_000))
        runner.host.stop()
        try await hub.eventually("the last word", moving: .zero) { wire.answerCount == 1 }
        hub.clock.advance(by: .seconds(2))
        try await hub.eventually("its task to be back", moving: .zero) {
            hub.broker.readyMessages(in: hub.topology.workQueue("Endless")).count == 1
        }
        try await runner.stop()
        try await owner.stop()
    }
}

extension OutgoingMessage {
    fileprivate var answersHeartbeat: Bool {
        guard let reply = try? Reply(wire: body), case .answer(.tasks) = reply.body else { return false }
        return true
    }
}
