import DurableBackend
import DurableCore
import DurableEngine
import DurableMemory
import DurableSQLite
import DurableTask
import DurableWire
import DurableWorker
import Logging

/// A processor of its own on partition 0, with an epoch given by the test instead of a baton.
struct LoneProcessor {
    let processor: PartitionProcessor
    let channel: any ConsumerChannel
    let task: Task<PartitionEnd?, Never>

    /// Asks it to stop and waits; its channel ends as the owner's would.
    @discardableResult
    func stop() async -> PartitionEnd? {
        await processor.stop()
        let end = await task.value
        await channel.close()
        return end
    }
}

extension EngineHarness {
    func startLoneProcessor(
        _ name: String, _ items: [any Registrable], epoch offset: UInt64, storage: (any PartitionStorage)? = nil,
        clock: (any EngineClock)? = nil, payloads: any PayloadAccess = PlainPayloads(),
        configure: (inout EngineConfiguration) -> Void = { _ in }
    ) async throws -> LoneProcessor {
        var registry = Registry()
        for item in items { try item.register(in: &registry) }
        var configuration = EngineConfiguration()
        configure(&configuration)
        let transport = broker.connect(as: name)
        let channel = try await transport.openChannel()
        try await PartitionProcessor.takeQuestions(on: channel, of: PartitionID(0), in: descriptor)
        let logger = Self.logger(name)
        let processor = PartitionProcessor(
            .init(
                partition: PartitionID(0), descriptor: descriptor, worker: WorkerID(name),
                epoch: Epoch(generation: 1, offset: offset),
                storage: try (storage ?? self.storage).open(PartitionID(0)),
                executor: NativeExecutor(registry: registry, options: .init(logger: logger)), transport: transport,
                channel: channel, baton: DeliveryTag(0), clock: clock ?? self.clock, configuration: configuration,
                thread: PartitionThread(), payloads: payloads),
            logger: logger)
        let task = Task { () -> PartitionEnd? in
            do throws(PartitionEnd) {
                try await processor.run()
                return nil
            } catch {
                return error
            }
        }
        return LoneProcessor(processor: processor, channel: channel, task: task)
    }

    /// Log and store of partition 0, beside whoever owns it.
    func openFirstPartition() throws -> OpenPartition { try storage.open(PartitionID(0)) }
}
