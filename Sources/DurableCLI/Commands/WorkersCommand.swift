import ArgumentParser
import DurableBackend
import DurableClient
import DurableCore
import DurableJSON

struct WorkersCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "workers", abstract: "Show the workers that are alive.",
        discussion: """
            Asks every worker of the hub for a heartbeat and shows those that answer within a second.

              dtq workers
              dtq workers --partitions        with the epoch of each partition
              dtq workers --json

            Exit codes: 0 shown (also when there is none), 1 failed, 2 wrong usage, 3 no such hub.
            """)

    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var output: OutputOptions

    @Flag(help: "Also list the partitions with their epochs.")
    var partitions = false

    mutating func run() async throws {
        let environment = CommandEnvironment.current
        let isJSON = output.json
        let showsPartitions = partitions
        try await connection.withClient(environment) { client in
            let workers = try await client.workers()
            if isJSON {
                let json: JSONValue = [
                    "hub": .string(client.hub.value),
                    "workers": .array(workers.map { Self.json($0, environment.clock.now()) }),
                ]
                environment.print(json.text)
                return
            }
            if workers.isEmpty {
                return environment.printError("No worker of hub \"\(client.hub)\" answered within a second.")
            }
            let now = environment.clock.now()
            var table = TextTable([
                .init("WORKER"), .init("STATE"), .init("ROLES"), .init("BUSY", .right), .init("SLOTS", .right),
                .init("PARTITIONS"), .init("UP", .right), .init("EPISODES", .right), .init("RUNS", .right),
                .init("EPISODES/S", .right), .init("RUNS/S", .right), .init("BUILD"),
            ])
            for worker in workers {
                table.append([
                    worker.worker.value, worker.state.rawValue, Self.roles(worker).joined(separator: "+"),
                    "\(Self.busySlots(worker))", "\(worker.slots)",
                    Self.ranges(worker.partitions.map(\.partition.index)),
                    HumanText.duration(now.since(worker.startedAt)), HumanText.grouped(worker.episodeCount),
                    HumanText.grouped(worker.activityRunCount), HumanText.decimal(Self.episodesPerSecond(worker, now)),
                    HumanText.decimal(Self.runsPerSecond(worker, now)), worker.buildVersion,
                ])
            }
            for line in table.lines(environment.style) { environment.print(line) }
            if showsPartitions {
                environment.print("")
                for line in Self.partitionTable(workers).lines(environment.style) { environment.print(line) }
            }
        }
    }

    private static func partitionTable(_ workers: [WorkerHeartbeat]) -> TextTable {
        var table = TextTable([
            .init("PARTITION", .right), .init("EPOCH"), .init("WORKER"), .init("IN FLIGHT", .right),
            .init("OUTBOX", .right), .init("HELD", .right), .init("NEXT DUE"),
        ])
        let owned = workers.flatMap { worker in worker.partitions.map { (worker.worker, $0) } }
        for (worker, partition) in owned.sorted(by: {
            ($0.1.partition, $0.1.epoch) < ($1.1.partition, $1.1.epoch)
        }) {
            table.append([
                "\(partition.partition)", partition.epoch.description, worker.value,
                HumanText.grouped(partition.inFlight), HumanText.grouped(partition.outbox),
                HumanText.grouped(partition.heldInstances), partition.nextDue.map(HumanText.time) ?? "-",
            ])
        }
        return table
    }

    /// Slots in use.
    private static func busySlots(_ worker: WorkerHeartbeat) -> Int {
        worker.activities.reduce(0) { $0 + $1.inFlight }
    }

    private static func episodesPerSecond(_ worker: WorkerHeartbeat, _ now: Timestamp) -> Double {
        worker.episodesPerSecond ?? overUptime(worker.episodeCount, worker, now)
    }

    private static func runsPerSecond(_ worker: WorkerHeartbeat, _ now: Timestamp) -> Double {
        worker.activityRunsPerSecond ?? overUptime(worker.activityRunCount, worker, now)
    }

    /// For a worker that has not measured an interval yet.
    private static func overUptime(_ count: UInt64, _ worker: WorkerHeartbeat, _ now: Timestamp) -> Double {
        Double(count) / max(1, now.since(worker.startedAt) / .seconds(1))
    }

    private static func roles(_ worker: WorkerHeartbeat) -> [String] {
        (worker.runsOrchestrations ? ["orchestrations"] : []) + (worker.runsActivities ? ["activities"] : [])
    }

    /// `0-3,7`; `-` for none.
    static func ranges(_ numbers: [Int]) -> String {
        var parts: [ClosedRange<Int>] = []
        for number in numbers.sorted() {
            if let last = parts.last, last.upperBound + 1 == number {
                parts[parts.count - 1] = last.lowerBound...number
            } else {
                parts.append(number...number)
            }
        }
        if parts.isEmpty { return "-" }
        return parts.map { $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound)-\($0.upperBound)" }
            .joined(separator: ",")
    }

    private static func json(_ worker: WorkerHeartbeat, _ now: Timestamp) -> JSONValue {
        [
            "worker": .string(worker.worker.value),
            "state": .string(worker.state.rawValue),
            "roles": .array(roles(worker).map { .string($0) }),
            "startedAt": .string(worker.startedAt.description),
            "build": .string(worker.buildVersion),
            "slots": .integer(worker.slots),
            "episodes": .integer(worker.episodeCount),
            "activityRuns": .integer(worker.activityRunCount),
            "orchestrations": .array(worker.orchestrations.map { .string($0) }),
            "code": .array(
                worker.codes.map {
                    ["name": .string($0.name), "version": .optional($0.version) { .string($0) }]
                }),
            "activities": .array(
                worker.activities.map { ["name": .string($0.name), "inFlight": .integer($0.inFlight)] }),
            "partitions": .array(
                worker.partitions.map { partition in
                    [
                        "partition": .integer(partition.partition.index),
                        "epoch": .string(partition.epoch.description),
                        "inFlight": .integer(partition.inFlight),
                        "outbox": .integer(partition.outbox),
                        "heldInstances": .integer(partition.heldInstances),
                        "nextDue": .optional(partition.nextDue) { .string($0.description) },
                    ]
                }),
            "standBy": .optional(worker.standBy) { .array($0.map { .integer($0.index) }) },
            "busy": .integer(busySlots(worker)),
            "episodesPerSecond": .decimal(episodesPerSecond(worker, now)),
            "activityRunsPerSecond": .decimal(runsPerSecond(worker, now)),
        ]
    }
}
