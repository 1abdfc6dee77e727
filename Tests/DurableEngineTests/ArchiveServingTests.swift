import DurableBackend
import DurableCore
import DurableEngine
import DurableTask
import Testing

@Suite("Serving while the archive is read") struct ArchiveServingTests {
    private let flow = Orchestration("Flow") { (context: OrchestrationContext) -> Int in
        try await context.waitForExternalEvent("go", as: Int.self)
    }

    @Test("What may be in the archive waits, in order; everything else goes on")
    func waits() async throws {
        let hub = try await EngineHarness()
        let archive = ScriptedArchive(["old"])
        let owner = try await hub.startLoneProcessor("w", [flow], epoch: 1, storage: hub.storage(with: archive))
        try await hub.start("Flow", id: "old")
        try await hub.raise("go", to: "old", "7", message: "m1")
        try await hub.start("Flow", id: "new")
        try await hub.raise("go", to: "new", "8", message: "m2")
        #expect(try await hub.wait(for: "new", .completed).output == Payload("8"))
        #expect(try await hub.ask(.status(InstanceID("old"))) == nil)
        #expect(try await hub.ask(.list(ListFilter(), after: nil, limit: 10)) == nil)
        #expect(try await hub.ask(.counts) == nil)
        guard
            case .list(let running, _)? = try await hub.ask(
                .list(ListFilter(statuses: [.running]), after: nil, limit: 10))
        else { throw HarnessError("a list of what runs needs no archive") }
        #expect(running.isEmpty)
        #expect(owner.processor.statistics.inFlight == 2)
        archive.finish()
        // It was not there after all: both messages count, in their order.
        #expect(try await hub.wait(for: "old", .completed).output == Payload("7"))
        guard case .counts(let counts)? = try await hub.ask(.counts) else { throw HarnessError("no counts") }
        #expect(counts.map(\.count) == [2])
        #expect(await owner.stop() == nil)
    }

    @Test("A question that waited is answered as soon as it can be")
    func question() async throws {
        let hub = try await EngineHarness()
        let archive = ScriptedArchive(["old"])
        let owner = try await hub.startLoneProcessor("w", [flow], epoch: 1, storage: hub.storage(with: archive))
        async let answer = hub.ask(.status(InstanceID("old")), within: .seconds(30))
        try await ContinuousClock().sleep(for: .milliseconds(50))
        archive.finish()
        #expect(try await answer == .notFound)
        #expect(await owner.stop() == nil)
    }

    @Test("A hand-over while messages wait leaves them to the next owner")
    func handOver() async throws {
        let hub = try await EngineHarness()
        let first = try await hub.startLoneProcessor(
            "a", [flow], epoch: 1, storage: hub.storage(with: ScriptedArchive(["old"])))
        try await hub.start("Flow", id: "old")
        try await hub.eventually("the message") { first.processor.statistics.inFlight == 1 }
        #expect(await first.stop() == nil)
        let second = try await hub.startLoneProcessor("b", [flow], epoch: 2)
        try await hub.wait(for: "old", .running)
        #expect(await second.stop() == nil)
    }

    @Test("An archive that cannot be read is tried again, and nothing else suffers")
    func failing() async throws {
        let hub = try await EngineHarness()
        let archive = ScriptedArchive(["old"], failures: 3)
        let owner = try await hub.startLoneProcessor("w", [flow], epoch: 1, storage: hub.storage(with: archive))
        try await hub.start("Flow", id: "new")
        try await hub.wait(for: "new", .running)
        archive.finish()
        try await hub.start("Flow", id: "old")
        try await hub.wait(for: "old", .running)
        #expect(await owner.stop() == nil)
    }
}

/// An archive that may have some instances, and has none once it is read.
private final class ScriptedArchive: PartitionArchive {
    private let ids: Set<InstanceID>
    private let state: PlatformLock<(isComplete: Bool, failures: Int)>
    private let signal = Signal()

    init(_ ids: Set<InstanceID>, failures: Int = 0) {
        self.ids = ids
        state = PlatformLock((false, failures))
    }

    convenience init(_ ids: [String], failures: Int = 0) {
        self.init(Set(ids.map { InstanceID($0) }), failures: failures)
    }

    func finish() { signal.raise() }

    var isComplete: Bool { state.withLock(\.isComplete) }
    func mayHave(_ id: InstanceID) throws(StoreError) -> Bool { !isComplete && ids.contains(id) }

    func hasExpired(before time: Timestamp?) -> Bool { false }

    func fetch() async throws(LogError) {
        let fails = state.withLock { state in
            state.failures -= 1
            return state.failures >= 0
        }
        if fails { throw .unavailable("planned") }
        await signal.wait()
        if !Task.isCancelled { state.withLock { $0.isComplete = true } }
    }
}

private struct ArchivedStorage: PartitionStorage {
    var base: any PartitionStorage
    var archive: any PartitionArchive

    func open(_ partition: PartitionID) throws(StoreError) -> OpenPartition {
        var opened = try base.open(partition)
        opened.archive = archive
        return opened
    }
}

extension EngineHarness {
    fileprivate func storage(with archive: any PartitionArchive) -> any PartitionStorage {
        ArchivedStorage(base: storage, archive: archive)
    }
}
