import DurableBackend
import DurableCore
import DurableEngine
import DurableMemory
import DurableTask
import DurableWorker
import Foundation
import Testing

/// Workers with different code on one partition: the first one owns it for as long as it lives.
final class CodeFleet: Sendable {
    let hub: EngineHarness
    /// Runs of the activity `Work`, over all workers.
    let runs = Counter()

    init(_ hub: EngineHarness) { self.hub = hub }

    var work: Activity<String, String> {
        Activity("Work") { [runs] (text: String, _: ActivityContext) in
            runs.next()
            return "(\(text))"
        }
    }

    /// An orchestration that no other worker has.
    static func ready(_ name: String) -> String { "Ready-\(name)" }

    /// - Returns: Once it owns the partition (the first one), or waits for it and takes others' episodes.
    func start(
        _ name: String, _ items: [any Registrable], build: String? = nil,
        clock: (any EngineClock)? = nil, payloads: any PayloadAccess = PlainPayloads(),
        configure: (inout WorkerConfiguration) -> Void = { _ in }
    ) async throws -> RunningWorker {
        let worker = try hub.startWorker(
            name, [work, Orchestration(Self.ready(name)) { (context: OrchestrationContext) -> Int in 1 }] + items,
            clock: clock, payloads: payloads
        ) {
            $0.minimumTenure = .seconds(1_000_000)
            $0.buildVersion = build ?? name
            $0.engine.build = build ?? name
            configure(&$0)
        }
        try await hub.eventually("an owner") { try await hub.ask(.counts) != nil }
        return worker
    }

    // MARK: - Orchestrations

    /// Runs an activity, waits for an event, runs another: three episodes, and what it is made of.
    func flow(_ name: String, version: String? = nil, _ mark: String) -> Orchestration<NoValue, String> {
        Orchestration(name, version: version) { (context: OrchestrationContext) -> String in
            let first: String = try await context.callActivity("Work", mark)
            try await context.waitForExternalEvent("go")
            let second: String = try await context.callActivity("Work", mark)
            return first + second + (context.version ?? "-")
        }
    }

    func gated(_ name: String, _ gate: CodeGate) -> Orchestration<NoValue, String> {
        Orchestration(name) { (context: OrchestrationContext) -> String in
            gate.pass()
            let first: String = try await context.callActivity("Work", "g")
            let event: String = try await context.waitForExternalEvent("go")
            return first + event
        }
    }

    // MARK: - Instances

    func start(_ name: String, id: String, version: String?) async throws {
        let start = ExecutionStarted(
            name: name, version: version, instanceID: InstanceID(id), executionID: ExecutionID("start-\(id)"))
        try await hub.send(.executionStarted(start), to: id, message: "start-\(id)")
    }

    /// Waits until the owner has heard of the worker's code.
    func waitForCode(_ name: String) async throws {
        try await hub.start(CodeFleet.ready(name), id: "ready-\(name)")
        try await hub.wait(for: "ready-\(name)", .completed)
    }

    func statistics(_ worker: RunningWorker) async -> PartitionStatistics? { await worker.host.statistics().first }

    func suspend(_ id: String, _ isSuspended: Bool) async throws {
        try await hub.send(
            isSuspended ? .executionSuspended(reason: nil) : .executionResumed(reason: nil), to: id,
            message: "suspend-\(id)-\(isSuspended)")
    }

    /// Waits until the instance's episode is with another worker.
    func waitUntilAway(_ owner: RunningWorker, _ count: Int = 1) async throws {
        try await hub.eventually("an episode away") { await statistics(owner)?.awayEpisodes == count }
    }

    func waitForHold(_ id: String, _ code: String) async throws -> InstanceSnapshot {
        var held: InstanceSnapshot?
        try await hub.eventually("\(id) held for \(code)") {
            held = try await hub.snapshot(id)
            return held?.holdCode == code
        }
        return try #require(held)
    }
}

/// Holds code up, on whatever thread it runs, until it is opened.
final class CodeGate: Sendable {
    private let semaphore = DispatchSemaphore(value: 0)
    private let passing = Counter()
    private let isOpen = PlatformLock(false)

    /// How often somebody came to it.
    var arrivals: Int { passing.count }

    func pass() {
        passing.next()
        if isOpen.withLock({ $0 }) { return }
        semaphore.wait()
        semaphore.signal()
    }

    func open() {
        isOpen.withLock { $0 = true }
        semaphore.signal()
    }
}
