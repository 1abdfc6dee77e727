import DurableBackend
import DurableConformance
import DurableCore
import DurableEngine
import DurableMemory
import DurableSQLite
import DurableSimulation
import DurableWire
import Testing

@Suite("Simulated ports") struct PortConformanceTests {
    @Test("The broker behind a simulated network obeys the rules of every transport", arguments: TransportRule.allCases)
    func transport(obeys rule: TransportRule) async throws {
        try await inSimulation(seeds: 1...3) { bench in
            let broker = bench.broker
            let restart: @Sendable () async throws -> Void = {
                broker.stop()
                await bench.clock.sleep(for: .milliseconds(100))
                broker.start()
            }
            try await rule.verify(clock: bench.clock, uniqueName: "rule", restart: restart) {
                TransportPair(first: bench.connect("first"), second: bench.connect("second"))
            }
        }
    }

    @Test("Simulated storage obeys the log's rules", arguments: LogRule.allCases)
    func log(obeys rule: LogRule) async throws {
        try await inSimulation(seeds: 1...2) { bench in try await rule.verify { bench.makeStorage() } }
    }

    @Test("Simulated storage obeys the store's rules", arguments: StoreRule.allCases)
    func store(obeys rule: StoreRule) async throws {
        try await inSimulation(seeds: 1...2) { bench in try await rule.verify { bench.makeStorage() } }
    }

    @Test("A log in streams of a simulated broker obeys the log's rules", arguments: LogRule.allCases)
    func replicatedLog(obeys rule: LogRule) async throws {
        try await inSimulation(seeds: 1...5) { bench in
            try await rule.verify { try await bench.makeReplicatedStorage() }
        }
    }

    @Test("A copy behind a log in streams of a simulated broker obeys the store's rules", arguments: StoreRule.allCases)
    func copy(obeys rule: StoreRule) async throws {
        try await inSimulation(seeds: 1...2) { bench in
            try await rule.verify { try await bench.makeReplicatedStorage() }
        }
    }

    @Test("SQLite on a simulated disk obeys the log's rules", arguments: LogRule.allCases)
    func sqliteLog(obeys rule: LogRule) async throws {
        try await inSimulation(seeds: 1...2) { bench in try await rule.verify { try bench.makeSQLiteStorage() } }
    }

    @Test("SQLite on a simulated disk obeys the store's rules", arguments: StoreRule.allCases)
    func sqliteStore(obeys rule: StoreRule) async throws {
        try await inSimulation(seeds: 1...2) { bench in try await rule.verify { try bench.makeSQLiteStorage() } }
    }

    @Test("The journal on a simulated broker obeys the rules of epochs", arguments: EpochRule.allCases)
    func epochs(obey rule: EpochRule) async throws {
        try await inSimulation(seeds: 1...2) { bench in
            let topology = bench.descriptor.topology
            let transport = bench.connect("worker")
            try await transport.declare(topology.everything)
            let nonces = PlatformLock(0)
            try await rule.verify {
                {
                    JournalEpochAuthority(
                        transport: transport, topology: topology, clock: bench.clock,
                        makeNonce: {
                            nonces.withLock { nonces in
                                nonces += 1
                                return "nonce-\(nonces)"
                            }
                        })
                }
            }
        }
    }

    private func inSimulation(
        seeds: ClosedRange<UInt64>, _ body: @escaping @Sendable (PortBench) async throws -> Void
    ) async throws {
        for seed in seeds {
            let result = await SimulationThread.run { PortBench.perform(seed: seed, body) }
            try result.get()
        }
    }
}

/// A broker, a clock and storage of one simulation.
final class PortBench: Sendable {
    let simulator: Simulator
    let node: Node
    let clock: SimulatedClock
    let broker: MemoryBroker
    let descriptor: HubDescriptor
    private let network: SimulatedNetwork
    private let seed: UInt64

    private init(_ simulator: Simulator, seed: UInt64) {
        self.simulator = simulator
        self.seed = seed
        node = simulator.makeNode("client")
        clock = SimulatedClock(of: node, in: simulator)
        network = SimulatedNetwork(
            in: simulator, broker: simulator.makeNode("broker"),
            latency: Latency(
                clock: clock, random: SeededGenerator(seed: seed), usual: .microseconds(10) ... .milliseconds(5),
                spikes: 0.01))
        broker = MemoryBroker(network: network)
        descriptor = HubDescriptor(
            hubID: "hub-1", hub: HubName("test")!, partitionCount: 2, queueKind: .quorum, logMode: .local,
            dataDirectory: "/nowhere", createdAt: clock.now())
    }

    func connect(_ name: String) -> MemoryTransport {
        network.connect(name, to: node)
        return broker.connect(as: name)
    }

    func makeStorage() -> SimulatedStorage { makeStorage(MemoryStorage(descriptor), on: nil) }

    func makeSQLiteStorage() throws -> SimulatedStorage {
        let disk = SimulatedDisk(seed: seed)
        try SQLiteHubStorage(directory: disk.directory, options: disk.options).create(descriptor)
        return makeStorage(
            SQLiteStorage(descriptor: descriptor, directory: disk.directory, options: disk.options), on: disk)
    }

    private func makeStorage(_ base: any PartitionStorage, on disk: SimulatedDisk?) -> SimulatedStorage {
        let trace = Trace(of: simulator, isOn: false)
        return SimulatedStorage(
            base, of: node,
            witness: Witness(partitionCount: descriptor.partitionCount, trace: trace),
            latency: Latency(
                clock: clock, random: SeededGenerator(seed: seed), usual: .microseconds(10) ... .milliseconds(5),
                spikes: 0.01),
            faults: StorageFaults(), disk: disk)
    }

    func makeReplicatedStorage() async throws -> SimulatedStorage {
        var descriptor = descriptor
        descriptor.logMode = .replicated
        let topology = descriptor.topology
        let transport = connect("worker")
        try await transport.declare(topology.everything)
        for partition in topology.partitions {
            let generation = LogGeneration.first(of: descriptor, partition)
            let message = topology.logMessage(.generation(generation), to: generation.stream, at: clock.now())
            _ = try await transport.publish([message])
        }
        let trace = Trace(of: simulator, isOn: false)
        let witness = Witness(partitionCount: descriptor.partitionCount, trace: trace)
        let streams = StreamWitness(broker, topology: topology, witness: witness)
        let nonces = PlatformLock(0)
        let makeNonce: @Sendable () -> String = {
            nonces.withLock { nonces in
                nonces += 1
                return "nonce-\(nonces)"
            }
        }
        let storage = ReplicatedStorage(
            descriptor: descriptor, transport: transport, copies: MemoryCopies(),
            journal: HubJournal(transport: transport, topology: topology, clock: clock, makeNonce: makeNonce),
            clock: clock, makeNonce: makeNonce, logger: trace.logger(of: "worker"))
        return SimulatedStorage(
            storage, of: node, witness: witness,
            latency: Latency(
                clock: clock, random: SeededGenerator(seed: seed), usual: .microseconds(10) ... .milliseconds(5),
                spikes: 0.01),
            faults: StorageFaults(), streams: streams)
    }

    static func perform(
        seed: UInt64, _ body: @escaping @Sendable (PortBench) async throws -> Void
    ) -> Result<Void, any Error> {
        let simulator = Simulator(seed: seed)
        return simulator.withCapture {
            let bench = PortBench(simulator, seed: seed)
            let result = PlatformLock<Result<Void, any Error>?>(nil)
            simulator.schedule(after: .zero, in: bench.node) {
                _ = Task {
                    do {
                        try await body(bench)
                        result.withLock { $0 = .success(()) }
                    } catch {
                        result.withLock { $0 = .failure(error) }
                    }
                }
            }
            let end = simulator.run(until: .seconds(600)) { result.withLock { $0 != nil } }
            return result.withLock { $0 } ?? .failure(RuleViolation("the rule never ended: \(end)"))
        }
    }
}
