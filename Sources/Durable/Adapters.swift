package import DurableAMQP
import DurableBackend
package import DurableCore
import DurableClient
import DurableEngine
import DurableSQLite
package import DurableTask
package import DurableWorker
package import Logging

/// The adapters a program on a broker uses, picked in one place.
package struct Adapters: Sendable {
    package let transport: AMQPTransport

    /// - Parameter brokerURLs: Nodes of one cluster, 1 or more.
    /// - Throws: A text for the user when a URL cannot be used.
    package init(brokerURLs: [String], connectionName: String = "dtq", logger: Logger) throws {
        transport = AMQPTransport(
            configuration: try AMQPConfiguration(urls: brokerURLs, connectionName: connectionName), logger: logger)
    }

    /// A worker on this broker, with log and tables in the hub's files.
    ///
    /// - Parameter directory: Where the files are on this host.
    package func worker(
        id: WorkerID, descriptor: HubDescriptor, registry: Registry, directory: String,
        configuration: WorkerConfiguration, logger: Logger
    ) throws -> WorkerHost {
        WorkerHost(
            .init(
                worker: id, descriptor: descriptor, registry: registry, transport: transport,
                storage: SQLiteStorage(descriptor: descriptor, directory: directory),
                epochs: JournalEpochAuthority(
                    transport: transport, topology: descriptor.topology, clock: SystemClock(),
                    makeNonce: RandomID.make),
                clock: SystemClock(), configuration: configuration),
            logger: logger)
    }
}
