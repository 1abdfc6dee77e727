import DurableBackend
import DurableClient
import DurableCore
import DurableEngine
import DurableMemory
import DurableSQLite
import DurableTask
import DurableWire
import DurableWorker
import Foundation
import Logging

/// One partition on a broker in memory and real SQLite files, with a clock moved by hand: workers come and go by name.
final class EngineHarness: Sendable {
    let clock = ManualClock()
    let broker: MemoryBroker
    let descriptor: HubDescriptor
    let directory: String
    let client: MemoryTransport
    var topology: HubTopology { descriptor.topology }

    init(partitions: Int = 1, retention: Duration? = nil, faults: FaultPlan = .none) async throws {
        broker = MemoryBroker(clock: clock, faults: faults)
        directory = FileManager.default.temporaryDirectory.path + "/dtq-engine-\(UUID().uuidString)"
        descriptor = HubDescriptor(
            hubID: "hub-1", hub: HubName("test")!, partitionCount: partitions, queueKind: .quorum, logMode: .local,
            dataDirectory: directory, createdAt: clock.now(), retention: retention)
        client = broker.connect(as: "client")
        try SQLiteHubStorage(directory: directory).create(descriptor)
        try await client.declare(descriptor.topology.everything)
        let topology = descriptor.topology
        _ = try await client.publish(topology.partitions.map { topology.baton(for: $0, at: clock.now()) })
    }

    deinit { try? FileManager.default.removeItem(atPath: directory) }

    var storage: SQLiteStorage { SQLiteStorage(descriptor: descriptor, directory: directory) }

    /// Silent unless `DTQ_TEST_LOG` is set.
    static func logger(_ name: String) -> Logger {
        guard ProcessInfo.processInfo.environment["DTQ_TEST_LOG"] != nil else {
            return Logger(label: name, factory: { _ in SwiftLogNoOpLogHandler() })
        }
        var logger = Logger(label: name)
        logger.logLevel = .debug
        return logger
    }

    // MARK: - Workers

    /// A whole worker with its own connection, named `name` at the broker.
    func startWorker(
        _ name: String, _ items: [any Registrable], storage: (any PartitionStorage)? = nil,
        clock workerClock: (any EngineClock)? = nil, probe: (any EngineProbe)? = nil,
        payloads: any PayloadAccess = PlainPayloads(), logger: Logger? = nil,
        configure: (inout WorkerConfiguration) -> Void = { _ in }
    ) throws -> RunningWorker {
        var configuration = WorkerConfiguration()
        configuration.settlingTime = .zero
        configuration.partitionThreads = 1
        configuration.engine.checksReplay = true
        configure(&configuration)
        var registry = Registry()
        for item in items { try item.register(in: &registry) }
        let transport = broker.connect(as: name)
        let nonces = Counter()
        var instruments = EngineInstruments()
        instruments.probe = probe
        let host = WorkerHost(
            .init(
                worker: WorkerID(name), descriptor: descriptor, registry: registry, transport: transport,
                storage: storage ?? self.storage,
                epochs: JournalEpochAuthority(
                    transport: transport, topology: topology, clock: clock,
                    makeNonce: { "\(name)-\(nonces.next())" }),
                clock: workerClock ?? clock, configuration: configuration, instruments: instruments,
                payloads: payloads),
            logger: logger ?? Self.logger(name))
        let task = Task { try await host.run() }
        return RunningWorker(name: name, host: host, task: task, clock: clock)
    }

    /// What kill -9 does to a worker: its connection ends, and nothing it does afterwards reaches anything.
    func kill(_ worker: RunningWorker) {
        broker.kill(worker.name)
        worker.task.cancel()
    }

    // MARK: - Clients

    /// A client as applications have it, on a connection of its own.
    func connectedClient(_ payloads: any PayloadAccess = PlainPayloads()) -> TaskHubClient {
        TaskHubClient(
            HubClient(
                descriptor: descriptor, transport: broker.connect(as: "client-\(UUID().uuidString)"), clock: clock,
                payloads: payloads))
    }

    func send(_ message: Message) async throws {
        let partition = message.instanceID.partition(of: topology.partitionCount)
        let outcome = try await client.publish([
            topology.controlMessage([message], to: partition, through: .client, at: clock.now())
        ])
        precondition(outcome == [.confirmed], "the hub takes messages")
    }

    /// A message of its own for one event.
    func send(_ kind: HistoryEvent.Kind, to id: String, message: String) async throws {
        try await send(
            Message(
                id: MessageID(message), instanceID: InstanceID(id),
                event: HistoryEvent(timestamp: clock.now(), kind: kind)))
    }

    func start(
        _ name: String, id: String, input: String? = nil, message: String? = nil, startAt: Timestamp? = nil
    ) async throws {
        try await start(name, id: id, payload: input.map { Payload($0) }, message: message, startAt: startAt)
    }

    func start(
        _ name: String, id: String, payload: Payload?, message: String? = nil, startAt: Timestamp? = nil
    ) async throws {
        let message = message ?? "start-\(id)"
        let start = ExecutionStarted(
            name: name, input: payload, instanceID: InstanceID(id), executionID: ExecutionID(message),
            scheduledStart: startAt)
        try await send(.executionStarted(start), to: id, message: message)
    }

    func raise(_ name: String, to id: String, _ input: String? = nil, message: String) async throws {
        try await raise(name, to: id, payload: input.map { Payload($0) }, message: message)
    }

    func raise(_ name: String, to id: String, payload: Payload?, message: String) async throws {
        try await send(.eventRaised(name: name, input: payload), to: id, message: message)
    }

    /// Sends the request of an update, as a client does first.
    func update(_ name: String, _ updateID: String, of id: String, _ input: String? = nil) async throws {
        let request = UpdateRequest(id: UpdateID(updateID), name: name, input: input.map { Payload($0) })
        try await send(.updateRequested(request), to: id, message: "update-\(updateID)-\(UUID().uuidString)")
    }

    /// Moves the clock while `body` runs, as for clients that wait.
    @discardableResult
    func moving<Result: Sendable>(
        _ step: Duration = .milliseconds(50), _ body: @escaping @Sendable () async throws -> Result
    ) async throws -> Result {
        let mover = Task { [clock] in
            while !Task.isCancelled {
                clock.advance(by: step)
                try await ContinuousClock().sleep(for: .microseconds(500))
            }
        }
        defer { mover.cancel() }
        return try await body()
    }

    func terminate(_ id: String, message: String) async throws {
        try await send(.executionTerminated(reason: Payload("\"enough\""), recurse: false), to: id, message: message)
    }

    /// Asks the owner, as a client would.
    ///
    /// - Returns: nil when nobody answered, as while no worker owns the partition.
    func ask(
        _ query: Question, partition: Int = 0, within patience: Duration = .milliseconds(300)
    ) async throws -> QueryAnswer? {
        let channel = try await client.openChannel()
        let key = UUID().uuidString
        let queue = "\(topology.name(.reply)).\(key)"
        try await channel.declarePrivateQueue(
            name: queue, bindings: [PrivateBinding(exchange: topology.name(.reply), routingKey: key)])
        try await channel.consume(queue: queue, consumerTag: "replies", prefetch: 10, from: nil, exclusive: true)
        _ = try await client.publish([
            OutgoingMessage(
                exchange: topology.name(.client), routingKey: topology.queryKey(PartitionID(partition)),
                properties: MessageProperties(type: "Query", correlationID: key, replyTo: key), body: query.wireBytes)
        ])
        let timeout = Task {
            try await ContinuousClock().sleep(for: patience)
            await channel.close()
        }
        defer { timeout.cancel() }
        var iterator = channel.deliveries.makeAsyncIterator()
        let delivery = try await iterator.next()?.first
        await channel.close()
        guard let delivery, case .answer(let answer) = try Reply(wire: delivery.body).body else { return nil }
        return answer
    }

    func snapshot(_ id: String) async throws -> InstanceSnapshot? {
        let partition = InstanceID(id).partition(of: topology.partitionCount)
        if case .status(let snapshot)? = try await ask(.status(InstanceID(id)), partition: partition.index) {
            return snapshot
        }
        return nil
    }

    func history(_ id: String) async throws -> [HistoryEvent] {
        let partition = InstanceID(id).partition(of: topology.partitionCount)
        var events: [HistoryEvent] = []
        try await eventually("the history of \(id)") {
            guard
                case .history(let page, _, true)? = try await ask(
                    .history(InstanceID(id), after: -1, limit: 10_000), partition: partition.index)
            else { return false }
            events = page
            return true
        }
        return events
    }

    /// Waits for a status; moves the clock a little at each look, for flushes, retries and durable timers.
    @discardableResult
    func wait(
        for id: String, _ status: OrchestrationStatus, moving step: Duration = .milliseconds(50)
    ) async throws -> InstanceSnapshot {
        var last: InstanceSnapshot?
        try await eventually("\(id) to be \(status)", moving: step) {
            last = try await snapshot(id)
            return last?.status == status
        }
        guard let last else { throw HarnessError("no instance \(id)") }
        return last
    }

    /// Looks until the condition holds while the clock moves; gives up after two minutes of real time.
    func eventually(
        _ what: String, moving step: Duration = .milliseconds(50), _ condition: () async throws -> Bool
    ) async throws {
        let deadline = ContinuousClock.now + .seconds(120)
        while try await !condition() {
            if ContinuousClock.now > deadline { throw HarnessError("waited in vain for: \(what)") }
            clock.advance(by: step)
            // Lets real threads get on between two looks; nothing depends on how long this is.
            try await ContinuousClock().sleep(for: .microseconds(500))
        }
    }

    func deadLetters() -> [Delivery] { broker.readyMessages(in: topology.name(.dead)) }
}

struct RunningWorker: Sendable {
    let name: String
    let host: WorkerHost
    let task: Task<WorkerReceipt, any Error>
    let clock: ManualClock

    /// Stops it as SIGTERM does; the clock moves meanwhile.
    @discardableResult
    func stop() async throws -> WorkerReceipt {
        host.stop()
        let clock = clock
        let mover = Task {
            while !Task.isCancelled {
                clock.advance(by: .milliseconds(50))
                try await ContinuousClock().sleep(for: .microseconds(500))
            }
        }
        defer { mover.cancel() }
        return try await task.value
    }
}

struct HarnessError: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

final class Counter: Sendable {
    private let value = PlatformLock(0)
    @discardableResult
    func next() -> Int {
        value.withLock {
            $0 += 1
            return $0
        }
    }
    var count: Int { value.withLock { $0 } }
}
