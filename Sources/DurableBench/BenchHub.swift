import Durable
import DurableAMQP
import DurableBackend
import DurableClient
import DurableCore
import DurableEngine
import DurableSQLite
import DurableTask
import DurableWorker
import Foundation
import Logging

/// A throw-away hub with workers in this process and one client.
struct BenchHub: Sendable {
    struct RunningWorker: Sendable {
        var host: WorkerHost
        var adapters: Adapters
        var running: Task<WorkerReceipt, any Error>
    }

    let client: HubClient
    let tally: Tally
    /// Absolute path; goes with the hub.
    let directory: String
    let workers: [RunningWorker]

    /// Makes a hub for as long as `body` runs and removes it afterwards, also when this task is cancelled.
    static func with<Result: Sendable>(
        _ settings: BenchSettings, logger: Logger, say: @escaping @Sendable (String) -> Void,
        _ body: (BenchHub) async throws -> Result
    ) async throws -> Result {
        let unique = RandomID.make().prefix(8)
        guard let name = HubName("bench-\(unique)") else { preconditionFailure("a bench hub's name is a hub name") }
        let directory = "\(settings.temporaryDirectory)/dtq-\(name)"
        let adapters = try adapters(settings, logger)
        do throws(TransportError) {
            // Before there is anything to remove.
            _ = try await adapters.transport.exchangeExists(RawBroker.name(of: name))
        } catch {
            await adapters.transport.close()
            throw ClientError.wrapping(error, "cannot make a hub for the bench")
        }
        let administration = HubAdministration(
            transport: adapters.transport, hub: name, clock: SystemClock(), storage: SQLiteHubStorage())
        var workers: [RunningWorker] = []
        // The removal is a task of its own: the cancellation of this one must not stop it.
        func remove() async {
            await Task { [workers] in
                for worker in workers { worker.host.stop() }
                for worker in workers { await stop(worker) }
                let raw = RawBroker.name(of: name)
                do {
                    try await adapters.transport.delete(queues: [raw], exchanges: [raw])
                    _ = try await administration.delete(activities: [BenchPrograms.activity], isForced: true)
                } catch let error as ClientError where error.code == .hubNotFound {
                    // It was never made.
                } catch {
                    say("hub \"\(name)\" could not be removed: \(error). Remove it with: dtq hub delete --hub \(name)")
                }
                await adapters.transport.close()
                try? FileManager.default.removeItem(atPath: directory)
            }.value
        }
        do {
            let (descriptor, _) = try await administration.create(
                .init(
                    partitionCount: settings.partitions, logMode: settings.logMode,
                    defaultDataDirectory: directory + "/hub"))
            let tally = Tally()
            for number in 0..<settings.workers {
                workers.append(try startWorker(number + 1, descriptor, settings, tally, logger))
            }
            let client = HubClient(descriptor: descriptor, transport: adapters.transport, clock: SystemClock())
            let hub = BenchHub(client: client, tally: tally, directory: directory, workers: workers)
            let result: Result
            do {
                if settings.workers > 0 { try await hub.waitUntilServed() }
                result = try await body(hub)
            } catch {
                await client.close()
                throw error
            }
            await client.close()
            await remove()
            return result
        } catch {
            await remove()
            throw error
        }
    }

    static func adapters(_ settings: BenchSettings, _ logger: Logger) throws -> Adapters {
        do {
            return try Adapters(brokerURLs: settings.brokerURLs, connectionName: "dtq bench", logger: logger)
        } catch {
            throw ClientError(.wrongArgument, "--broker (DTQ_BROKER): \(error). Nothing was done.")
        }
    }

    private static func startWorker(
        _ number: Int, _ descriptor: HubDescriptor, _ settings: BenchSettings, _ tally: Tally, _ logger: Logger
    ) throws -> RunningWorker {
        try startWorker(
            WorkerID("bench-\(number)"), descriptor, settings, tally, directory: descriptor.dataDirectory, logger)
    }

    /// - Parameter directory: Absolute path of the hub's files, or of the worker's copies.
    static func startWorker(
        _ id: WorkerID, _ descriptor: HubDescriptor, _ settings: BenchSettings, _ tally: Tally, directory: String,
        _ logger: Logger
    ) throws -> RunningWorker {
        var configuration = WorkerConfiguration()
        configuration.gracePeriod = .seconds(1)
        configuration.engine.cacheBytes = settings.cacheMebibytes << 20
        let adapters = try adapters(settings, logger)
        let host = try adapters.worker(
            id: id, descriptor: descriptor, registry: BenchPrograms.registry(tally), directory: directory,
            configuration: configuration, payloads: PayloadOptions(), logger: logger)
        return RunningWorker(host: host, adapters: adapters, running: Task { try await host.run() })
    }

    static func stop(_ worker: RunningWorker) async {
        worker.host.stop()
        _ = try? await worker.running.value
        await worker.adapters.transport.close()
    }

    // MARK: - Waiting

    func waitUntilServed() async throws {
        try await until("workers that serve every partition") {
            try await client.unservedPartitions().isEmpty ? nil : 0
        }
    }

    /// Waits until activities ran `runs` times in all, then until the hub holds `count` instances of that status.
    ///
    /// Activities are counted in this process, so that the wait costs the hub next to nothing before its end.
    func wait(forRuns runs: Int, then count: Int, _ status: OrchestrationStatus) async throws {
        try await until("\(runs) activity runs") { tally.value >= runs ? nil : tally.value }
        try await until("\(count) instances \(status)") {
            let found = try await client.counts().first { $0.status == status }?.count ?? 0
            return found >= count ? nil : found
        }
    }

    /// Asks again and again until `progress` is nil; a minute without change ends it.
    func until(_ what: String, progress: () async throws -> Int?) async throws {
        let clock = ContinuousClock()
        var last = (value: -1, time: clock.now)
        while let value = try await progress() {
            if value != last.value { last = (value, clock.now) }
            if clock.now - last.time > .seconds(60) {
                throw BenchFailure("a minute without progress: waited for \(what), stands at \(value)")
            }
            try await Task.sleep(for: .milliseconds(5))
        }
    }
}
