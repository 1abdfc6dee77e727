package import DurableBackend
import DurableClient
package import DurableCore
package import DurableEngine
package import DurableTask

extension WorkerHost {
    package struct Parts: Sendable {
        package var worker: WorkerID
        package var descriptor: HubDescriptor
        package var registry: Registry
        package var transport: any MessageTransport
        package var storage: any PartitionStorage
        package var epochs: any EpochAuthority
        package var clock: any EngineClock
        package var configuration: WorkerConfiguration
        package var instruments: EngineInstruments
        package var payloads: any PayloadAccess

        package init(
            worker: WorkerID, descriptor: HubDescriptor, registry: Registry, transport: any MessageTransport,
            storage: any PartitionStorage, epochs: any EpochAuthority, clock: any EngineClock,
            configuration: WorkerConfiguration, instruments: EngineInstruments = EngineInstruments(),
            payloads: any PayloadAccess = PlainPayloads()
        ) {
            self.worker = worker
            self.descriptor = descriptor
            self.registry = registry
            self.transport = transport
            self.storage = storage
            self.epochs = epochs
            self.clock = clock
            self.configuration = configuration
            self.instruments = instruments
            self.payloads = payloads
        }
    }
}

extension WorkerHost.Parts {
    /// Asks the owners of partitions.
    ///
    /// - Parameter mark: Tells its questions from those of the worker's other clients.
    func client(mark: Character) -> HubClient {
        let (worker, questions) = (worker, PlatformLock(0))
        // IDs that no other process gives, without a random number.
        return HubClient(
            descriptor: descriptor, transport: transport, clock: clock,
            makeID: {
                let number = questions.withLock { number in
                    number += 1
                    return number
                }
                return "\(worker)\(mark)\(number)"
            })
    }
}
