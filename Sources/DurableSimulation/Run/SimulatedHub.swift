import DurableBackend
import DurableClient
import DurableCore
import DurableEngine
package import DurableMemory
import DurableSQLite
import DurableTask
import DurableWire
import DurableWorker
import Logging

/// One hub of a run: its broker, its storage, its workers by place, its clients.
package final class SimulatedHub: @unchecked Sendable {  // confined to the simulator's thread
    /// One worker process, from start to end.
    final class Worker: @unchecked Sendable {  // confined to the simulator's thread
        let name: String
        let node: Node
        let variant: CodeVariant
        let host: WorkerHost
        let watch: EngineWatch
        var receipt: WorkerReceipt?
        var failure: String?
        var isEnded: Bool { receipt != nil || failure != nil }

        init(name: String, node: Node, variant: CodeVariant, host: WorkerHost, watch: EngineWatch) {
            self.name = name
            self.node = node
            self.variant = variant
            self.host = host
            self.watch = watch
        }
    }

    package let plan: SimulationPlan
    package let simulator: Simulator
    package let trace: Trace
    package let broker: MemoryBroker
    package let witness: Witness
    let network: SimulatedNetwork
    let ledger: ActivityLedger
    let disturbances: Disturbances
    let callFaults: CallFaults
    let storageFaults: StorageFaults
    let descriptor: HubDescriptor
    let publishWatch: PublishWatch
    let brokerClock: SimulatedClock
    /// Shared by all workers; nil: the log is in streams.
    private let base: (any PartitionStorage)?
    private let hubStorage: any HubStorage
    private let streams: StreamWitness?
    /// What each place's worker finds of its copies when it starts again.
    private var copies: [MemoryCopies] = []
    private let copyRandom: SharedGenerator
    private let checkers = Counter()
    let disk: SimulatedDisk?

    /// By place; nil while nobody has it.
    private(set) var places: [Worker?]
    private(set) var workers: [Worker] = []
    /// Whether a place gets a new worker when its last one is gone, and with which code.
    private var variants: [CodeVariant]
    /// Called when the code of an instance ends the process of a node.
    var onTrap: (Node, InstanceID) -> Void = { _, _ in }

    var topology: HubTopology { descriptor.topology }

    package init(_ plan: SimulationPlan, in simulator: Simulator, isTracing: Bool) {
        self.plan = plan
        self.simulator = simulator
        trace = Trace(of: simulator, isOn: isTracing)
        let brokerNode = simulator.makeNode("broker")
        brokerClock = SimulatedClock(of: brokerNode, in: simulator)
        network = SimulatedNetwork(
            in: simulator, broker: brokerNode,
            latency: Latency(
                clock: brokerClock, random: SeededGenerator(seed: plan.seed, purpose: "network"),
                usual: plan.networkLatency, spikes: plan.latencySpikes))
        var directory = "/simulated"
        if plan.storage == .sqlite {
            let disk = SimulatedDisk(seed: plan.seed)
            disk.ignoresSync = plan.portDefect == .ignoresSync
            self.disk = disk
            directory = disk.directory
        } else {
            disk = nil
        }
        guard let name = HubName("simulated") else { preconditionFailure("the hub's name is one") }
        descriptor = HubDescriptor(
            hubID: "hub-\(plan.seed)", hub: name, partitionCount: plan.partitionCount,
            queueKind: plan.isQuorum ? .quorum : .classic,
            logMode: plan.storage == .replicated ? .replicated : .local,
            dataDirectory: plan.storage == .replicated ? "" : directory, createdAt: brokerClock.now())
        let disturbances = Disturbances(in: simulator)
        self.disturbances = disturbances
        let topology = descriptor.topology
        let exchanges = [HubTopology.Family.control, .work].map { topology.name($0) }
        callFaults = CallFaults(
            random: SeededGenerator(seed: plan.seed, purpose: "refusals"),
            isRefusable: { exchanges.contains($0.exchange) },
            onFault: { [network] client in
                // The call, or its answer, takes its time: so does the end of the connection.
                if let node = network.node(of: client) { disturbances.happened(to: node, for: .seconds(5)) }
            })
        storageFaults = StorageFaults(onFault: disturbances.happened)
        disk?.onFault = { disturbances.happened(to: simulator.nodes[$0]) }
        broker = MemoryBroker(network: network, faults: callFaults.plan, segmentMessages: plan.segmentMessages)
        if let disk {
            let random = SharedGenerator(SeededGenerator(seed: plan.seed, purpose: "storage"))
            let options = SQLiteOptions(
                cacheKibibytes: 2048, checkpointAfterPages: plan.checkpointAfterPages, files: disk)
            hubStorage = SQLiteHubStorage(directory: directory, options: options, random: { random.next() })
            base = SQLiteStorage(descriptor: descriptor, directory: directory, options: options)
        } else {
            let memory = MemoryStorage()
            base = plan.storage == .replicated ? nil : memory
            hubStorage = memory
        }
        witness = Witness(partitionCount: plan.partitionCount, checksWire: plan.checksWire, trace: trace)
        streams =
            plan.storage == .replicated
            ? StreamWitness(broker, topology: descriptor.topology, witness: witness) : nil
        copyRandom = SharedGenerator(SeededGenerator(seed: plan.seed, purpose: "copies"))
        copies = (0..<plan.workerCount).map { _ in MemoryCopies() }
        ledger = ActivityLedger(witness, disturbances: disturbances, trace: trace, in: simulator)
        publishWatch = PublishWatch(witness, ledger: ledger, topology: descriptor.topology, in: simulator)
        places = Array(repeating: nil, count: plan.workerCount)
        variants = Array(repeating: .original, count: plan.workerCount)
    }

    // MARK: - Setting up

    /// Makes the hub as `dtq hub create` does.
    func create() async throws {
        let transport = connect("admin", simulator.root)
        let ids = Counter()
        let seed = plan.seed
        let administration = HubAdministration(
            transport: transport, hub: descriptor.hub, clock: brokerClock, storage: hubStorage,
            makeID: { "admin-\(seed)-\(ids.next())" })
        let request = HubAdministration.Request(
            partitionCount: plan.partitionCount, queueKind: descriptor.queueKind, logMode: descriptor.logMode,
            dataDirectory: descriptor.dataDirectory, defaultDataDirectory: descriptor.dataDirectory)
        let (made, _) = try await administration.create(request, hubID: descriptor.hubID)
        guard made.partitionCount == descriptor.partitionCount else {
            preconditionFailure("a new hub is what was asked for")
        }
        if let bytes = plan.journalBytes {
            broker.retain(StreamRetention(bytes: bytes, segmentBytes: bytes / 16), of: topology.name(.journal))
        }
        await transport.close()
    }

    /// A connection of a node under a name of its own.
    func connect(_ name: String, _ node: Node) -> MemoryTransport {
        network.connect(name, to: node)
        return broker.connect(as: name)
    }

    func makeClient(_ name: String, makeID: @escaping @Sendable () -> String) -> (client: HubClient, node: Node) {
        let node = simulator.makeNode(name)
        let client = HubClient(
            descriptor: descriptor, transport: connect(name, node), clock: SimulatedClock(of: node, in: simulator),
            makeID: makeID)
        return (client, node)
    }

    /// As the next owner would open it, without faults.
    func openStorage(_ partition: PartitionID) throws(StoreError) -> OpenPartition {
        disk?.currentProcess = simulator.root.number
        if let base { return try base.open(partition) }
        let name = "checker-\(checkers.next())"
        let transport = connect(name, simulator.root)
        return try replicated(name, transport, brokerClock, MemoryCopies(), journal(name, transport, brokerClock))
            .open(partition)
    }

    /// Ends the connection that storage was last opened over: nothing of a run may wait for anything after it.
    func endChecker() { if base == nil { broker.kill("checker-\(checkers.count)") } }

    private func journal(
        _ name: String, _ transport: any MessageTransport, _ clock: SimulatedClock
    ) -> HubJournal {
        let nonces = Counter()
        return HubJournal(
            transport: transport, topology: topology, clock: clock, makeNonce: { "\(name)-\(nonces.next())" },
            snapshotBytes: plan.journalBytes.map { $0 / 16 } ?? 256 << 10, defect: plan.engine.defect)
    }

    private func replicated(
        _ name: String, _ transport: any MessageTransport, _ clock: SimulatedClock, _ copies: MemoryCopies,
        _ journal: HubJournal
    ) -> ReplicatedStorage {
        let nonces = Counter()
        return ReplicatedStorage(
            descriptor: descriptor, transport: transport, copies: copies, journal: journal, clock: clock,
            makeNonce: { "\(name)/\(nonces.next())" }, logger: trace.logger(of: name), defect: plan.engine.defect,
            archiveBytes: plan.engine.compactionBytes * 4)
    }

    // MARK: - Workers

    /// Puts a new worker process at `place`, which is free.
    func startWorker(at place: Int, _ variant: CodeVariant) {
        guard places[place] == nil else { return }
        let name = "w\(place).\(workers.count)"
        let node = simulator.makeNode(name)
        let clock = SimulatedClock(of: node, in: simulator)
        let transport = WatchedTransport(
            connect(name, node), of: node, watch: publishWatch, disturbances: disturbances,
            losesConfirmed: plan.portDefect == .losesConfirmed)
        if copyRandom.next() % 3 == 0 { copies[place] = MemoryCopies() }
        streams?.register(node, as: WorkerID(name))
        let journal = journal(name, transport, clock)
        let storage = base ?? replicated(name, transport, clock, copies[place], journal)
        let watch = EngineWatch(of: node, witness: witness, cacheLimit: plan.engine.cacheBytes)
        var configuration = WorkerConfiguration()
        configuration.sharesCode = plan.sharesCode
        configuration.engine = plan.engine
        if variant == .trapping { configuration.engine.build = "trapping" }
        configuration.slots = plan.slots
        configuration.partitionThreads = plan.partitionThreads
        configuration.minimumTenure = plan.minimumTenure
        configuration.heartbeatInterval = plan.heartbeatInterval
        var instruments = EngineInstruments()
        let simulator = simulator
        instruments.makeExecutor = { SimulatedThread(of: node, in: simulator) }
        instruments.probe = watch
        var registry = Registry()
        let services = ledger.services(of: node, clock) { [unowned self] id in onTrap(node, id) }
        let planned = Set(plan.workload.instances.map(\.program))  // look-up only
        Programs.register(in: &registry, services: services, variant: variant) { name in
            // Those of some runs only are no part of the others.
            if Programs.occasional.contains(name), !planned.contains(name) { return true }
            // Each program is missing at one place.
            return plan.sharesCode && FNV1a.hash(name.utf8) % UInt64(plan.workerCount) == UInt64(place)
        }
        let host = simulator.run(in: node) {
            WorkerHost(
                .init(
                    worker: WorkerID(name), descriptor: descriptor, registry: registry, transport: transport,
                    storage: SimulatedStorage(
                        storage, of: node, witness: witness,
                        latency: Latency(
                            clock: clock,
                            random: SeededGenerator(seed: plan.seed &+ UInt64(workers.count), purpose: "storage"),
                            usual: plan.storageLatency, spikes: plan.latencySpikes),
                        faults: storageFaults, disk: disk, streams: streams,
                        ignoresFencing: plan.portDefect == .ignoresFencing),
                    epochs: JournalEpochAuthority(journal), clock: clock, configuration: configuration,
                    instruments: instruments),
                logger: trace.logger(of: name))
        }
        let worker = Worker(name: name, node: node, variant: variant, host: host, watch: watch)
        workers.append(worker)
        places[place] = worker
        trace.note("\(name) starts (\(variant))")
        simulator.schedule(after: .zero, in: node) { [trace] in
            Task {
                do {
                    worker.receipt = try await host.run()
                    trace.note("\(name) ended")
                } catch {
                    worker.failure = "\(error)"
                    trace.note("\(name) could not start: \(error)")
                }
                await transport.close()
            }
        }
    }

    /// Whoever has the place, if its process is there.
    func worker(at place: Int) -> Worker? {
        guard places.indices.contains(place), let worker = places[place] else { return nil }
        return worker.node.isDead || worker.isEnded ? nil : worker
    }

    func free(_ place: Int) { places[place] = nil }

    /// What kill -9 does.
    func kill(_ worker: Worker) {
        if worker.node.isDead { return }
        trace.note("\(worker.name) is killed")
        disturbances.happened(to: worker.node)
        simulator.crash(worker.node)
        disk?.kill(worker.node.number)
        // The system closes the connections; what is under way still arrives.
        simulator.schedule(after: .milliseconds(1), in: network.broker) { [broker, name = worker.name] in
            broker.kill(name)
        }
    }
}

/// Numbers for names.
final class Counter: Sendable {
    private let value = PlatformLock(0)
    func next() -> Int {
        value.withLock { value in
            value += 1
            return value
        }
    }
    var count: Int { value.withLock { $0 } }
}

/// A generator several may draw from.
final class SharedGenerator: Sendable {
    private let generator: PlatformLock<SeededGenerator>
    init(_ generator: SeededGenerator) { self.generator = PlatformLock(generator) }
    func next() -> UInt64 { generator.withLock { $0.next() } }
}
