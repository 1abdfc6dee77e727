import DurableBackend
package import DurableCore
import DurableWire

/// Hears what workers say about themselves and keeps the newest of each.
package actor FleetListener {
    private let client: HubClient
    private let channel: any ConsumerChannel
    private var heard: [WorkerID: (heartbeat: WorkerHeartbeat, at: Duration)] = [:]  // sorted before use
    private var failure: TransportError?

    /// How long workers get to answer a hello.
    package static let patience = Duration.seconds(1)

    private init(client: HubClient, channel: any ConsumerChannel) {
        self.client = client
        self.channel = channel
    }

    /// Listens for as long as `body` runs.
    package static func listening<Result: Sendable>(
        _ client: HubClient, _ body: (FleetListener) async throws -> Result
    ) async throws -> Result {
        let subject = "cannot listen to the workers of hub \"\(client.hub)\""
        let fleet = client.topology.name(.fleet)
        let queue = "\(fleet).\(client.makeID())"
        let channel: any ConsumerChannel
        do throws(TransportError) {
            channel = try await client.transport.openChannel()
            do throws(TransportError) {
                try await channel.declarePrivateQueue(
                    name: queue, bindings: [PrivateBinding(exchange: fleet, routingKey: "")])
                try await channel.consume(
                    queue: queue, consumerTag: "fleet", prefetch: 1000, from: nil, exclusive: true)
            } catch {
                await channel.close()
                throw error
            }
        } catch {
            throw ClientError.wrapping(error, subject)
        }
        let listener = FleetListener(client: client, channel: channel)
        return try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await listener.read() }
            let result: Swift.Result<Result, any Error>
            do {
                result = .success(try await body(listener))
            } catch {
                result = .failure(error)
            }
            group.cancelAll()
            await channel.close()
            return try result.get()
        }
    }

    /// Asks every worker for a heartbeat and gives them time to answer.
    ///
    /// - Throws: `ClientError` when the broker is gone.
    package func callRoll() async throws {
        try await client.publish(
            [client.topology.hello(at: client.clock.now())],
            "cannot ask the workers of hub \"\(client.hub)\"")
        await client.clock.sleep(for: Self.patience)
        try Task.checkCancellation()
        try check()
    }

    /// - Throws: `ClientError` when nothing can be heard any more.
    package func check() throws {
        if let failure {
            throw ClientError.wrapping(failure, "cannot listen to the workers of hub \"\(client.hub)\"")
        }
    }

    /// The last heartbeat of a worker, alive or not.
    package func last(of worker: WorkerID) -> WorkerHeartbeat? { heard[worker]?.heartbeat }

    /// Workers alive, in order of their IDs.
    package var workers: [WorkerHeartbeat] {
        let now = client.clock.uptime()
        return heard.values
            .filter { entry in
                let silence = now - entry.at
                return entry.heartbeat.state != .stopped
                    && silence < .milliseconds(max(entry.heartbeat.intervalMilliseconds, 100) * 3)
            }
            .map(\.heartbeat)
            .sorted { $0.worker < $1.worker }
    }

    private func read() async {
        do throws(TransportError) {
            var deliveries = channel.deliveries.makeAsyncIterator()
            while let batch = try await deliveries.next(isolation: self) {
                for delivery in batch where delivery.properties.type == "WorkerHeartbeat" {
                    // A heartbeat that cannot be read is of another version: that worker is not shown.
                    guard let heartbeat = try? WorkerHeartbeat(wire: delivery.body) else { continue }
                    heard[heartbeat.worker] = (heartbeat, client.clock.uptime())
                }
                if let last = batch.last { channel.acknowledge(last.tag, multiple: true) }
            }
        } catch {
            failure = error
        }
    }
}

extension HubClient {
    /// Workers that answer within a second, in order of their IDs.
    package func workers() async throws -> [WorkerHeartbeat] {
        try await FleetListener.listening(self) { listener in
            try await listener.callRoll()
            return await listener.workers
        }
    }
}
