import ArgumentParser
import DurableBackend
import DurableClient
import DurableCore
import DurableJSON

struct DrainCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "drain", abstract: "Stop workers in order, and wait until they have gone.",
        discussion: """
            A worker that drains takes nothing new, hands its partitions over, lets running activities finish up to \
            the grace period, cancels what is left (other workers run that again), and exits 0. SIGTERM does the same.

              dtq drain web-7-2181-k3x
              dtq drain --all --grace 2m --yes

            Exit codes: 0 all have drained, 1 failed, not confirmed, or a worker fell silent without a receipt, 2 wrong \
            usage, 3 no such hub or worker.
            """)

    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var output: OutputOptions
    @OptionGroup var confirmation: ConfirmationOptions

    @Argument(help: ArgumentHelp("Workers to stop, as dtq workers names them.", valueName: "worker"))
    var workers: [String] = []

    @Flag(help: "Stop every worker of the hub.")
    var all = false

    @Option(
        help: ArgumentHelp(
            "How long running activities may go on (default: as each worker is configured).", valueName: "duration"))
    var grace: String?

    mutating func validate() throws {
        if all != workers.isEmpty { throw ValidationError("Name workers, or use --all.") }
    }

    mutating func run() async throws {
        let environment = CommandEnvironment.current
        let grace = try grace.map { try ArgumentText.duration($0, option: "--grace") }
        let (isAll, isJSON, confirmation) = (all, output.json, confirmation)
        let named = Set(workers.map { WorkerID($0) }).sorted()
        try await connection.withClient(environment) { client in
            try await FleetListener.listening(client) { listener in
                try await listener.callRoll()
                let alive = await listener.workers.map(\.worker)
                let unknown = named.filter { !alive.contains($0) }
                if !unknown.isEmpty {
                    let names = unknown.map { TerminalText.safe($0.value) }.joined(separator: ", ")
                    environment.printError(
                        "No such worker of hub \"\(client.hub)\": \(names). Nothing was done. "
                            + "dtq workers shows those that are alive.")
                    throw ExitCode.notFound
                }
                if isAll && !alive.isEmpty {
                    try await confirmation.confirm(
                        "This stops all \(HumanText.count(alive.count, "worker")) of hub \"\(client.hub)\".",
                        expecting: client.hub.value, environment)
                }
                let outcomes = try await client.drain(
                    isAll ? alive : named, includingOthers: isAll, grace: grace, heardBy: listener
                ) { outcome in
                    if !isJSON { environment.print(outcome.line) }
                }
                if isJSON {
                    let json: JSONValue = [
                        "hub": .string(client.hub.value), "workers": .array(outcomes.map(\.json)),
                    ]
                    environment.print(json.text)
                } else if outcomes.isEmpty {
                    environment.printError("No worker of hub \"\(client.hub)\" answered within a second.")
                }
                if outcomes.contains(where: { $0.end == .silent }) { throw ExitCode.failure }
            }
        }
    }
}

extension DrainOutcome {
    fileprivate var line: String {
        let name = TerminalText.safe(worker.value)
        switch end {
        case .silent: return "\(name)  fell silent: no receipt"
        case .drained(nil): return "\(name)  drained"
        case .drained(let receipt?):
            let seconds = HumanText.decimal(receipt.duration / .seconds(1), digits: 3)
            return "\(name)  drained in \(seconds) s: \(HumanText.grouped(receipt.finishedActivities)) finished, "
                + "\(HumanText.count(receipt.releasedPartitions, "partition")) handed over, "
                + "\(HumanText.grouped(receipt.returnedDeliveries)) returned, "
                + "\(HumanText.grouped(receipt.canceledActivities)) cancelled"
        }
    }

    fileprivate var json: JSONValue {
        var receipt: WorkerReceipt?
        if case .drained(let found) = end { receipt = found }
        return [
            "worker": .string(worker.value), "outcome": end == .silent ? "silent" : "drained",
            "receipt": .optional(receipt) { receipt in
                [
                    "finished": .integer(receipt.finishedActivities),
                    "handed_over": .integer(receipt.releasedPartitions),
                    "returned": .integer(receipt.returnedDeliveries),
                    "cancelled": .integer(receipt.canceledActivities),
                    "seconds": .decimal(receipt.duration / .seconds(1), digits: 3),
                ]
            },
        ]
    }
}
