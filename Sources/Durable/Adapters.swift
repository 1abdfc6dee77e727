package import DurableAMQP
import DurableBackend
public import DurableClient
package import DurableCore
import DurableEngine
public import DurablePayloads
import DurableSQLite
package import DurableTask
package import DurableWorker
public import Logging

/// The adapters a program on a broker uses, picked in one place.
package struct Adapters: Sendable {
    package let transport: AMQPTransport

    /// - Parameter brokerURLs: Nodes of one cluster, 1 or more.
    /// - Throws: A text for the user when a URL cannot be used.
    package init(brokerURLs: [String], connectionName: String = "dtq", logger: Logger) throws {
        transport = AMQPTransport(
            configuration: try AMQPConfiguration(urls: brokerURLs, connectionName: connectionName), logger: logger)
    }

    /// A worker on this broker, with log and tables where the hub says they are.
    ///
    /// - Parameter directory: `local` log mode: where the hub's files are on this host; nil: where the hub says.
    ///   `replicated`: where this worker keeps its copies; nil: a place of the system's.
    package func worker(
        id: WorkerID, descriptor: HubDescriptor, registry: Registry, directory: String?,
        configuration: WorkerConfiguration, payloads: PayloadOptions = PayloadOptions(), logger: Logger
    ) throws -> WorkerHost {
        let journal = HubJournal(
            transport: transport, topology: descriptor.topology, clock: SystemClock(), makeNonce: RandomID.make)
        let storage: any PartitionStorage
        do throws(StoreError) {
            storage = try self.storage(descriptor, journal, directory: directory, logger: logger)
        } catch {
            throw ClientError.wrapping(error, "cannot use the worker's data directory")
        }
        return WorkerHost(
            .init(
                worker: id, descriptor: descriptor, registry: registry, transport: transport, storage: storage,
                epochs: JournalEpochAuthority(journal), clock: SystemClock(), configuration: configuration,
                payloads: PayloadPipeline(payloads, hubID: descriptor.hubID)),
            logger: logger)
    }

    private func storage(
        _ descriptor: HubDescriptor, _ journal: HubJournal, directory: String?, logger: Logger
    ) throws(StoreError) -> any PartitionStorage {
        switch descriptor.logMode {
        case .local:
            return SQLiteStorage(descriptor: descriptor, directory: directory ?? descriptor.dataDirectory)
        case .replicated:
            let note: @Sendable (String) -> Void = { logger.notice("\($0)") }
            let copies =
                if let directory {
                    try SQLiteCopies(descriptor: descriptor, directory: directory, note: note)
                } else {
                    try SQLiteCopies(
                        descriptor: descriptor,
                        anyIn: "\(StateDirectory.path)/copies/\(descriptor.hub)-\(descriptor.hubID)", note: note)
                }
            logger.info("keeping copies of partitions", metadata: ["directory": "\(copies.directory)"])
            return ReplicatedStorage(
                descriptor: descriptor, transport: transport, copies: copies, journal: journal, clock: SystemClock(),
                makeNonce: RandomID.make, logger: logger)
        }
    }
}

extension TaskHubClient {
    /// Connects to a hub on a broker.
    ///
    /// - Parameters:
    ///   - broker: `amqp://USER:PASSWORD@HOST:PORT/VHOST`; several nodes of a cluster separated by commas.
    ///   - hub: Name of a hub that is there.
    ///   - payloads: As of the hub's workers; `try PayloadOptions.environment()` reads them from the environment.
    /// - Throws: `ClientError`: no such hub (DTQ1001), a newer format (DTQ1002), no broker (DTQ4001), login refused
    ///   (DTQ4002), a URL or name that cannot be used (DTQ5003).
    public static func connect(
        broker: String, hub: String, payloads: PayloadOptions = PayloadOptions(),
        logger: Logger = Logger(label: "dtq.client")
    ) async throws -> TaskHubClient {
        guard let name = HubName(hub) else {
            throw ClientError(.wrongArgument, "\"\(hub)\" is no hub name. Use letters, digits, - and _.")
        }
        let adapters: Adapters
        do {
            adapters = try Adapters(brokerURLs: broker.split(separator: ",").map(String.init), logger: logger)
        } catch {
            throw ClientError(.wrongArgument, "the broker's URL cannot be used: \(error)", cause: error)
        }
        let transport = adapters.transport
        do {
            let core = try await HubClient.connect(
                transport: transport, hub: name, clock: SystemClock(),
                payloads: { PayloadPipeline(payloads, hubID: $0) })
            return TaskHubClient(core, onClose: { await transport.close() })
        } catch {
            await transport.close()
            throw error
        }
    }
}
