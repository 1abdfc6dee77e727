import ArgumentParser
import DurableAMQP
import DurableBackend
import DurableCLI
import DurableClient
import DurableCore
import DurableJSON
import DurablePayloads
import DurableTask
import Foundation
import Logging

/// `replay-check`: what every worker program can say about its code before it is deployed.
struct ReplayCheckCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "replay-check",
        abstract: "Replays the hub's histories on this program's code, and shows the instances it does not fit.",
        discussion: """
            Run it with a new build before you deploy it. It reads the hub's instances through their workers (open ones, \
            unless --status says others), changes nothing and runs no activity. --file replays histories that \
            dtq history ID --json --payloads printed, without a broker.

            Exit codes: 0 all fit, 1 some do not (or the hub cannot be read), 2 wrong usage.
            """)

    @ParentCommand var worker: WorkerCommand
    @OptionGroup var connection: ConnectionOptions

    @OptionGroup var filter: FilterOptions

    @Option(help: ArgumentHelp("No more than this many, the oldest (default: all).", valueName: "n"))
    var limit: Int?

    @Option(help: ArgumentHelp("Replay this history instead of the hub's; may be repeated.", valueName: "file"))
    var file: [String] = []

    @Flag(help: "Print the result as one JSON document with stable keys.")
    var json = false

    func validate() throws {
        if let limit, limit < 1 { throw ValidationError("--limit is 1 or more, this is \(limit).") }
        if !file.isEmpty, !filter.isEmpty || limit != nil {
            throw ValidationError("--file goes without --limit and options that say which instances are meant.")
        }
        if worker.embedded != nil {
            throw ValidationError(
                "replay-check does not open an embedded hub: export histories from it and give them with --file.")
        }
    }

    /// - Returns: Whether all that was checked fits.
    func run(_ registry: Registry, _ payloads: PayloadOptions) async throws -> Bool {
        var check = ReplayCheck(registry, payloads: PayloadPipeline(payloads, hubID: ""))
        if file.isEmpty {
            try await checkHub(&check, payloads)
        } else {
            for path in file { try await check.check(file: path, try contents(of: path)) }
        }
        for line in json ? [check.json.text] : check.lines { print(line) }
        return check.doesFit
    }

    private func contents(of path: String) throws -> [UInt8] {
        do {
            return Array(try Data(contentsOf: URL(fileURLWithPath: path)))
        } catch {
            throw ClientError(.wrongArgument, "\(path) cannot be read: \(error.localizedDescription)", cause: error)
        }
    }

    private func checkHub(_ check: inout ReplayCheck, _ payloads: PayloadOptions) async throws {
        let variables = ProcessInfo.processInfo.environment
        var connection = connection
        // They may stand before the command's name too.
        if connection.broker == nil { connection.broker = worker.connection.broker }
        if connection.hub == nil { connection.hub = worker.connection.hub }
        var filter = try filter.filter(at: SystemClock().now())
        if filter.statuses.isEmpty { filter.statuses = [.running, .pending, .suspended] }
        let hub = try connection.hubName(variables)
        let logger = try WorkerSettings(worker, variables).logger
        let adapters = try Adapters(brokerURLs: connection.brokerURLs(variables), logger: logger)
        let transport = adapters.transport
        do {
            let client = try await HubClient.connect(
                transport: transport, hub: hub, clock: SystemClock(),
                payloads: { PayloadPipeline(payloads, hubID: $0) })
            try await check.check(client, filter, limit: limit)
            await client.close()
            await transport.close()
        } catch {
            await transport.close()
            throw error
        }
    }
}
