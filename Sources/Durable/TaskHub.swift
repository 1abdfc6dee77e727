import DurableBackend
public import DurableClient
import DurableCore
import DurableEngine
import DurableMemory
public import DurablePayloads
import DurableSQLite
public import DurableTask
import DurableWire
package import DurableWorker
public import Logging

/// A task hub that lives in this process: the same engine without a broker. Queues are in memory, logs and tables in
/// SQLite; after a restart every open activity is sent again. For development, tests and small tools.
///
/// ```swift
/// let hub = try await TaskHub.embedded(path: "./hub", sayHello, helloCities)
/// let started = try await hub.client.start(helloCities, input: ["Oslo", "Lima"])
/// let greetings = try await hub.client.output(of: helloCities, started.id)
/// await hub.stop()
/// ```
public final class TaskHub: Sendable {
    /// Starts instances, raises events, asks and waits.
    public let client: TaskHubClient
    package let core: HubClient
    private let host: WorkerHost
    private let running: Task<WorkerReceipt, any Error>
    private let transport: MemoryTransport

    /// Opens the hub kept in `path`, or makes it there, and starts to work.
    ///
    /// - Parameters:
    ///   - path: A directory for this hub alone; one process at a time.
    ///   - items: Activities and orchestrations.
    ///   - payloads: How payloads are written and read.
    /// - Throws: `ClientError` when the files cannot be used (DTQ1004 to DTQ1008), `RegistryError`.
    public static func embedded(
        path: String, _ items: any Registrable..., payloads: PayloadOptions = PayloadOptions(),
        logger: Logger = Logger(label: "dtq")
    ) async throws -> TaskHub {
        var registry = Registry()
        for item in items { try item.register(in: &registry) }
        return try await embedded(
            path: path, registry: registry, configuration: WorkerConfiguration(), payloads: payloads, logger: logger)
    }

    package static func embedded(
        path: String, registry: Registry, configuration: WorkerConfiguration,
        payloads options: PayloadOptions = PayloadOptions(), logger: Logger
    ) async throws -> TaskHub {
        let clock = SystemClock()
        let descriptor: HubDescriptor
        do throws(StoreError) {
            descriptor = try openOrCreate(path, at: clock.now())
        } catch {
            throw ClientError.wrapping(error, "cannot open the embedded hub in \(path)")
        }
        let transport = MemoryBroker(clock: clock).connect(as: "embedded")
        try await transport.declare(descriptor.topology.everything)
        let topology = descriptor.topology
        _ = try await transport.publish(topology.partitions.map { topology.baton(for: $0, at: clock.now()) })
        var configuration = configuration
        configuration.settlingTime = .zero
        configuration.engine.redrivesAtStart = true
        let payloads = PayloadPipeline(options, hubID: descriptor.hubID)
        let host = WorkerHost(
            .init(
                worker: WorkerID("embedded"), descriptor: descriptor, registry: registry, transport: transport,
                storage: SQLiteStorage(descriptor: descriptor, directory: path),
                epochs: try SQLiteEpochAuthority(descriptor: descriptor, directory: path), clock: clock,
                configuration: configuration, payloads: payloads),
            logger: logger)
        return TaskHub(
            core: HubClient(descriptor: descriptor, transport: transport, clock: clock, payloads: payloads), host: host,
            transport: transport)
    }

    private init(core: HubClient, host: WorkerHost, transport: MemoryTransport) {
        self.core = core
        client = TaskHubClient(core)
        self.host = host
        self.transport = transport
        running = Task { try await host.run() }
    }

    /// Finishes what runs, up to the grace period, and closes the files. The hub is not used afterwards.
    public func stop() async {
        _ = try? await shutDown()
    }

    package func shutDown() async throws -> WorkerReceipt {
        host.stop()
        let receipt = try await running.value
        await client.close()
        await transport.close()
        return receipt
    }

    private static func openOrCreate(_ path: String, at now: Timestamp) throws(StoreError) -> HubDescriptor {
        if let existing = try SQLiteHubStorage.descriptor(in: path) {
            // Completes a creation that was cut short.
            try SQLiteHubStorage(directory: path).create(existing)
            return existing
        }
        guard let name = HubName("embedded") else { preconditionFailure("the name of an embedded hub is a hub name") }
        // One partition: what instances send each other is in its log until it is applied, so that queues in memory
        // hold nothing that counts.
        let descriptor = HubDescriptor(
            hubID: RandomID.make(), hub: name, partitionCount: 1, queueKind: .classic, logMode: .local,
            dataDirectory: path, createdAt: now, retention: .seconds(30 * 86_400))
        try SQLiteHubStorage(directory: path).create(descriptor)
        return descriptor
    }
}
