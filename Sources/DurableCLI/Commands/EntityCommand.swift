import ArgumentParser
import DurableBackend
import DurableClient
import DurableCore
import DurableJSON

struct EntityCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "entity", abstract: "Look at entities, and send them operations.",
        discussion: """
              dtq entity get Counter red
              dtq entity signal Counter red add --input 1
              dtq entity list Counter
            """,
        subcommands: [EntityGetCommand.self, EntitySignalCommand.self, EntityListCommand.self])
}

struct EntityArguments: ParsableArguments {
    @Argument(help: "Name of the entity.")
    var name: String

    @Argument(help: "Its key.")
    var key: String

    var id: EntityID { EntityID(name: name, key: key) }
}

struct EntityGetCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "get", abstract: "Print what an entity keeps.",
        discussion: """
            The state is as it is saved: operations that wait have had no effect yet.

            Exit codes: 0 printed, 1 failed, 2 wrong usage, 3 no such entity, or it has no state.
            """)

    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var output: OutputOptions
    @OptionGroup var entity: EntityArguments

    mutating func run() async throws {
        let environment = CommandEnvironment.current
        let (id, isJSON) = (entity.id, output.json)
        try await connection.withClient(environment) { client in
            guard let kept = try await client.state(of: id), case let snapshot = await client.opened(kept),
                let entity = snapshot.entity
            else {
                if !isJSON { environment.printError("There is no entity \(TerminalText.safe(id.description)).") }
                throw ExitCode.notFound
            }
            if isJSON {
                environment.print(EntityReport(snapshot: snapshot, entity: entity, id: id).json.text)
            } else if let state = entity.state {
                environment.print(state.text)
            } else {
                environment.printError("Entity \(TerminalText.safe(id.description)) has no state.")
            }
            if let lock = entity.lock, !isJSON {
                environment.printError("It is locked by instance \(TerminalText.safe(lock.parent.value)).")
            }
            if entity.state == nil { throw ExitCode.notFound }
        }
    }
}

struct EntitySignalCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "signal", abstract: "Send an operation to an entity.",
        discussion: """
            Nobody waits for it, and what it throws nobody hears. An entity that is not there comes to be by it. The same \
            --request-id is applied once.

            Exit codes: 0 accepted, 1 failed, 2 wrong usage, 3 no such hub.
            """)

    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var output: OutputOptions
    @OptionGroup var entity: EntityArguments

    @Argument(help: "Name of the operation.")
    var operation: String

    @Option(help: ArgumentHelp("Input: JSON, @FILE, or - for standard input.", valueName: "json"))
    var input: String?

    @Option(help: ArgumentHelp("Request ID, which is applied once (default: a UUID).", valueName: "id"))
    var requestID: String?

    mutating func run() async throws {
        let environment = CommandEnvironment.current
        let input = try await PayloadArgument.read(input, option: "--input", environment)
        let (id, operation, requestID, isJSON) = (entity.id, operation, requestID, output.json)
        try await connection.withClient(environment) { client in
            let submission = try await client.signal(operation, id, input: input, requestID: requestID)
            try MessageReport.finish(submission, isJSON: isJSON, client, environment)
        }
    }
}

struct EntityListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List entities, oldest first.",
        discussion: """
            Exit codes: 0 listed, 1 failed (DTQ5001: a partition has no worker), 2 wrong usage, 3 no such hub.
            """)

    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var output: OutputOptions

    @Argument(help: "Name of the entities (default: all).")
    var name: String?

    @Option(help: ArgumentHelp("At most this many, 1 to 10,000.", valueName: "count"))
    var limit = 50

    @Option(help: ArgumentHelp("Go on where the page before ended.", valueName: "cursor"))
    var cursor: String?

    mutating func run() async throws {
        let environment = CommandEnvironment.current
        guard (1...10_000).contains(limit) else {
            throw ClientError.usage("--limit is 1 to 10,000, this is \(limit).")
        }
        let filter = ListFilter(idPrefix: name.map { "@\($0)@" } ?? "@")
        let after = try cursor.map { try ListCursor(token: $0) }
        let (limit, isJSON) = (limit, output.json)
        try await connection.withClient(environment) { client in
            let page = try await client.list(filter, after: after, limit: limit)
            let reports = page.instances.compactMap { snapshot in
                snapshot.id.entity.map {
                    EntityReport(snapshot: snapshot, entity: snapshot.entity ?? EntityState(), id: $0)
                }
            }
            if isJSON {
                let json: JSONValue = [
                    "entities": .array(reports.map(\.summary)),
                    "nextCursor": .optional(page.next) { .string($0.token) },
                ]
                environment.print(json.text)
                return
            }
            if reports.isEmpty { return environment.printError("No entities.") }
            let (style, now) = (environment.style, environment.clock.now())
            var table = TextTable([.init("NAME"), .init("KEY"), .init("LOCKED BY"), .init("UPDATED")])
            for report in reports {
                table.append([
                    report.id.name, report.id.key, report.entity.lock?.parent.value ?? "-",
                    HumanText.age(of: report.snapshot.lastUpdatedAt, at: now),
                ])
            }
            for line in table.lines(style) { environment.print(line) }
            if let next = page.next { environment.printError("There are more: add --cursor \(next.token)") }
        }
    }
}

private struct EntityReport {
    var snapshot: InstanceSnapshot
    var entity: EntityState
    var id: EntityID

    private var members: [JSONValue.Member] {
        [
            .init("name", .string(id.name)), .init("key", .string(id.key)),
            .init("updatedAt", .string(snapshot.lastUpdatedAt.description)),
            .init("waitingMessages", .integer(snapshot.inboxCount)),
            .init("lockedBy", .optional(entity.lock) { .string($0.parent.value) }),
        ]
    }

    var summary: JSONValue { .object(members) }

    var json: JSONValue { .object(members + [.init("state", .payload(entity.state))]) }
}
