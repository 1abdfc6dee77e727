import ArgumentParser
import DurableBackend
import DurableClient
import DurableCore
import DurableJSON

struct HubCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "hub", abstract: "Create, show, verify, repair, back up, restore and delete task hubs.",
        discussion: """
            A task hub is a named container of queues, partitions and histories. Workers and clients name the hub \
            they belong to with --hub or DTQ_HUB.
            """,
        subcommands: [
            HubCreateCommand.self, HubShowCommand.self, HubVerifyCommand.self, HubRedriveCommand.self,
            HubBackupCommand.self, HubRestoreCommand.self, HubDeleteCommand.self,
        ])
}

extension HubDescriptor.QueueKind: ExpressibleByArgument {}
extension HubDescriptor.LogMode: ExpressibleByArgument {}

struct HubCreateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "create", abstract: "Create a hub, or complete one that is there.",
        discussion: """
            Declares exchanges, queues and streams and writes the hub's descriptor. Safe to repeat. A hub that is \
            there but differs from what you ask for is left as it is (DTQ1002).

            Partition logs are streams of the broker (--log replicated): workers need no shared disk. With --log \
            local they are files in one directory, on one host or on a volume that all workers mount.

              dtq hub create
              dtq hub create --hub orders --partitions 16
              dtq hub create --hub orders --log local --data /srv/dtq/orders
              dtq hub create --hub scratch --queues classic
              dtq hub create --hub audit --retention never

            Exit codes: 0 created or there already, 1 failed, 2 wrong usage.
            """)

    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var output: OutputOptions

    @Option(help: ArgumentHelp("Partitions, 1 to 1024, fixed for the hub's life (default: 8).", valueName: "count"))
    var partitions: Int?

    @Option(help: "Kind of queues: quorum, or classic for a throw-away node (default: quorum).")
    var queues: HubDescriptor.QueueKind?

    @Option(help: "Where partition logs are: replicated (the broker), or local (files) (default: replicated).")
    var log: HubDescriptor.LogMode?

    @Option(
        help: ArgumentHelp(
            "Directory of the hub's files, means --log local (environment: DTQ_DATA; default: ./dtq-data/HUB).",
            valueName: "directory"))
    var data: String?

    @Option(
        help: ArgumentHelp(
            "How long instances are kept after their end, such as 12h or 30d, or never to remove any (default: 30d).",
            valueName: "duration"))
    var retention: String?

    mutating func run() async throws {
        let environment = CommandEnvironment.current
        if let partitions, !(1...1024).contains(partitions) {
            throw ClientError.usage("--partitions is 1 to 1024, this is \(partitions).")
        }
        if log == .replicated, data != nil {
            throw ClientError.usage("--data goes with --log local: a replicated log is in the broker.")
        }
        let logMode = log ?? data.map { _ in .local }
        // The variable is meant for workers too: it names a place, it does not choose the mode.
        let variable = environment.variables["DTQ_DATA"].flatMap { $0.isEmpty ? nil : $0 }
        let named = data ?? (logMode == .local ? variable : nil)
        let retention = try retention.map(ArgumentText.retention)
        try await connection.withTransport(environment) { transport, hub in
            let administration = HubAdministration(
                transport: transport, hub: hub, clock: environment.clock, storage: environment.hubStorage)
            let request = HubAdministration.Request(
                partitionCount: partitions, queueKind: queues, logMode: logMode,
                dataDirectory: named.map(environment.absolutePath),
                defaultDataDirectory: environment.absolutePath("dtq-data/\(hub)"), retention: retention)
            let (descriptor, isNew) = try await administration.create(request, hubID: environment.makeID())
            let report = HubReport(descriptor: descriptor, now: environment.clock.now())
            if output.json {
                environment.print(report.json(isNew: isNew).text)
            } else {
                environment.print(
                    isNew ? "Hub \"\(hub)\" created." : "Hub \"\(hub)\" is there already; its topology is complete.")
                for line in report.lines { environment.print(line) }
            }
        }
    }
}

struct HubShowCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Show what a hub is.",
        discussion: """
              dtq hub show --hub orders
              dtq hub show --json

            Exit codes: 0 shown, 1 failed, 2 wrong usage, 3 no such hub.
            """)

    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var output: OutputOptions

    mutating func run() async throws {
        let environment = CommandEnvironment.current
        try await connection.withClient(environment) { client in
            let report = HubReport(
                descriptor: client.descriptor, now: environment.clock.now(),
                broker: await client.transport.brokerDescription)
            if output.json {
                environment.print(report.json(isNew: nil).text)
            } else {
                for line in report.lines { environment.print(line) }
            }
        }
    }
}

struct HubVerifyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify", abstract: "Compare a hub's queues and exchanges with what they must be.",
        discussion: """
            Changes nothing. One line a difference. Bindings cannot be read through AMQP; dtq hub create declares \
            them again, together with whatever is missing.

              dtq hub verify --hub orders

            Exit codes: 0 as it should be, 1 differences or failed, 2 wrong usage, 3 no such hub.
            """)

    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var output: OutputOptions

    mutating func run() async throws {
        let environment = CommandEnvironment.current
        let differences = try await connection.withTransport(environment) { transport, hub in
            let administration = HubAdministration(
                transport: transport, hub: hub, clock: environment.clock, storage: environment.hubStorage)
            let differences = try await administration.verify()
            if output.json {
                let json: JSONValue = [
                    "hub": .string(hub.value), "ok": .boolean(differences.isEmpty),
                    "differences": .array(differences.map { .string($0.text) }),
                ]
                environment.print(json.text)
            } else if differences.isEmpty {
                environment.print("Hub \"\(hub)\": every queue and exchange is as it should be.")
            } else {
                for difference in differences { environment.print(TerminalText.safe(difference.text)) }
                environment.printError("Declare what is missing with: dtq hub create --hub \(hub)")
            }
            return differences
        }
        if !differences.isEmpty { throw ExitCode.failure }
    }
}

struct HubDeleteCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "delete", abstract: "Delete a hub with everything in it.",
        discussion: """
            Removes queues, exchanges, streams and store files: all instances and histories are gone. Refuses while \
            workers are alive. Asks for the hub's name unless --yes. Queues of activities are known from live workers \
            only; name those of workers long gone with --activity.

              dtq hub delete --hub scratch
              dtq hub delete --hub scratch --yes --activity SayHello

            Exit codes: 0 deleted, 1 failed or not confirmed, 2 wrong usage or workers alive, 3 no such hub.
            """)

    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var output: OutputOptions
    @OptionGroup var confirmation: ConfirmationOptions

    @Option(help: ArgumentHelp("Activity whose work queue goes too; may be repeated.", valueName: "name"))
    var activity: [String] = []

    @Flag(help: "Delete although workers are alive.")
    var force = false

    mutating func run() async throws {
        let environment = CommandEnvironment.current
        try await connection.withTransport(environment) { transport, hub in
            let administration = HubAdministration(
                transport: transport, hub: hub, clock: environment.clock, storage: environment.hubStorage)
            let descriptor = try await administration.descriptor()
            try await confirmation.confirm(
                "This deletes hub \"\(hub)\" with all its instances and histories "
                    + "(\(descriptor.partitionCount) partitions, files in \(descriptor.dataDirectory)).",
                expecting: hub.value, environment)
            let queues = try await administration.delete(activities: activity, isForced: force)
            if output.json {
                let json: JSONValue = [
                    "hub": .string(hub.value), "deleted": true, "queues": .array(queues.map { .string($0) }),
                ]
                environment.print(json.text)
            } else {
                environment.print("Hub \"\(hub)\" deleted: \(HumanText.count(queues.count, "queue")) removed.")
            }
        }
    }
}

/// What a hub is, as text and as JSON.
struct HubReport {
    var descriptor: HubDescriptor
    var now: Timestamp
    var broker: String?

    var lines: [String] {
        var fields = FieldList()
        fields.add("hub", descriptor.hub.value)
        fields.add("id", descriptor.hubID)
        fields.add("partitions", "\(descriptor.partitionCount)")
        fields.add("queues", descriptor.queueKind.rawValue)
        fields.add("log", descriptor.logMode.rawValue)
        fields.add("data", descriptor.dataDirectory.isEmpty ? nil : TerminalText.safe(descriptor.dataDirectory))
        fields.add("retention", descriptor.retention.map(HumanText.duration) ?? "never")
        fields.add("format", "\(descriptor.formatVersion)")
        fields.add(
            "created",
            "\(HumanText.time(descriptor.createdAt)) UTC (\(HumanText.age(of: descriptor.createdAt, at: now)))")
        fields.add("broker", broker.map(TerminalText.safe))
        return fields.lines
    }

    /// - Parameter isNew: Whether this command created it; nil: it did not try.
    func json(isNew: Bool?) -> JSONValue {
        var members: [JSONValue.Member] = [
            .init("hub", .string(descriptor.hub.value)),
            .init("id", .string(descriptor.hubID)),
            .init("partitions", .integer(descriptor.partitionCount)),
            .init("queues", .string(descriptor.queueKind.rawValue)),
            .init("log", .string(descriptor.logMode.rawValue)),
            .init("dataDirectory", .string(descriptor.dataDirectory)),
            .init(
                "retentionSeconds",
                .optional(descriptor.retention) { .integer(Int($0 / .seconds(1))) }),
            .init("format", .integer(descriptor.formatVersion)),
            .init("createdAt", .string(descriptor.createdAt.description)),
        ]
        if let isNew {
            members.append(.init("created", .boolean(isNew)))
        } else {
            members.append(.init("broker", .optional(broker) { .string($0) }))
        }
        return .object(members)
    }
}
