import ArgumentParser
import DurableBackend
import DurableBackup
import DurableClient
import DurableCore
import DurableJSON

struct HubBackupCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "backup", abstract: "Copy everything the partitions of a hub hold into a file.",
        discussion: """
            Reads the partitions' logs, on the broker or in files, while workers go on, or without any. What waits in \
            queues is not in it: starts and events of clients that no owner has taken yet. Restore it into a new hub \
            with dtq hub restore.

              dtq hub backup orders-1.dtq --hub orders

            Exit codes: 0 written, 1 failed, 2 wrong usage or the file is there already, 3 no such hub.
            """)

    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var output: OutputOptions

    @Argument(help: "File to write; there must be none of that name.")
    var file: String

    mutating func run() async throws {
        let environment = CommandEnvironment.current
        let (file, isJSON) = (environment.absolutePath(file), output.json)
        try await connection.withClient(environment) { client in
            let backup = HubBackup(
                .init(
                    client: client, storage: environment.hubStorage, makeCopies: environment.makeCopies,
                    makeID: environment.makeID))
            let summary = try await backup.take(to: file)
            if isJSON {
                environment.print(summary.json(of: client.hub, file).text)
            } else {
                let instances = summary.partitions.reduce(0) { $0 + $1.instances }
                environment.print(
                    "Hub \"\(client.hub)\" copied to \(TerminalText.safe(file)): "
                        + HumanText.count(summary.partitions.count, "partition") + ", "
                        + HumanText.count(instances, "instance") + ", " + HumanText.count(summary.byteCount, "byte")
                        + ".")
            }
            if !summary.isConsistent {
                environment.printError(
                    "Partitions were copied at slightly different moments: after a restore, some events that instances "
                        + "of different partitions sent each other just then may come twice or not at all. Take it again "
                        + "under less load.")
            }
        }
    }
}

struct HubRestoreCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "restore", abstract: "Make a new hub from a backup.",
        discussion: """
            The whole file is checked first. The hub must not be there. Number of partitions, kind of queues and log \
            mode are those of the backup, the latter two unless you ask for others. Owners then send again what was \
            pending: activities that were open run once more, also those that had completed after the backup.

              dtq hub restore orders-1.dtq --hub orders-new
              dtq hub restore orders-1.dtq --hub orders-new --log local --data /srv/dtq/orders-new
              dtq hub restore orders-1.dtq --hub orders-old --retention never

            Exit codes: 0 restored, 1 failed, a backup that cannot be used, or the hub is there, 2 wrong usage.
            """)

    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var output: OutputOptions

    @Argument(help: "File that dtq hub backup wrote.")
    var file: String

    @Option(help: "Kind of queues: quorum, or classic for a throw-away node (default: the backup's).")
    var queues: HubDescriptor.QueueKind?

    @Option(help: "Where partition logs are: replicated (the broker), or local (files) (default: the backup's).")
    var log: HubDescriptor.LogMode?

    @Option(
        help: ArgumentHelp(
            "Directory of the hub's files, means --log local (environment: DTQ_DATA; default: ./dtq-data/HUB).",
            valueName: "directory"))
    var data: String?

    @Option(
        help: ArgumentHelp(
            "How long instances are kept after their end, such as 30d, or never to remove any (default: the backup's).",
            valueName: "duration"))
    var retention: String?

    mutating func run() async throws {
        let environment = CommandEnvironment.current
        if log == .replicated, data != nil {
            throw ClientError.usage("--data goes with --log local: a replicated log is in the broker.")
        }
        let file = environment.absolutePath(file)
        let retention = try retention.map(ArgumentText.retention)
        let variable = environment.variables["DTQ_DATA"].flatMap { $0.isEmpty ? nil : $0 }
        try await connection.withTransport(environment) { transport, hub in
            let administration = HubAdministration(
                transport: transport, hub: hub, clock: environment.clock, storage: environment.hubStorage,
                makeID: environment.makeID)
            let request = HubAdministration.Request(
                queueKind: queues, logMode: log ?? data.map { _ in .local },
                dataDirectory: (data ?? variable).map(environment.absolutePath),
                defaultDataDirectory: environment.absolutePath("dtq-data/\(hub)"), retention: retention)
            let summary = try await HubRestore(administration).restore(file, request, hubID: environment.makeID())
            if output.json {
                environment.print(summary.json(file).text)
            } else {
                environment.print(
                    "Hub \"\(hub)\" restored from a backup of hub \"\(summary.source.descriptor.hub)\" of "
                        + "\(HumanText.time(summary.source.takenAt)) UTC: "
                        + HumanText.count(summary.descriptor.partitionCount, "partition") + ", "
                        + HumanText.count(summary.instances, "instance") + ".")
                environment.printError("Start workers for it: they send again what was pending.")
            }
        }
    }
}

extension HubBackup.Summary {
    fileprivate func json(of hub: HubName, _ file: String) -> JSONValue {
        [
            "hub": .string(hub.value), "file": .string(file), "bytes": .integer(byteCount),
            "consistent": .boolean(isConsistent),
            "partitions": .array(
                partitions.map { partition in
                    [
                        "partition": .integer(partition.partition.index),
                        "position": .integer(Int(clamping: partition.position.value)),
                        "instances": .integer(partition.instances), "messages": .integer(partition.messages),
                    ]
                }),
        ]
    }
}

extension HubRestore.Summary {
    fileprivate func json(_ file: String) -> JSONValue {
        [
            "hub": .string(descriptor.hub.value), "id": .string(descriptor.hubID), "file": .string(file),
            "backupOf": [
                "hub": .string(source.descriptor.hub.value), "id": .string(source.descriptor.hubID),
                "takenAt": .string(source.takenAt.description), "consistent": .boolean(isConsistent),
            ],
            "partitions": .integer(descriptor.partitionCount), "instances": .integer(instances),
        ]
    }
}
