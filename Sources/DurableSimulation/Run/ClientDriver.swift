import DurableBackend
import DurableClient
import DurableCore
import DurableWire

/// The clients of a run: carry out what the workload planned, and ask at the end.
final class ClientDriver: @unchecked Sendable {  // confined to the simulator's thread
    private let hub: SimulatedHub
    private let client: HubClient
    private let node: Node
    private var openCount: Int
    /// Instances whose start the broker confirmed.
    private(set) var accepted: Set<InstanceID> = []

    var isDone: Bool { openCount == 0 }

    init(_ hub: SimulatedHub) {
        self.hub = hub
        (client, node) = hub.makeClient("client")
        openCount = hub.plan.workload.operations.count
    }

    func arm() {
        for operation in hub.plan.workload.operations {
            hub.simulator.schedule(after: operation.at, in: node) { [self] in
                _ = Task {
                    await perform(operation)
                    openCount -= 1
                }
            }
        }
    }

    private func perform(_ operation: Workload.PlannedOperation) async {
        switch operation.kind {
        case .start(let index):
            let instance = hub.plan.workload.instances[index]
            await insist {
                _ = try await client.start(StartRequest(name: instance.name, id: instance.id, input: instance.input))
            }
            accepted.insert(instance.id)
        }
    }

    private func insist(_ body: () async throws -> Void) async {
        while true {
            do {
                return try await body()
            } catch {
                hub.trace.note("client: \(error)")
                await client.clock.sleep(for: .seconds(1))
            }
        }
    }

    /// Compares what owners say with what is durable.
    func askAll() async throws {
        for instance in hub.witness.instances {
            let id = instance.state.id
            // A partition may be on its way from one owner to the next.
            let snapshot = try await persist { try await client.status(of: id) }
            if snapshot?.status != instance.state.status || snapshot?.output != instance.state.output {
                hub.witness.violated("I2: instance \(id) is shown as other than its log says")
            }
            let history = try await persist { try await client.history(of: id) }
            if history != instance.history {
                hub.witness.violated(
                    "I2: the history of instance \(id) is shown as other than its log says: \(history?.count ?? -1) "
                        + "events of \(instance.history.count)")
            }
        }
    }

    private func persist<Result>(_ body: () async throws -> Result) async throws -> Result {
        for _ in 0..<10 {
            if let result = try? await body() { return result }
            await client.clock.sleep(for: .seconds(1))
        }
        return try await body()
    }

    func close() {
        let client = client
        hub.simulator.schedule(after: .zero, in: node) { _ = Task { await client.close() } }
    }
}
