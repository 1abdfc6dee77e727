package import ArgumentParser
import DurableCLI
import DurableClient
import DurableEngine
import Foundation

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// `dtq simulate`: whole hubs with faults, from seeds, checked against the invariants.
package struct SimulateCommand: AsyncParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "simulate", abstract: "Run simulated hubs with faults and check the invariants.",
        discussion: """
            Each seed is one run: workers, clients, a broker and disks in this process, with crashes, pauses, lost \
            connections and full disks drawn from the seed. Nothing outside the process is touched. The same seed and \
            the same build give the same run.

              dtq simulate --seed 17               one run; if it violates something, the shortest run that does
              dtq simulate --seed 17 --trace       everything that happens in it
              dtq simulate --seeds 1..10000 --json many runs on all cores; the last line is one JSON object
              dtq simulate --defects               proves that each deliberate mistake is found

            See docs/simulation.md. Exit codes: 0 no violation, 1 violations, 2 wrong usage.
            """)

    @Option(help: ArgumentHelp("One seed.", valueName: "n"))
    var seed: UInt64?

    @Option(help: ArgumentHelp("First and last seed, as 1..1000.", valueName: "first..last"))
    var seeds: String?

    @Option(help: ArgumentHelp("Runs at a time (default: one per core).", valueName: "n"))
    var jobs: Int?

    @Flag(help: "Print what happens in the run of --seed, also when nothing is violated.")
    var trace = false

    @Flag(help: "Print one JSON object as the last line, with stable keys.")
    var json = false

    @Flag(help: "Run each deliberate mistake until it is found, 500 seeds at most.")
    var defects = false

    @Option(help: ArgumentHelp("A deliberate mistake, to see that it is found.", valueName: "name"))
    var defect: String?

    @Option(help: ArgumentHelp("Instead of the one a seed draws: memory, sqlite or replicated.", valueName: "kind"))
    var storage: String?

    @Flag(help: .hidden)
    var child = false

    package init() {}

    package func validate() throws {
        let count = [seed != nil, seeds != nil, defects].count { $0 }
        if count != 1 { throw ValidationError("Give one of --seed, --seeds and --defects.") }
        if let seeds, Self.range(seeds) == nil {
            throw ValidationError("--seeds is two numbers, the first not above the last, as 1..1000; this is \(seeds).")
        }
        if let jobs, jobs < 1 { throw ValidationError("--jobs is 1 or more, this is \(jobs).") }
        if let storage, SimulationPlan.Storage(rawValue: storage) == nil {
            throw ValidationError("--storage is memory, sqlite or replicated, this is \(storage).")
        }
        if let defect, Defect(name: defect) == nil {
            let names = Defect.all.map(\.name).joined(separator: ", ")
            throw ValidationError("there is no defect \(defect). There are: \(names).")
        }
    }

    static func range(_ text: String) -> ClosedRange<UInt64>? {
        let ends = text.split(separator: ".", omittingEmptySubsequences: false)
        guard ends.count == 3, ends[1].isEmpty, let first = UInt64(ends[0]), let last = UInt64(ends[2]), first <= last,
            last < UInt64.max
        else { return nil }
        return first...last
    }

    package mutating func run() async throws {
        HashSeed.fix()
        if child, let seeds, let range = Self.range(seeds) {
            let makePlan = makePlan
            return await SimulationThread.run { Self.runAsChild(range, makePlan) }
        }
        if let seed {
            try await runOne(seed)
        } else if defects {
            try await runDefects()
        } else if let seeds, let range = Self.range(seeds) {
            try await runMany(range)
        }
    }

    // MARK: - One seed

    private func runOne(_ seed: UInt64) async throws {
        let environment = CommandEnvironment.current
        let plan = makePlan(seed)
        let trace = trace
        let outcome = await SimulationThread.run { SimulationRun.perform(plan, isTracing: trace) }
        if trace { for line in outcome.trace { environment.print(line) } }
        if !outcome.violations.isEmpty {
            for line in await explain(outcome, of: plan) { environment.print(line) }
        } else if !json {
            environment.print(
                "seed \(seed): no violation. \(outcome.instanceCount) instances, \(outcome.faults.count) faults, "
                    + "\(outcome.activityRunCount) activity runs (\(outcome.repeatedRunCount) repeated), "
                    + "\(outcome.stepCount) steps, \(outcome.elapsed / .seconds(1)) simulated seconds, "
                    + "digest \(String(outcome.digest, radix: 16))")
        }
        if json { environment.print(SeedReport(outcome).line) }
        if !outcome.violations.isEmpty { throw ExitCode(1) }
    }

    /// What a person needs to understand a violation and to see it again.
    private func explain(_ outcome: SimulationRun.Outcome, of plan: SimulationPlan) async -> [String] {
        let shrunk = await SimulationThread.run { Shrinker.shrink(plan, outcome) }
        var lines = ["seed \(outcome.seed), commit \(Commit.find(CommandEnvironment.current.variables))"]
        lines += outcome.violations.map { "violation: \($0)" }
        lines.append(
            "shrunk in \(shrunk.attempts) runs: \(shrunk.plan.faults.count) of \(outcome.faults.count) faults, "
                + "\(shrunk.plan.workload.operations.count) client operations, \(shrunk.plan.workerCount) workers, "
                + "\(shrunk.plan.partitionCount) partitions, \(shrunk.plan.storage.rawValue) storage")
        lines += shrunk.plan.faults.map { "fault \($0)" }
        lines += shrunk.outcome.trace
        lines += shrunk.outcome.violations.map { "violation of the shrunk run: \($0)" }
        lines.append(again(outcome.seed))
        return lines
    }

    private func again(_ seed: UInt64) -> String {
        "again: \((["dtq simulate --seed \(seed)"] + options).joined(separator: " "))"
    }

    /// What makes a seed's run other than usual.
    private var options: [String] {
        (defect.map { ["--defect", $0] } ?? []) + (storage.map { ["--storage", $0] } ?? [])
    }

    private var makePlan: @Sendable (UInt64) -> SimulationPlan {
        let defect = defect.flatMap(Defect.init(name:))
        let storage = storage.flatMap(SimulationPlan.Storage.init(rawValue:))
        return { SimulationPlan(seed: $0, defect: defect, storage: storage) }
    }

    // MARK: - Many seeds

    private static func runAsChild(_ range: ClosedRange<UInt64>, _ makePlan: (UInt64) -> SimulationPlan) {
        for seed in range {
            // A run takes milliseconds; one that hangs is ended by this signal, and its seed reported by the parent.
            alarm(120)
            let outcome = SimulationRun.perform(makePlan(seed))
            FileHandle.standardOutput.write(Data((SeedReport(outcome).line + "\n").utf8))
        }
        alarm(0)
    }

    /// Violating seeds of many that are shrunk.
    private static var explainedLimit: Int { 3 }

    private var jobCount: Int { jobs ?? max(1, ProcessInfo.processInfo.activeProcessorCount) }

    private func runMany(_ range: ClosedRange<UInt64>) async throws {
        let environment = CommandEnvironment.current
        let started = ContinuousClock.now
        let reports = await SeedRunner(seeds: range, jobs: jobCount, options: options).run { report in
            for violation in report.violations { environment.printError("seed \(report.seed): \(violation)") }
        }
        let seconds = (ContinuousClock.now - started) / .seconds(1)
        let failed = reports.filter { !$0.violations.isEmpty }
        // The first few whole; one that ended its process would end this one too.
        for (index, report) in failed.enumerated() {
            if report.isLost || index >= Self.explainedLimit {
                environment.printError(again(report.seed))
            } else {
                let plan = makePlan(report.seed)
                let outcome = await SimulationThread.run { SimulationRun.perform(plan, isTracing: false) }
                for line in await explain(outcome, of: plan) { environment.printError(line) }
            }
        }
        let total = Totals(
            seeds: reports.count, violations: failed.count,
            seedsPerSecond: (Double(reports.count) / seconds * 10).rounded() / 10,
            failedSeeds: failed.prefix(20).map(\.seed), instances: reports.reduce(0) { $0 + $1.instances },
            faults: reports.reduce(0) { $0 + $1.faults }, activityRuns: reports.reduce(0) { $0 + $1.activityRuns },
            repeatedRuns: reports.reduce(0) { $0 + $1.repeatedRuns })
        if json {
            environment.print(total.line)
        } else {
            environment.print(
                "\(total.seeds) seeds, \(total.violations) with violations, \(total.seedsPerSecond) seeds/s; "
                    + "\(total.instances) instances, \(total.faults) faults, \(total.activityRuns) activity runs, "
                    + "\(total.repeatedRuns) of them repeated")
        }
        if !failed.isEmpty { throw ExitCode(1) }
    }

    private struct Totals: Codable {
        var seeds: Int
        var violations: Int
        var seedsPerSecond: Double
        var failedSeeds: [UInt64]
        var instances: Int
        var faults: Int
        var activityRuns: Int
        var repeatedRuns: Int

        var line: String {
            let encoder = JSONEncoder()
            encoder.outputFormatting = .sortedKeys
            encoder.keyEncodingStrategy = .convertToSnakeCase
            return (try? encoder.encode(self)).map { String(decoding: $0, as: UTF8.self) } ?? ""
        }
    }

    // MARK: - Deliberate mistakes

    /// Seeds within which each must be found.
    private static var defectLimit: UInt64 { 500 }

    private func runDefects() async throws {
        let environment = CommandEnvironment.current
        environment.print("| defect | first seed that finds it | what it finds |")
        environment.print("| --- | --- | --- |")
        var missed: [String] = []
        for defect in Defect.all {
            let runner = SeedRunner(
                seeds: 1...Self.defectLimit, jobs: jobCount, options: ["--defect", defect.name], stopsEarly: true)
            let reports = await runner.run { _ in }
            if let found = reports.first(where: { !$0.violations.isEmpty }) {
                environment.print("| \(defect.name) | \(found.seed) | \(found.violations[0]) |")
            } else {
                missed.append(defect.name)
                environment.print("| \(defect.name) | none of \(reports.count) | |")
            }
        }
        if !missed.isEmpty { throw ExitCode(1) }
    }
}
