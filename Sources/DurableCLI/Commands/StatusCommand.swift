import ArgumentParser
import DurableBackend
import DurableClient
import DurableCore
import DurableJSON

struct StatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "Show one instance, or how many there are by status.",
        discussion: """
            Answered by the owner of the instance's partition from durable state, at once, not behind its backlog.

              dtq status o-1881
              dtq status o-1881 --json
              dtq status                 counts of the whole hub

            Exit codes: 0 shown, 1 failed (DTQ5001: no worker can answer), 2 wrong usage, 3 no such instance or hub.
            """)

    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var output: OutputOptions

    @Argument(help: "Instance ID.")
    var id: String?

    mutating func run() async throws {
        let environment = CommandEnvironment.current
        let output = output
        let id = id.map { InstanceID($0) }
        try await connection.withClient(environment) { client in
            guard let id else { return try await Self.printCounts(client, output, environment) }
            guard let snapshot = try await client.status(of: id) else { throw client.notFound(id) }
            let report = InstanceReport(
                snapshot: await client.opened(snapshot), partition: client.partition(of: id),
                now: environment.clock.now())
            if output.json {
                environment.print(report.json.text)
            } else {
                for line in report.lines(environment.style) { environment.print(line) }
            }
        }
    }

    private static func printCounts(
        _ client: HubClient, _ output: OutputOptions, _ environment: CommandEnvironment
    ) async throws {
        let counts = try await client.counts()
        let report = CountsReport(hub: client.hub, counts: counts)
        if output.json { return environment.print(report.json.text) }
        if counts.isEmpty { return environment.printError("Hub \"\(client.hub)\" has no instances.") }
        for line in report.lines(environment.style) { environment.print(line) }
    }
}
