import ArgumentParser
import DurableFaults
import Foundation

/// Puts real faults into a real fleet on a private broker; `ops/faults/run` builds and calls it.
@main struct Faults: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ops/faults/run", abstract: "Put real faults into a real fleet and count what came of it.",
        discussion: """
            Each fault has a hub of its own, with three workers of examples/ledger under load on a private broker. It \
            prints a ledger, then one line of JSON.

            \(Fault.allCases.map { "  \($0.rawValue.padding(toLength: 16, withPad: " ", startingAt: 0))\($0.abstract)" }
                .joined(separator: "\n"))
              all             all of them; the cluster only with --long

            Exit codes: 0 nothing was lost, doubled or repeated without reason, 1 something was, or a fault could not \
            be put in, 2 wrong usage.
            """)

    @Argument(help: "Which faults, or all.")
    var names: [String]

    @Flag(help: "More rounds: the kill fault kills 50 times.")
    var long = false

    @Option(help: ArgumentHelp("Directory for brokers, hubs and copies.", valueName: "dir"))
    var work: String

    private func faults() throws -> [Fault] {
        if names == ["all"] { return Fault.allCases.filter { long || $0 != .cluster } }
        return try names.map { name in
            guard let fault = Fault(rawValue: name) else {
                throw ValidationError("There is no fault \"\(name)\".")
            }
            return fault
        }
    }

    func validate() throws { _ = try faults() }

    func run() async throws {
        var isGood = true
        var node: PrivateBroker?
        for fault in try faults() {
            let broker: PrivateBroker
            if fault != .cluster, let node {
                broker = node
            } else {
                broker = PrivateBroker(
                    in: URL(fileURLWithPath: work).appendingPathComponent(fault == .cluster ? "cluster" : "broker"),
                    isCluster: fault == .cluster, script: URL(fileURLWithPath: "ops/lib/broker.sh"))
                try broker.start()
                if fault != .cluster { node = broker }
            }
            do {
                let report = try await FaultRun(
                    fault, isLong: long, broker: broker, work: URL(fileURLWithPath: work),
                    report: { FileHandle.standardError.write(Data(($0 + "\n").utf8)) }
                ).run()
                say(report.text + "\n" + report.json)
                isGood = isGood && report.isGood
            } catch {
                say("== \(fault.rawValue)\nfailed: \(error)\n" + #"{"fault":"\#(fault.rawValue)","ok":false}"#)
                isGood = false
            }
            if fault == .cluster { try broker.stop() }
        }
        try node?.stop()
        if !isGood { throw ExitCode(1) }
    }

    /// At once, also into a pipe.
    private func say(_ text: String) { FileHandle.standardOutput.write(Data((text + "\n").utf8)) }
}
