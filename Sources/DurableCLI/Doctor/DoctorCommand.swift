import ArgumentParser
import DurableBackend
import DurableClient
import DurableCore
import DurableJSON

struct DoctorCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor", abstract: "Look for what is wrong with a hub, and say what to do.",
        discussion: """
            Changes nothing. Needs AMQP alone; what only the broker's management API tells (alarms, limits, policies, \
            states of queues) is checked with --management, and named as left out without it.

              dtq doctor
              dtq doctor --management http://USER:PASSWORD@HOST:15672
              dtq doctor --json | jq .findings

            Exit codes: 0 nothing found (notes do not count), 1 findings or failed, 2 wrong usage, 3 no such hub.
            """)

    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var output: OutputOptions

    @Option(
        help: ArgumentHelp(
            "Activity whose queue to look at besides those of live workers; may be repeated.", valueName: "name"))
    var activity: [String] = []

    @Option(
        help: ArgumentHelp(
            "Management API of the broker, as http://USER:PASSWORD@HOST:15672 (environment: DTQ_MANAGEMENT).",
            valueName: "url"))
    var management: String?

    mutating func run() async throws {
        let environment = CommandEnvironment.current
        let api = try ManagementAPI(
            management ?? environment.variables["DTQ_MANAGEMENT"],
            brokerURL: try connection.brokerURLs(environment.variables)[0])
        let (activities, isJSON) = (activity, output.json)
        let isHealthy = try await connection.withClient(environment) { client in
            var hub = HubCheckup(client, activities: activities)
            try await hub.run()
            var broker = BrokerCheckup(descriptor: client.descriptor)
            await broker.run(api, environment)
            let report = DoctorReport(
                hub: client.hub, broker: await client.transport.brokerDescription,
                findings: hub.findings + broker.findings, skipped: hub.skipped + broker.skipped)
            if isJSON {
                environment.print(report.json.text)
            } else {
                for line in report.lines(environment.style) { environment.print(line) }
            }
            return report.isHealthy
        }
        if !isHealthy { throw ExitCode.failure }
    }
}

/// What the doctor found, as text and as JSON: the worst first.
struct DoctorReport {
    var hub: HubName
    var broker: String?
    var findings: [Finding]
    var skipped: [SkippedCheck]

    init(hub: HubName, broker: String?, findings: [Finding], skipped: [SkippedCheck]) {
        self.hub = hub
        self.broker = broker
        self.findings = findings
        self.skipped = skipped
    }

    var isHealthy: Bool { !findings.contains { $0.severity != .note } }

    private func some(_ severity: Finding.Severity) -> [Finding] { findings.filter { $0.severity == severity } }
    private var ordered: [Finding] { some(.error) + some(.warning) + some(.note) }

    func lines(_ style: TerminalStyle) -> [String] {
        var lines = ordered.flatMap { finding -> [String] in
            let word = finding.severity.rawValue
            let label = word + String(repeating: " ", count: 9 - word.count)
            let text = "\(label)\(finding.check.rawValue): \(TerminalText.safe(finding.text))."
            let remedy = finding.remedy.isEmpty ? [] : [String(repeating: " ", count: 9) + finding.remedy]
            return [finding.severity == .note ? text : style.warning(text)] + remedy
        }
        lines += skipped.map { "skipped  \($0.check.rawValue): \(TerminalText.safe($0.reason))." }
        if !lines.isEmpty { lines.append("") }
        let count = findings.count { $0.severity != .note }
        let left = skipped.isEmpty ? "" : ", \(HumanText.count(Set(skipped.map(\.check)).count, "check")) left out"
        lines.append(
            count == 0
                ? "Hub \"\(hub)\": nothing wrong was found\(left)."
                : "Hub \"\(hub)\": \(HumanText.count(some(.error).count, "error")), "
                    + "\(HumanText.count(some(.warning).count, "warning"))\(left).")
        return lines
    }

    var json: JSONValue {
        [
            "hub": .string(hub.value), "broker": .optional(broker) { .string($0) }, "ok": .boolean(isHealthy),
            "findings": .array((some(.error) + some(.warning)).map(Self.json)),
            "notes": .array(some(.note).map(Self.json)),
            "skipped": .array(skipped.map { ["check": .string($0.check.rawValue), "reason": .string($0.reason)] }),
        ]
    }

    private static func json(_ finding: Finding) -> JSONValue {
        [
            "check": .string(finding.check.rawValue), "severity": .string(finding.severity.rawValue),
            "text": .string(finding.text), "remedy": .string(finding.remedy),
        ]
    }
}
