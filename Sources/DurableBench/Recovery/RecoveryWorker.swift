import Durable
import DurableAMQP
import DurableBackend
import DurableClient
import DurableCore
import DurableEngine
import DurableWorker
import Foundation
import Logging

/// The worker that `dtq bench recovery` starts as a process of its own, until its standard input ends.
struct RecoveryWorker {
    let settings: BenchSettings
    let hub: HubName
    let id: WorkerID
    let directory: String

    func run() async throws {
        var logger = Logger(label: "dtq.bench.owner", factory: { StreamLogHandler.standardError(label: $0) })
        logger.logLevel = .warning
        let adapters = try BenchHub.adapters(settings, logger)
        let client = try await HubClient.connect(transport: adapters.transport, hub: hub, clock: SystemClock())
        let worker = try BenchHub.startWorker(
            id, client.descriptor, settings, Tally(), directory: directory, logger)
        // Its reader has a thread of its own: it blocks.
        let input = Thread {
            while !FileHandle.standardInput.availableData.isEmpty {}
            worker.host.stop()
        }
        input.start()
        _ = try await worker.running.value
        await client.close()
        await worker.adapters.transport.close()
        await adapters.transport.close()
    }
}
