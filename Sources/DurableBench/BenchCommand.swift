package import ArgumentParser
import Durable
import DurableCLI
import DurableClient
import DurableCore
import Foundation

/// `dtq bench`: measures this build on a broker, beside what broker and store do by themselves.
package struct BenchCommand: AsyncParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "bench", abstract: "Measure throughput, latency and memory on a broker.",
        discussion: """
            Makes a throw-away hub, runs workers in this process, and removes the hub at the end, also when it fails \
            or is stopped with SIGINT. Each round is preceded by one of the raw broker through the same transport.

              sequence   instances of three activities, all submitted at once: orchestrations/s
              fanout     one instance that runs 500 activities at once: activities/s
              latency    one instance at a time, from submission to completion: milliseconds
              waiting    100,000 instances that wait for an event in a bounded cache: memory
              recovery   100,000 instances in a partition that loses its owner: seconds until the next one serves

              dtq bench sequence --instances 2000 --workers 2
              dtq bench waiting --cache 8 --json

            Use a release build on a machine that does nothing else; see docs/bench.md.
            Exit codes: 0 done, 1 failed or stopped, 2 wrong usage.
            """)

    @Argument(help: "What to measure: sequence, fanout, latency, waiting or recovery.")
    var kind: BenchKind

    @Option(help: ArgumentHelp("Instances of each round (default: 1000, 1, 100, 100000, 100000).", valueName: "n"))
    var instances: Int?

    @Option(help: ArgumentHelp("Activities of each instance (default: 3, 500, 3, 0, 0).", valueName: "n"))
    var activities: Int?

    @Option(help: ArgumentHelp("Rounds after the warm-up (default: 5, 5, 3, 1, 3).", valueName: "n"))
    var rounds: Int?

    @Option(
        help: ArgumentHelp("Workers in this process, each with connections of its own (default: 1).", valueName: "n"))
    var workers: Int?

    @Option(help: ArgumentHelp("Partitions of the hub, 1 to 1024 (default: 8).", valueName: "n"))
    var partitions: Int?

    @Option(help: ArgumentHelp("MiB of memory for cached instances, per partition.", valueName: "mib"))
    var cache = 64

    @Option(help: ArgumentHelp("Messages of one round of the raw broker.", valueName: "n"))
    var baseline = 20_000

    @Option(
        help: ArgumentHelp(
            "recovery: what is below leaves the page cache before each round, such as the broker's files.",
            valueName: "directory"))
    var cold: String?

    @Option(help: ArgumentHelp("Broker to use (environment: DTQ_BROKER).", valueName: "url"))
    var broker: String?

    @Flag(help: "Print the result as one JSON document with stable keys.")
    var json = false

    // The worker that `recovery` kills is this program once more.
    @Option(help: .hidden) var serve: String?
    @Option(help: .hidden) var worker: String?
    @Option(help: .hidden) var data: String?
    @Option(help: .hidden) var program: String?

    package init() {}

    package func validate() throws {
        let counts = [("instances", instances ?? 1), ("rounds", rounds ?? 1), ("cache", cache)]
        for (name, value) in counts + [
            ("workers", workers ?? 1), ("baseline", baseline), ("partitions", partitions ?? 1),
        ]
        where value < 1 {
            throw ValidationError("--\(name) is 1 or more, this is \(value).")
        }
        if let partitions, partitions > 1024 {
            throw ValidationError("--partitions is 1024 at most, this is \(partitions).")
        }
        if kind == .recovery, workers != nil || partitions ?? 1 > 1 || activities ?? 0 > 0 {
            throw ValidationError("recovery has one partition, workers of its own and no activities.")
        }
        if kind != .recovery, cold != nil || serve != nil {
            throw ValidationError("--cold belongs to recovery.")
        }
        let least = kind == .waiting || kind == .recovery ? 0 : 1
        if let activities, activities < least || activities > 10_000 {
            throw ValidationError("--activities is \(least) to 10000, this is \(activities).")
        }
        if kind == .waiting, activities ?? 0 > 0 || rounds ?? 1 > 1 {
            throw ValidationError("waiting has one round and no activities.")
        }
    }

    package mutating func run() async throws {
        let environment = CommandEnvironment.current
        let temporary = environment.variables["TMPDIR"].flatMap { $0.isEmpty ? nil : $0 } ?? "/tmp"
        var settings = BenchSettings(
            kind: kind, brokerURLs: try ConnectionOptions.brokerURLs(option: broker, environment.variables),
            temporaryDirectory: environment.absolutePath(temporary), instances: instances, activities: activities,
            rounds: rounds)
        settings.workers = workers ?? settings.workers
        settings.partitions = partitions ?? settings.partitions
        settings.coldDirectory = cold.map(environment.absolutePath)
        settings.cacheMebibytes = cache
        settings.baselineMessages = baseline
        let commit = environment.variables["DTQ_COMMIT"]
        if kind == .recovery { return try await recover(settings, commit, environment) }
        let bench = Task { [settings] in
            try await Bench(settings: settings, say: environment.printError).run(commit: commit)
        }
        let report = try await ProcessSignals.whileHandled(stop: { bench.cancel() }) { try await bench.value }
        if json {
            environment.print(try report.json())
        } else {
            for line in report.lines { environment.print(line) }
        }
    }
}

extension BenchCommand {
    private func recover(_ settings: BenchSettings, _ commit: String?, _ environment: CommandEnvironment) async throws {
        if let serve {
            guard let hub = HubName(serve), let worker, let data else {
                throw ValidationError("--serve needs the name of a hub, --worker and --data.")
            }
            return try await RecoveryWorker(settings: settings, hub: hub, id: WorkerID(worker), directory: data).run()
        }
        let bench = Task { [program] in
            try await RecoveryBench(
                settings: settings, program: program ?? CommandLine.executable, say: environment.printError
            ).run(commit: commit)
        }
        let report = try await ProcessSignals.whileHandled(stop: { bench.cancel() }) { try await bench.value }
        for line in json ? [try report.json()] : report.lines { environment.print(line) }
    }
}

extension CommandLine {
    /// Absolute path of this program.
    fileprivate static var executable: String { Bundle.main.executablePath ?? arguments[0] }
}

/// Why a measurement came to nothing.
struct BenchFailure: Error, CustomStringConvertible {
    var description: String
    init(_ description: String) { self.description = description }
}
