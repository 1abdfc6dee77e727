import DurableBackend
import DurableCLI
import DurableClient
import DurableCore
import DurableMemory
import Testing

/// What one command line printed and how it ended.
struct Run: Equatable {
    var code: Int32
    var output: String
    var errors: String
}

/// A broker in memory, a clock that stands at 2026-11-24T09:00:00Z, and the command tree in between.
final class Bench: Sendable {
    let broker = MemoryBroker()
    let clock = ManualClock()
    let storage = MemoryStorage()
    let hub: HubName
    let options: Options
    private let ids = PlatformLock(0)
    /// Private queues that commands declared to hear workers.
    private let listenerQueues: PlatformLock<[String]>

    struct Options: Sendable {
        var partitions = 2
        var terminal = CommandEnvironment.Terminal()
        var variables: [String: String] = [:]
        var files: [String: String] = [:]
        var management: [String: String] = [:]
    }

    init(_ options: Options = Options()) throws {
        self.options = options
        hub = try #require(HubName("orders"))
        let queues = PlatformLock<[String]>([])
        listenerQueues = queues
        broker.setFaults(
            FaultPlan { point in
                if case .declarePrivateQueue(let name) = point.call, name.hasPrefix("dtq.orders.fleet.") {
                    queues.withLock { $0.append(name) }
                }
                return .none
            })
    }

    var descriptor: HubDescriptor {
        HubDescriptor(
            hubID: "hub-1", hub: hub, partitionCount: options.partitions, queueKind: .quorum, logMode: .local,
            dataDirectory: "/data/orders", createdAt: clock.now())
    }

    var topology: HubTopology { descriptor.topology }

    /// A bench whose hub is there.
    static func withHub(_ options: Options = Options()) async throws -> Bench {
        let bench = try Bench(options)
        let administration = HubAdministration(
            transport: bench.broker.connect(as: "administrator"), hub: bench.hub, clock: bench.clock,
            storage: bench.storage)
        _ = try await administration.create(
            .init(
                partitionCount: options.partitions, logMode: .local, dataDirectory: "/data/orders",
                defaultDataDirectory: "/"),
            hubID: "hub-1")
        return bench
    }

    func client(as name: String = "client") async throws -> HubClient {
        try await HubClient.connect(transport: broker.connect(as: name), hub: hub, clock: clock)
    }

    /// Runs `dtq` with `arguments`.
    ///
    /// - Parameter drive: Runs beside it, to move the clock.
    func run(
        _ arguments: String..., input: [String] = [], terminal: CommandEnvironment.Terminal? = nil,
        drive: @escaping @Sendable (Bench) async -> Void = { _ in }
    ) async -> Run {
        await run(arguments, input: input, terminal: terminal, drive: drive)
    }

    func run(
        _ arguments: [String], input: [String] = [], terminal: CommandEnvironment.Terminal? = nil,
        drive: @escaping @Sendable (Bench) async -> Void = { _ in }
    ) async -> Run {
        let output = PlatformLock("")
        let errors = PlatformLock("")
        let chunks = PlatformLock(input)
        let environment = CommandEnvironment(
            makeTransport: { [broker] _ in broker.connect(as: "dtq") }, hubStorage: storage,
            makeCopies: { _, _ in MemoryCopies() }, clock: clock,
            makeID: { [ids] in
                ids.withLock { count in
                    count += 1
                    return "id-\(count)"
                }
            },
            variables: options.variables.merging(["DTQ_HUB": "orders"]) { own, _ in own }, workingDirectory: "/data",
            terminal: terminal ?? options.terminal,
            writeOutput: { text in output.withLock { $0 += text } },
            writeError: { text in errors.withLock { $0 += text } },
            readInput: { chunks.withLock { $0.isEmpty ? nil : Array($0.removeFirst().utf8) } },
            readFile: { [files = options.files] path in
                guard let text = files[path] else { throw NoSuchFile() }
                return Array(text.utf8)
            },
            fetchManagement: { [management = options.management] request in
                management[request.address + " " + request.user + ":" + request.password].map { Array($0.utf8) }
            })
        let code = await withTaskGroup(of: Void.self) { group in
            group.addTask { await drive(self) }
            let code = await CommandRunner.run(arguments: arguments, environment: environment)
            group.cancelAll()
            return code
        }
        return Run(code: code, output: output.withLock { $0 }, errors: errors.withLock { $0 })
    }

    struct NoSuchFile: Error, CustomStringConvertible { var description: String { "no such file" } }

    /// Waits until someone sleeps for `duration`, then moves the clock by it.
    func pass(_ duration: Duration) async {
        await clock.waitForSleeper(until: clock.now() + duration)
        if Task.isCancelled { return }
        clock.advance(by: duration)
    }

    /// Moves the clock to whatever anybody sleeps for, until cancelled.
    func hurry() async {
        while !Task.isCancelled {
            if let time = clock.nextDue { clock.advance(to: time) }
            await Task.yield()
        }
    }

    /// Lets one roll call end, after `owner` has answered `count` of them and the command has read the answers.
    func finishRollCall(after owner: ScriptedOwner?, answers count: Int = 1) async {
        await clock.waitForSleeper(until: clock.now() + FleetListener.patience)
        // The private queue of the command that listens; at most one is there at a time.
        await eventually { (owner?.helloCount ?? count) >= count && listenerHasReadAll() }
        if Task.isCancelled { return }
        clock.advance(by: FleetListener.patience)
    }

    func listenerHasReadAll() -> Bool {
        let queues = listenerQueues.withLock { $0 }
        return queues.allSatisfy {
            broker.readyMessages(in: $0).isEmpty && broker.unacknowledgedCount(in: $0) == 0
        }
    }
}

func eventually(_ condition: () -> Bool) async {
    while !condition() && !Task.isCancelled { await Task.yield() }
}
