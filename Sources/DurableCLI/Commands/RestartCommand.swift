import ArgumentParser
import DurableClient
import DurableCore
import DurableJSON

struct RestartCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "restart", abstract: "Start an instance again, with the same name, input, version and tags.",
        discussion: """
            The new instance has an ID of its own, which is printed, and the other one stays as it is, running or ended. \
            With --same-id it takes the ID of one that has ended, which is gone with its history then; one that runs is \
            in the way, unless --if-running says otherwise. One that has continued as new is started with the input of \
            its last execution. What another instance called has no parent when it is started again.

              dtq restart o-1881
              dtq restart o-1881 --id o-1881-again
              dtq restart o-1881 --same-id --if-running terminate

            Exit codes: 0 accepted, 1 failed, not confirmed, or refused because the ID exists, 2 wrong usage, 3 no such \
            instance or hub.
            """)

    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var output: OutputOptions
    @OptionGroup var confirmation: ConfirmationOptions

    @Argument(help: "Instance ID.")
    var id: String

    @Option(name: .customLong("id"), help: ArgumentHelp("ID of the new instance (default: a UUID).", valueName: "id"))
    var newID: String?

    @Flag(help: "Take the ID of the instance. Asks first unless --yes.")
    var sameID = false

    @Option(help: ArgumentHelp("With --same-id, if the instance runs: refuse or terminate.", valueName: "choice"))
    var ifRunning = IDReuse.Running.refuse

    mutating func validate() throws {
        if sameID, newID != nil { throw ValidationError("--id and --same-id exclude each other.") }
        if !sameID, ifRunning != .refuse { throw ValidationError("--if-running is for --same-id.") }
        if ifRunning == .useExisting { throw ValidationError("--if-running is refuse or terminate here.") }
    }

    mutating func run() async throws {
        let environment = CommandEnvironment.current
        let (id, confirmation, isJSON) = (InstanceID(id), confirmation, output.json)
        let newID = sameID ? id : newID.map { InstanceID($0) }
        let reuse = sameID ? IDReuse(running: ifRunning, ended: .allow) : .refuse
        try await connection.withClient(environment) { client in
            if newID == id, reuse.ended == .allow {
                let end =
                    reuse.running == .terminate ? "ends instance \(TerminalText.safe(id.value)) if it runs, and " : ""
                try await confirmation.confirm(
                    "This \(end)removes the history of instance \(TerminalText.safe(id.value)) for good.",
                    expecting: "yes", environment)
            }
            guard let submission = try await client.restart(id, as: newID, idReuse: reuse) else {
                throw client.notFound(id)
            }
            submission.report(isJSON: isJSON, environment)
            if submission.outcome == .verdict(.exists) { throw ExitCode.failure }
        }
    }
}
