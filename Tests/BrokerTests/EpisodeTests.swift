import Durable
import DurableAMQP
import DurableBackend
import DurableClient
import DurableCore
import DurableEngine
import DurableMemory
import DurableTask
import DurableWire
import DurableWorker
import Foundation
import Logging
import Testing

extension RabbitMQTests {
    @Suite("Shipped episodes") struct Episodes {
        private func descriptor() throws -> HubDescriptor {
            let name = try #require(HubName("ship-\(UInt32.random(in: .min ... .max))"))
            return HubDescriptor(
                hubID: UUID().uuidString, hub: name, partitionCount: 1, queueKind: .quorum, logMode: .local,
                dataDirectory: "", createdAt: SystemClock().now())
        }

        @Test("Queues of episodes are declared as described, and gone ones again") func queues() async throws {
            try await withTransport { transport, _ in
                let topology = try descriptor().topology
                let codes = [
                    OrchestrationCode(name: "Order", version: "2"), OrchestrationCode(name: "dtq.Schedule"),
                    OrchestrationCode(
                        name: String(repeating: ".", count: 128), version: String(repeating: "v", count: 64)),
                ]
                let episodes = topology.episodes(of: codes)
                // Of a hub made by an earlier version: the exchange comes with it.
                try await transport.declare(episodes)
                try await transport.declare(episodes)
                #expect(try await transport.differences(from: episodes) == [])
                let request = EpisodeRequest(
                    partition: PartitionID(0), epoch: Epoch(generation: 1, offset: 1), number: 1,
                    instanceID: InstanceID("o"), executionID: ExecutionID("e"), name: "Order", version: "2",
                    code: codes[0], patches: [], historyCount: 0, history: [],
                    newEvents: [HistoryEvent(timestamp: SystemClock().now(), kind: .orchestratorStarted)])
                let message = topology.episodeMessage(request, at: SystemClock().now())
                #expect(try await transport.publish([message]) == [.confirmed])
                let found = try await transport.get(queue: topology.episodeQueue(codes[0]), count: 1, peek: false)
                #expect(try found.map { try EpisodeRequest(wire: $0.body) } == [request])
                try await transport.delete(queues: episodes.queues.map(\.name), exchanges: [topology.name(.episodes)])
            }
        }

        @Test("An owner that lacks the code has an instance run by a worker that has it, killed workers included")
        func shipped() async throws {
            try await withTransport { transport, _ in
                let descriptor = try descriptor()
                let topology = descriptor.topology
                try await transport.declare(topology.everything)
                _ = try await transport.publish([topology.baton(for: PartitionID(0), at: SystemClock().now())])
                let work = Activity("Work") { (text: String, _: ActivityContext) in "(\(text))" }
                let flow = Orchestration("Flow", version: "2") { (context: OrchestrationContext) -> String in
                    let first: String = try await context.callActivity("Work", "a")
                    try await context.waitForExternalEvent("go")
                    return try await first + context.callActivity("Work", "b", as: String.self)
                }
                let storage = MemoryStorage(descriptor)
                func start(_ name: String, _ items: [any Registrable]) throws -> (
                    WorkerHost, Task<WorkerReceipt, any Error>
                ) {
                    var registry = Registry()
                    for item in items { try item.register(in: &registry) }
                    var configuration = WorkerConfiguration()
                    configuration.settlingTime = .zero
                    configuration.minimumTenure = .seconds(3600)
                    let host = WorkerHost(
                        .init(
                            worker: WorkerID(name), descriptor: descriptor, registry: registry, transport: transport,
                            storage: storage,
                            epochs: JournalEpochAuthority(
                                transport: transport, topology: topology, clock: SystemClock(),
                                makeNonce: { UUID().uuidString }),
                            clock: SystemClock(), configuration: configuration),
                        logger: Logger(label: name, factory: { _ in SwiftLogNoOpLogHandler() }))
                    return (host, Task { try await host.run() })
                }
                let client = HubClient(descriptor: descriptor, transport: transport, clock: SystemClock())
                let (owner, ownerTask) = try start("owner", [work])
                _ = try await client.start(StartRequest(name: "Flow", id: InstanceID("f"), version: "2"))
                try await eventually { try await client.status(of: InstanceID("f"))?.holdCode == "DTQ2005" }
                let (first, firstTask) = try start("first", [work, flow])
                try await eventually { try await (client.status(of: InstanceID("f"))?.historyCount ?? 0) >= 5 }
                first.stop()
                _ = try await firstTask.value
                let (second, secondTask) = try start("second", [work, flow])
                _ = try await client.raiseEvent("go", to: InstanceID("f"))
                let result = try await client.wait(for: InstanceID("f"), timeout: .seconds(60))
                guard case .ended(let ended) = result else {
                    Issue.record("waited in vain for its end")
                    return
                }
                #expect(ended.output == Payload(#""(a)(b)""#))
                #expect((await owner.statistics().first?.shippedCount ?? 0) >= 3)
                for host in [second, owner] { host.stop() }
                _ = try await (secondTask.value, ownerTask.value)
                await client.close()
                let episodes = topology.episodes(of: [OrchestrationCode(name: "Flow", version: "2")])
                let everything = topology.everything
                try await transport.delete(
                    queues: (everything.queues + episodes.queues).map(\.name) + [topology.workQueue("Work")],
                    exchanges: everything.exchanges.map(\.name))
            }
        }

        /// For what nobody tells: it is asked for again and again.
        private func eventually(_ condition: () async throws -> Bool) async throws {
            let deadline = ContinuousClock.now + .seconds(60)
            while ContinuousClock.now < deadline {
                if (try? await condition()) == true { return }
                try await ContinuousClock().sleep(for: .milliseconds(20))
            }
            Issue.record("waited in vain")
        }
    }
}
