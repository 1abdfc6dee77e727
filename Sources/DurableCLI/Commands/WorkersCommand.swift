import ArgumentParser
import DurableBackend
import DurableClient
import DurableCore

struct WorkersCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "workers", abstract: "Show the workers that are alive.",
        discussion: """
            Asks every worker of the hub for a heartbeat and shows those that answer within a second.

              dtq workers
              dtq workers --json

            Exit codes: 0 shown (also when there is none), 1 failed, 2 wrong usage, 3 no such hub.
            """)

    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var output: OutputOptions

    mutating func run() async throws {
        let environment = CommandEnvironment.current
        let isJSON = output.json
        try await connection.withClient(environment) { client in
            let workers = try await client.workers()
            if isJSON {
                let json: JSONValue = ["hub": .string(client.hub.value), "workers": .array(workers.map(Self.json))]
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
                .init("BUILD"),
            ])
            for worker in workers {
                table.append([
                    worker.worker.value, worker.state.rawValue, Self.roles(worker).joined(separator: "+"),
                    "\(worker.activities.reduce(0) { $0 + $1.inFlight })", "\(worker.slots)",
                    Self.ranges(worker.partitions.map(\.partition.index)),
                    HumanText.duration(now.since(worker.startedAt)), HumanText.grouped(worker.episodeCount),
                    HumanText.grouped(worker.activityRunCount), worker.buildVersion,
                ])
            }
            for line in table.lines(environment.style) { environment.print(line) }
        }
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

    private static func json(_ worker: WorkerHeartbeat) -> JSONValue {
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
        ]
    }
}
