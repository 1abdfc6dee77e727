import ArgumentParser
import DurableBackend
import DurableClient
import DurableCore
import DurableJSON

struct SubmitCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "submit", abstract: "Start an instance of an orchestration, or many.",
        discussion: """
            Accepted means: the broker holds the start, and nothing loses it any more. The verdict of the \
            partition's owner (created, exists) is shown if it comes within 2 seconds; without a worker the start \
            waits in its queue.

              dtq submit HelloCities --input '["Oslo","Lima"]'
              dtq submit ShipOrder --id o-1881 --input @order.json --wait
              dtq submit Cleanup --start-at 2026-12-01T03:00:00Z
              dtq submit ShipOrder --tag customer=acme --tag region=eu
              dtq submit ShipOrder --id o-1881 --if-ended allow-unless-completed
              generate-orders | dtq submit ShipOrder --batch

            Where there is an instance of that ID, nothing is started (exists, exit code 1), unless --if-running or \
            --if-ended says otherwise. An instance that another one takes the ID of is gone with its history.

            With --batch each line of standard input is one instance: \
            {"name":"ShipOrder","id":"o-1","input":{"weight":7},"startAt":"2026-12-01T03:00:00Z","version":"2",\
            "tags":{"region":"eu"}}. All keys are \
            optional when NAME is given. Bad lines are reported with their number, the others are submitted. Give \
            IDs: then it is harmless to submit a file again.

            Exit codes: 0 accepted (with --wait: completed), 1 failed, refused because the ID exists, or lines \
            were refused, 2 wrong usage, 3 no such hub.
            """)

    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var output: OutputOptions

    @Argument(help: "Name of the orchestration.")
    var name: String?

    @Option(help: ArgumentHelp("Input: JSON, @FILE, or - for standard input.", valueName: "json"))
    var input: String?

    @Option(help: ArgumentHelp("Instance ID, unique in the hub (default: a UUID).", valueName: "id"))
    var id: String?

    @Option(help: ArgumentHelp("Start not before: ISO 8601, or a duration from now such as 10m.", valueName: "time"))
    var startAt: String?

    @Option(
        help: ArgumentHelp(
            "Version of the code that the instance runs on, to its end (default: what its worker gives those without one).",
            valueName: "version"))
    var version: String?

    @Option(
        help: ArgumentHelp(
            "Tag of the instance, to list, count and purge by; may be repeated. With --batch: of each instance.",
            valueName: "key=value"))
    var tag: [String] = []

    @OptionGroup var idReuse: IDReuseOptions

    @Flag(help: "Wait for the end and print the output.")
    var wait = false

    @Flag(help: "Read instances from standard input, one JSON object a line.")
    var batch = false

    mutating func validate() throws {
        if batch {
            if input != nil || id != nil || startAt != nil || wait {
                throw ValidationError("--batch takes id, input and startAt from its lines, and does not wait.")
            }
        } else if name == nil {
            throw ValidationError("Name the orchestration to start, such as: dtq submit HelloCities")
        }
    }

    mutating func run() async throws {
        let environment = CommandEnvironment.current
        let connection = connection
        if batch {
            let submission = BatchSubmission(
                defaultName: name, defaultVersion: version, tags: try ArgumentText.tags(tag), idReuse: idReuse.value,
                isJSON: output.json)
            return try await connection.withClient(environment) { try await submission.run($0, environment) }
        }
        guard let name else { return }
        let request = StartRequest(
            name: name, id: id.map { InstanceID($0) },
            input: try await PayloadArgument.read(input, option: "--input", environment),
            startAt: try startAt.map {
                try ArgumentText.time($0, option: "--start-at", .future, now: environment.clock.now())
            }, version: version, tags: try ArgumentText.tags(tag), idReuse: idReuse.value)
        try await connection.withClient(environment) { client in
            let submission = try await client.start(request)
            let isRefused = submission.outcome == .verdict(.exists)
            if !wait || isRefused {
                submission.report(isJSON: output.json, environment)
                if isRefused { throw ExitCode.failure }
                return
            }
            if !output.json, case .acceptedNoVerdict(let silence) = submission.outcome {
                environment.printError(silence.text)
            }
            if !output.json { environment.printError(SubmissionReport(submission: submission).line) }
            try await WaitReport(isJSON: output.json, submission: submission).run(
                client, submission.instanceID, timeout: nil, environment)
        }
    }
}

extension Submission {
    /// Prints what became of a start.
    func report(isJSON: Bool, _ environment: CommandEnvironment) {
        let report = SubmissionReport(submission: self)
        if isJSON {
            environment.print(JSONValue.object(report.members + [.init("instance", .null)]).text)
        } else {
            environment.print(report.line)
            if case .acceptedNoVerdict(let silence) = outcome { environment.printError(silence.text) }
            if outcome == .verdict(.exists) {
                environment.printError(
                    "Nothing was started. Look at it with: dtq status \(TerminalText.safe(instanceID.value))")
            }
        }
    }
}

/// What became of one message to an instance, as text and as JSON.
struct SubmissionReport {
    var submission: Submission

    /// ID first, for scripts that cut.
    var line: String { "\(TerminalText.safe(submission.instanceID.value))  \(word)" }

    /// The verdict, or `waiting` when none came.
    var word: String {
        switch submission.outcome {
        case .verdict(.notFound): "not-found"
        case .verdict(.notFailed): "not-failed"
        case .verdict(.notRewindable): "not-rewindable"
        case .verdict(let verdict): verdict.rawValue
        case .acceptedNoVerdict: "waiting"
        }
    }

    var members: [JSONValue.Member] {
        var notice = JSONValue.null
        var waiting = JSONValue.null
        var isServed = true
        if case .acceptedNoVerdict(let silence) = submission.outcome {
            notice = .string(silence.text)
            waiting = .optional(silence.waitingMessages) { .integer($0) }
            isServed = silence.isServed
        }
        return [
            .init("id", .string(submission.instanceID.value)),
            .init("partition", .integer(submission.partition.index)),
            .init("verdict", .string(word)),
            .init("served", .boolean(isServed)),
            .init("waitingMessages", waiting),
            .init("notice", notice),
        ]
    }
}
