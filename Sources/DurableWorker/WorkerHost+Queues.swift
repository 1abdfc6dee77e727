import DurableBackend
import DurableCore
import DurableEngine
import DurableTask
import Logging

/// The queues that a worker makes before it begins, and what takes others' episodes from them.
extension WorkerHost {
    /// Declaring is idempotent: a connection lost meanwhile is no reason to give up.
    func declareWorkQueues() async throws {
        try await declare(parts.descriptor.topology.work(activities: parts.registry.activityNames))
    }

    private func declare(_ topology: TopologyFragment) async throws(TransportError) {
        var pause = Duration.milliseconds(200)
        while !requestedGrace.withLock({ $0.isStopped }) {
            do throws(TransportError) {
                return try await parts.transport.declare(topology)
            } catch {
                switch error {
                case .connectionLost where !Task.isCancelled, .unreachable where !Task.isCancelled: break
                default: throw error
                }
                logger.info(
                    "no connection to declare queues with, trying again in \(pause)", metadata: ["cause": "\(error)"])
                await parts.clock.sleep(for: pause)
                pause = min(pause * 2, .seconds(5))
            }
        }
    }

    /// Makes the queues for others' episodes. Without them this worker runs none, and does everything else.
    func prepareEpisodes() async {
        let codes = parts.registry.orchestrationCodes
        do throws(TransportError) {
            try await declare(parts.descriptor.topology.episodes(of: codes))
        } catch {
            logger.warning(
                """
                DTQ2022 hub "\(parts.descriptor.hub)": the queues for episodes of other workers cannot be declared: \
                \(error). This worker runs its own instances alone. Repeat dtq hub create with this version and give the \
                worker's broker user the permissions in topology/README.md. See ops/errors/DTQ2022.md
                """)
            return
        }
        let thread = parts.instruments.makeExecutor()
        episodeThread = thread
        episodes = EpisodeHost(
            .init(
                descriptor: parts.descriptor, codes: codes, executor: executor, transport: parts.transport,
                client: parts.client(mark: "."), payloads: parts.payloads, clock: parts.clock,
                configuration: parts.configuration.engine, thread: thread),
            logger: logger)
    }
}
