import ArgumentParser
import DurableBackend
import DurableClient
import DurableCore
import DurableJSON

struct QueuesCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "queues", abstract: "Show queue depths, work in flight, and who owns which partition.",
        discussion: """
            Needs AMQP alone: READY and CONSUMERS come from the broker at once, IN FLIGHT, OWNER and EPOCH from the \
            workers' heartbeats, READY/S is the change between two looks. With --management the broker's own numbers \
            of unacknowledged messages and rates are added; they lag by up to 8 seconds.

              dtq queues
              dtq queues --watch
              dtq queues --watch 5s --json | jq .queues
              dtq queues --activity SayHello        also when no worker runs it

            Exit codes: 0 shown, 1 failed, 2 wrong usage, 3 no such hub.
            """)

    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var output: OutputOptions

    @Option(
        defaultAsFlag: "2s",
        help: ArgumentHelp("Look again and again, until interrupted (interval: 2s).", valueName: "interval"))
    var watch: String?

    @Option(help: ArgumentHelp("With --watch: stop after this many looks.", valueName: "number"))
    var count: Int?

    @Option(
        help: ArgumentHelp(
            "Activity whose queue to show besides those of live workers; may be repeated.", valueName: "name"))
    var activity: [String] = []

    @Option(
        help: ArgumentHelp(
            "Management API of the broker, as http://USER:PASSWORD@HOST:15672 (environment: DTQ_MANAGEMENT).",
            valueName: "url"))
    var management: String?

    mutating func validate() throws {
        if let count, count < 1 { throw ValidationError("--count is 1 or more.") }
        if count != nil && watch == nil { throw ValidationError("--count goes with --watch.") }
    }

    mutating func run() async throws {
        let environment = CommandEnvironment.current
        let interval = try watch.map { try ArgumentText.duration($0, option: "--watch") }
        if let interval, interval < .milliseconds(500) { throw ClientError.usage("--watch is 500ms or more.") }
        let management = try ManagementAPI(
            management ?? environment.variables["DTQ_MANAGEMENT"],
            brokerURL: try connection.brokerURLs(environment.variables)[0])
        let watch = QueueWatch(
            interval: interval, count: interval == nil ? 1 : count, activities: activity, isJSON: output.json,
            management: management)
        try await connection.withClient(environment) { client in
            try await FleetListener.listening(client) { try await watch.run(client, $0, environment) }
        }
    }
}

/// Looks once or again and again.
struct QueueWatch {
    var interval: Duration?
    /// nil: for ever.
    var count: Int?
    var activities: [String]
    var isJSON: Bool
    var management: ManagementAPI?

    func run(_ client: HubClient, _ listener: FleetListener, _ environment: CommandEnvironment) async throws {
        var screen = Screen(environment, isRedrawing: interval != nil && !isJSON && environment.terminal.isOutput)
        var isManagementSilent = false
        // A look before the roll call gives the first table its changes a second.
        var previous = try await client.sample(workers: [], activities: activities)
        var looks = 0
        while true {
            try await listener.callRoll()
            let sample = try await client.sample(
                workers: await listener.workers, activities: activities, readsClaims: true)
            var report = QueueReport(hub: client.hub, previous: previous, current: sample)
            if let management {
                report.management = await management.queues(of: client.hub, environment)
                if report.management == nil, !isManagementSilent {
                    isManagementSilent = true
                    environment.printError(
                        "The management API at \(management.address) does not answer; shown by AMQP alone.")
                }
            }
            if isJSON {
                environment.print(report.json.text)
            } else {
                screen.show(report.lines(environment.style))
            }
            looks += 1
            if looks == count { return }
            previous = sample
            await environment.clock.sleep(for: max(.zero, (interval ?? .zero) - FleetListener.patience))
            try Task.checkCancellation()
        }
    }
}

/// Lines that stay in place on a terminal and follow each other elsewhere.
struct Screen {
    private let environment: CommandEnvironment
    private let isRedrawing: Bool
    private var isFirst = true

    init(_ environment: CommandEnvironment, isRedrawing: Bool) {
        self.environment = environment
        self.isRedrawing = isRedrawing
    }

    mutating func show(_ lines: [String]) {
        if isRedrawing {
            // Home, each line to its end, then what is left of the screen: no flicker.
            let text = lines.map { $0 + "\u{1B}[K\n" }.joined()
            environment.writeOutput((isFirst ? "\u{1B}[2J" : "") + "\u{1B}[H" + text + "\u{1B}[J")
        } else {
            environment.writeOutput((isFirst ? "" : "\n") + lines.map { $0 + "\n" }.joined())
        }
        isFirst = false
    }
}
