import ArgumentParser
import DurableBackend
import DurableClient
import DurableCore
import DurableJSON

struct ListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List instances, oldest first, page by page, or count them.",
        discussion: """
              dtq list --status running --status failed
              dtq list --name ShipOrder --prefix o-18 --from 2h
              dtq list --tag customer=acme --tag urgent
              dtq list --name ShipOrder --from 1d --count     numbers by status
              dtq list --limit 500 --cursor CURSOR

            The cursor of the next page is printed on standard error (--json: nextCursor). Times are ISO 8601, or \
            durations before now.

            Exit codes: 0 listed, 1 failed (DTQ5001: a partition has no worker), 2 wrong usage, 3 no such hub.
            """)

    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var output: OutputOptions

    @OptionGroup var filter: FilterOptions

    @Option(help: ArgumentHelp("At most this many, 1 to 10,000.", valueName: "count"))
    var limit = 50

    @Option(help: ArgumentHelp("Go on where the page before ended.", valueName: "cursor"))
    var cursor: String?

    @Flag(help: "Show how many there are by status, instead.")
    var count = false

    mutating func validate() throws {
        if count, cursor != nil { throw ValidationError("--count counts all that fit: it takes no --cursor.") }
    }

    mutating func run() async throws {
        let environment = CommandEnvironment.current
        let now = environment.clock.now()
        guard (1...10_000).contains(limit) else {
            throw ClientError.usage("--limit is 1 to 10,000, this is \(limit).")
        }
        let filter = try filter.filter(at: now)
        let after = try cursor.map { try ListCursor(token: $0) }
        let limit = limit
        let (isJSON, counts) = (output.json, count)
        try await connection.withClient(environment) { client in
            if counts {
                let report = CountsReport(hub: client.hub, counts: try await client.counts(filter))
                if isJSON { return environment.print(report.json.text) }
                if report.counts.isEmpty { return environment.printError("No instances.") }
                for line in report.lines(environment.style) { environment.print(line) }
                return
            }
            let page = try await client.list(filter, after: after, limit: limit)
            if isJSON {
                let json: JSONValue = [
                    "instances": .array(
                        page.instances.map { .object(InstanceReport.summary($0, client.partition(of: $0.id))) }),
                    "nextCursor": .optional(page.next) { .string($0.token) },
                ]
                environment.print(json.text)
                return
            }
            if page.instances.isEmpty { return environment.printError("No instances.") }
            let style = environment.style
            // Most hubs have none.
            let hasTags = page.instances.contains { !$0.tags.isEmpty }
            var table = TextTable(
                [.init("INSTANCE"), .init("NAME"), .init("STATUS"), .init("CREATED"), .init("UPDATED")]
                    + (hasTags ? [.init("TAGS")] : []))
            for instance in page.instances {
                table.append(
                    [
                        instance.id.value, instance.name, instance.status.description,
                        HumanText.time(instance.createdAt), HumanText.age(of: instance.lastUpdatedAt, at: now),
                    ] + (hasTags ? [instance.tags.map { "\($0.key)=\($0.value)" }.joined(separator: " ")] : []))
            }
            table.decorate = { row, column, text in
                column == 2 ? style.paint(text, as: page.instances[row].status) : text
            }
            for line in table.lines(style) { environment.print(line) }
            if let next = page.next { environment.printError("There are more: add --cursor \(next.token)") }
        }
    }
}
