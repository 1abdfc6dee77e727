internal import Durable
internal import DurableAMQP
internal import DurableBackend
internal import DurableClient
import DurableCore
package import Foundation
internal import Logging

/// One fault from beginning to end: a hub with workers under load, the fault, and what is known afterwards.
package final class FaultRun {
    package let fault: Fault
    package let isLong: Bool
    let broker: PrivateBroker
    let fleet: Fleet
    let partitions = 8
    private(set) var injections: [Injection] = []
    /// From the kill of a worker to each partition having an owner and a stand-by again.
    var recoveries: [Duration] = []
    var notes: [String] = []
    /// What went wrong that no ledger shows.
    var failures: [String] = []
    /// Workers by seat: a seat keeps its data directory when its worker is started again.
    var seats: [Process] = []
    /// Only for faults that need it: between the workers of a seat and the broker.
    var proxies: [TCPProxy] = []
    /// What `startWorker` starts.
    var build = Build.present
    /// Where the copies of a seat's worker are.
    var copies: (Int) -> URL
    private let report: (String) -> Void
    private var endings: [() -> Void] = []

    static let seatCount = 3

    /// - Parameters:
    ///   - work: A directory for what the run needs.
    ///   - report: Told what happens, a line at a time.
    package init(
        _ fault: Fault, isLong: Bool, broker: PrivateBroker, work: URL, report: @escaping (String) -> Void
    ) throws {
        self.fault = fault
        self.isLong = isLong
        self.broker = broker
        self.report = report
        fleet = try Fleet(broker: try broker.urls(), partitions: partitions, log: "replicated", below: work)
        let directory = fleet.directory
        copies = { directory.appendingPathComponent("copies-\($0)") }
    }

    func say(_ text: String) { report("   \(fault.rawValue): \(text)") }
    func note(_ injection: Injection) { injections.append(injection) }

    /// Done when the run ends, after its workers have, however it does.
    func onEnd(_ ending: @escaping () -> Void) { endings.append(ending) }

    // MARK: - Workers

    /// Starts the worker of a seat.
    func startWorker(_ seat: Int) throws {
        let process = try fleet.startWorker(
            ["--slots", "8", "--data", copies(seat).path],
            broker: proxies.isEmpty ? nil : "amqp://guest:guest@127.0.0.1:\(proxies[seat].port)/", build: build)
        // The wrapper ends what is left when this process does not get to it.
        if let list = ProcessInfo.processInfo.environment["DTQ_FAULTS_PIDS"] {
            let file = URL(fileURLWithPath: list).appendingPathComponent("\(process.processIdentifier)")
            try Data().write(to: file)
        }
        if seat < seats.count { seats[seat] = process } else { seats.append(process) }
    }

    /// Kills the worker of a seat as a crash does, and waits for its end.
    @discardableResult
    func killWorker(_ seat: Int) -> Timestamp {
        let time = Timestamp.now
        kill(seats[seat].processIdentifier, SIGKILL)
        seats[seat].waitUntilExit()
        return time
    }

    /// In order of epochs, as the workers' logs tell them.
    func tenures() -> [Tenure] {
        logs { WorkerLog.tenures(in: $0, worker: $1) }.sorted { ($0.partition, $0.epoch) < ($1.partition, $1.epoch) }
    }

    private func logs<Found>(_ find: (_ log: String, _ worker: Int32) -> [Found]) -> [Found] {
        fleet.workers.enumerated().flatMap { index, worker in
            find(fleet.output(ofWorker: index, "err"), worker.processIdentifier)
        }
    }

    /// Present owner of each partition that has one, by the last word of the logs.
    func owners() -> [PartitionID: Tenure] {
        Dictionary(tenures().map { ($0.partition, $0) }, uniquingKeysWith: { $1 }).filter { $0.value.released == nil }
    }

    func partitionCount(ofSeat seat: Int, _ owners: [PartitionID: Tenure]) -> Int {
        owners.values.count { $0.worker == seats[seat].processIdentifier }
    }

    /// Waits until each partition is served by an epoch newer than in `before`, or by any that may live.
    func waitUntilServed(except worker: Int32? = nil, within limit: Duration = .seconds(90)) async throws {
        try await eventually(within: limit, "all partitions served") {
            let owners = owners()
            let living = Set(seats.filter(\.isRunning).map(\.processIdentifier))
            return owners.count == partitions
                && owners.values.allSatisfy { living.contains($0.worker) && $0.worker != worker }
        }
    }

    /// Waits until each partition has an owner and somebody who could serve it at once.
    func waitForStandBys() async throws {
        try await eventually(within: .seconds(90), "a stand-by for each partition") {
            let living = try fleet.reports().filter { report in seats.contains { $0.isRunning && report.isOf($0) } }
            let owned = Set(living.flatMap(\.partitions).map(\.partition))
            let stoodByFor = Set(living.flatMap { $0.standBy ?? [] })
            return owned.count == partitions && stoodByFor.count == partitions
        }
    }

    /// Runs that ended so far.
    var progress: Int { LedgerRun.ended(in: fleet.ledger).count }

    func waitForProgress(_ count: Int, within limit: Duration = .seconds(120)) async throws {
        let goal = progress + count
        try await eventually(within: limit, "\(count) more runs") { progress >= goal }
    }

    // MARK: - The run

    package func run() async throws -> FaultReport {
        let began = ContinuousClock.now
        defer {
            for proxy in proxies { proxy.stop() }
            fleet.endWorkers()
            for ending in endings.reversed() { ending() }
            fleet.end()
        }
        try prepare()
        for seat in 0..<Self.seatCount { try startWorker(seat) }
        try await waitUntilServed()
        var logger = Logger(label: "faults") { StreamLogHandler.standardError(label: $0) }
        logger.logLevel = .error
        let urls = try broker.urls().split(separator: ",").map(String.init)
        let transport = try Adapters(brokerURLs: urls, connectionName: "faults", logger: logger).transport
        guard let hub = HubName(fleet.hub) else { preconditionFailure("hub names of fleets are hub names") }
        let client = try await HubClient.connect(transport: transport, hub: hub, clock: SystemClock())
        let feeder = Feeder(client: client, ledger: fleet.ledger, rate: 16)
        let start = Timestamp.now
        let feeding = Task { try await feeder.run() }
        do {
            try await waitForProgress(60)
            try await inject()
            await feeder.stop()
            try await feeding.value
            let end = await feeder.lastAcceptance ?? .now
            let accepted = await feeder.accepted
            say("\(accepted.count) submitted; waiting for the last to end")
            await waitForEnd(of: accepted.count, client)
            var evidence = Evidence(partitionCount: partitions)
            evidence.accepted = accepted
            let steps = await feeder.stepsPerInstance
            evidence.steps = Dictionary(accepted.map { ($0, steps) }, uniquingKeysWith: { $1 })
            evidence.histories = try await histories(of: accepted, client)
            evidence.runs = LedgerRun.all(in: fleet.ledger)
            evidence.tenures = tenures()
            evidence.injections = injections + logs { WorkerLog.unanswered(in: $0, worker: $1) }
            await client.close()
            await transport.close()
            var timing = Timing(of: evidence, from: start, until: end)
            timing.recoveries = recoveries
            return FaultReport(
                fault: fault.rawValue, workers: Self.seatCount, seconds: (ContinuousClock.now - began) / .seconds(1),
                loadAverage: Self.loadAverage, evidence: evidence, verdict: Verdict(judging: evidence),
                timing: timing, notes: notes, failures: failures)
        } catch {
            feeding.cancel()
            await client.close()
            await transport.close()
            throw error
        }
    }

    /// Waits until all have ended, or nothing has for a long time: then what is missing is lost.
    private func waitForEnd(of count: Int, _ client: HubClient) async {
        var (seen, since) = (0, ContinuousClock.now)
        while ContinuousClock.now - since < .seconds(60) {
            let counts = (try? await client.counts()) ?? []
            let ended = counts.filter(\.status.isTerminal).reduce(0) { $0 + $1.count }
            if ended >= count { return }
            if ended > seen { (seen, since) = (ended, .now) }
            try? await Task.sleep(for: .milliseconds(250))
        }
        say("gave up waiting: \(seen) of \(count) have ended")
    }

    private func histories(of ids: [InstanceID], _ client: HubClient) async throws -> [InstanceID: [HistoryEvent]] {
        var found: [InstanceID: [HistoryEvent]] = [:]
        for start in stride(from: 0, to: ids.count, by: 16) {
            let some = ids[start..<min(start + 16, ids.count)]
            try await withThrowingTaskGroup(of: (InstanceID, [HistoryEvent]?).self) { group in
                for id in some { group.addTask { (id, try await client.history(of: id)) } }
                for try await (id, history) in group { found[id] = history }
            }
        }
        return found
    }

    private static var loadAverage: String {
        let text = (try? String(contentsOfFile: "/proc/loadavg", encoding: .utf8)) ?? ""
        return text.split(separator: " ").first.map(String.init) ?? "null"
    }
}
