import ArgumentParser
import DurableAMQP
import DurableBackend
import DurableCLI
import DurableClient
import DurableCore
import DurableEngine
import DurablePayloads
import DurableSQLite
import DurableTask
import DurableWorker
import Foundation
import Logging

/// The command line of every worker program.
struct WorkerCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: ProcessInfo.processInfo.processName,
        abstract: "Runs this program's orchestrations and activities on a task hub.",
        discussion: """
            Start as many copies as you like: they share the hub's partitions and compete for activities. Stop one \
            with SIGTERM: it finishes what it has in hand, prints a receipt and exits 0; a second signal ends it at \
            once with 75. Killing one at any moment loses nothing.

            Every option has an environment variable, DTQ_ and its name: DTQ_BROKER, DTQ_HUB, DTQ_ROLES, DTQ_SLOTS, \
            DTQ_PREFETCH, DTQ_GRACE, DTQ_DATA, DTQ_CACHE, DTQ_LOG_LEVEL. DTQ_BUILD names the build, as \
            dtq workers shows it. Where the program does not say so itself, DTQ_PAYLOAD_KEYS names a file of keys that \
            payloads are encrypted with, and DTQ_PAYLOAD_STORE a directory where large ones are kept.

            --embedded runs everything in this one process without a broker, for development and small tools.
            """, subcommands: [ReplayCheckCommand.self])

    @OptionGroup var connection: ConnectionOptions

    @Option(
        help: ArgumentHelp("What to run: orchestrations, activities, or both, separated by a comma.", valueName: "list")
    )
    var roles: String?

    @Option(help: ArgumentHelp("Activities that run at a time (default: 32).", valueName: "n"))
    var slots: String?

    @Option(help: ArgumentHelp("Control messages in hand at a time, per partition (default: 512).", valueName: "n"))
    var prefetch: String?

    @Option(
        help: ArgumentHelp("Seconds that running activities may go on after SIGTERM (default: 30).", valueName: "s"))
    var grace: String?

    @Option(
        help: ArgumentHelp(
            "Directory of this worker's copies of partitions, one a worker (default: one that is free under the user's "
                + "state directory); of the hub's partition files with a local log (default: the one the hub names).",
            valueName: "dir"))
    var data: String?

    @Option(help: ArgumentHelp("MiB of memory for cached instances, per partition (default: 64).", valueName: "mib"))
    var cache: String?

    @Option(help: ArgumentHelp("trace, debug, info, notice, warning or error (default: info).", valueName: "level"))
    var logLevel: String?

    @Option(help: ArgumentHelp("Run without a broker, with everything kept in this directory.", valueName: "dir"))
    var embedded: String?

    @Option(
        help: ArgumentHelp(
            "With --embedded: start the instances of this NDJSON file (- for standard input), print each result as a "
                + "line of JSON, and exit.", valueName: "file"))
    var submit: String?

    func validate() throws {
        if submit != nil && embedded == nil { throw ValidationError("--submit goes with --embedded.") }
    }

    func run(_ registry: Registry, _ payloads: PayloadOptions) async throws {
        let variables = ProcessInfo.processInfo.environment
        let settings = try WorkerSettings(self, variables)
        if let embedded {
            try await EmbeddedProgram(directory: embedded, submit: submit, settings: settings, payloads: payloads).run(
                registry)
            return
        }
        let hub = try connection.hubName(variables)
        let adapters = try Adapters(brokerURLs: connection.brokerURLs(variables), logger: settings.logger)
        let client = try await HubClient.connect(transport: adapters.transport, hub: hub, clock: SystemClock())
        let descriptor = client.descriptor
        await client.close()
        let host = try adapters.worker(
            id: WorkerSettings.makeWorkerID(), descriptor: descriptor, registry: registry,
            directory: settings.dataDirectory, configuration: settings.configuration, payloads: payloads,
            logger: settings.logger)
        let receipt = try await ProcessSignals.whileHandled(stop: { host.stop() }) { try await host.run() }
        await adapters.transport.close()
        print(receipt.json)
    }
}

/// Options and environment, checked.
struct WorkerSettings {
    var configuration = WorkerConfiguration()
    var dataDirectory: String?
    var logger: Logger

    init(_ command: WorkerCommand, _ variables: [String: String]) throws {
        func text(_ option: String?, _ variable: String) -> String? {
            option ?? variables[variable].flatMap { $0.isEmpty ? nil : $0 }
        }
        func number(_ option: String?, _ variable: String, _ name: String, _ range: ClosedRange<Int>) throws -> Int? {
            guard let value = text(option, variable) else { return nil }
            guard let number = Int(value), range.contains(number) else {
                throw ValidationError(
                    "--\(name) (\(variable)) takes a whole number from \(range.lowerBound) to "
                        + "\(range.upperBound), not \"\(value)\".")
            }
            return number
        }
        if let roles = text(command.roles, "DTQ_ROLES") {
            let names = roles.split(separator: ",").map { $0.filter { $0 != " " } }
            if names.isEmpty || names.contains(where: { $0 != "orchestrations" && $0 != "activities" }) {
                throw ValidationError(
                    "--roles (DTQ_ROLES) takes orchestrations, activities, or both, not \"\(roles)\".")
            }
            configuration.runsOrchestrations = names.contains("orchestrations")
            configuration.runsActivities = names.contains("activities")
        }
        if let slots = try number(command.slots, "DTQ_SLOTS", "slots", 1...10_000) { configuration.slots = slots }
        if let prefetch = try number(command.prefetch, "DTQ_PREFETCH", "prefetch", 1...65_535) {
            configuration.engine.controlPrefetch = prefetch
        }
        if let grace = try number(command.grace, "DTQ_GRACE", "grace", 0...86_400) {
            configuration.gracePeriod = .seconds(grace)
        }
        if let cache = try number(command.cache, "DTQ_CACHE", "cache", 1...1_000_000) {
            configuration.engine.cacheBytes = cache << 20
        }
        if let build = text(nil, "DTQ_BUILD") {
            configuration.buildVersion = build
            configuration.engine.build = build
        }
        dataDirectory = text(command.data, "DTQ_DATA")
        var level = Logger.Level.info
        if let name = text(command.logLevel, "DTQ_LOG_LEVEL") {
            guard let chosen = Logger.Level(rawValue: name.lowercased()) else {
                throw ValidationError(
                    "--log-level (DTQ_LOG_LEVEL) takes trace, debug, info, notice, warning or error, "
                        + "not \"\(name)\".")
            }
            level = chosen
        }
        logger = Logger(label: "dtq.worker", factory: { LineLogHandler(label: $0) })
        logger.logLevel = level
    }

    /// Host, process and a random part: unique among all workers that ever ran.
    static func makeWorkerID() -> WorkerID {
        let host = ProcessInfo.processInfo.hostName.split(separator: ".").first.map(String.init) ?? "host"
        let random = String(UInt32.random(in: .min ... .max), radix: 36)
        return WorkerID("\(host)-\(ProcessInfo.processInfo.processIdentifier)-\(random)")
    }
}

extension WorkerReceipt {
    /// One line for scripts and logs.
    var json: String {
        let seconds = Double(Int(duration / .milliseconds(1))) / 1000
        return #"{"finished":\#(finishedActivities),"handed_over":\#(releasedPartitions),"#
            + #""returned":\#(returnedDeliveries),"cancelled":\#(canceledActivities),"seconds":\#(seconds)}"#
    }
}
