import DurableBackend
import DurableClient
import DurableCore
import DurableEngine
import DurableWorker
import Logging

/// One measurement: a warm-up, then rounds, each after a round of the raw broker.
struct Bench: Sendable {
    let settings: BenchSettings
    /// Progress and warnings, for standard error.
    let say: @Sendable (String) -> Void

    func run(commit: String?) async throws -> BenchReport {
        var logger = Logger(label: "dtq.bench", factory: { StreamLogHandler.standardError(label: $0) })
        logger.logLevel = .warning
        return try await BenchHub.with(settings, logger: logger, say: say) { hub in
            let raw = try await RawBroker(
                transport: hub.client.transport, hub: hub.client.hub, body: BenchPrograms.taskMessage)
            var report = BenchReport(settings, rawMessageBytes: raw.body.count)
            report.commit = commit
            report.broker = await hub.client.transport.brokerDescription
            try await measureStore(hub, &report)
            var measured = Measured()
            switch settings.kind {
            case .sequence: try await sequence(hub, raw, &measured, &report)
            case .fanout: try await oneAtATime(.fanout, hub, raw, &measured, &report)
            case .latency: try await oneAtATime(.sequence, hub, raw, &measured, &report)
            case .waiting: try await waiting(hub, raw, &measured, &report)
            case .recovery: preconditionFailure("recovery has a bench of its own")
            }
            report.rawConfirm = try await raw.confirmSeconds(200).median.map { $0 * 1000 }
            report.conclude(settings, latencies: measured.latencies)
            return report
        }
    }

    /// What the rounds left.
    struct Measured {
        /// Milliseconds of single instances.
        var latencies: [Double] = []
        /// Instances and activity runs so far, in all rounds.
        var instances = 0
        var runs = 0
    }

    private func measureStore(_ hub: BenchHub, _ report: inout BenchReport) async throws {
        let store = try await RawStore(hub: hub.client.hub, directory: hub.directory + "/raw-store")
        do {
            report.rawStoreRecords = try await store.checkpointsPerSecond(instances: 1)
            report.rawStoreChanges = try await store.checkpointsPerSecond(instances: 100) * 100
        } catch {
            await store.close()
            throw error
        }
        await store.close()
    }

    /// - Parameter count: What the round counts.
    private func round(
        _ number: Int, count: Int, _ raw: RawBroker, _ report: inout BenchReport, _ body: () async throws -> Void
    ) async throws {
        if number == 0 {  // warm-up
            _ = try await raw.messagesPerSecond(settings.baselineMessages / 4 + 1)
            return try await body()
        }
        report.rawMessagesRounds.append(try await raw.messagesPerSecond(settings.baselineMessages))
        let cpu = ProcessUsage.cpuSeconds
        let seconds = try await ContinuousClock().measure(body).inSeconds
        report.rounds.append(.init(count: count, seconds: seconds, cpuSeconds: ProcessUsage.cpuSeconds - cpu))
        say("round \(number) of \(settings.rounds): \(Int(Double(count) / seconds)) \(report.unit)/s")
    }

    // MARK: - Kinds

    private func sequence(
        _ hub: BenchHub, _ raw: RawBroker, _ measured: inout Measured, _ report: inout BenchReport
    ) async throws {
        for number in 0...settings.rounds {
            let count = number == 0 ? settings.instances / 10 + 1 : settings.instances
            measured.instances += count
            measured.runs += count * settings.activities
            let expected = measured
            try await round(number, count: count, raw, &report) {
                try await start(.sequence, count, prefix: "r\(number)-", hub)
                try await hub.wait(forRuns: expected.runs, then: expected.instances, .completed)
            }
            if number > 0 { measured.latencies += try await lifetimes("r\(number)-", hub) }
        }
    }

    /// Both fan-out and latency: every instance is waited for before the next is started.
    private func oneAtATime(
        _ kind: BenchKind, _ hub: BenchHub, _ raw: RawBroker, _ measured: inout Measured, _ report: inout BenchReport
    ) async throws {
        for number in 0...settings.rounds {
            let instances = number == 0 ? settings.instances / 10 + 1 : settings.instances
            let count = kind == .fanout ? instances * settings.activities : instances
            var latencies: [Double] = []
            try await round(number, count: count, raw, &report) {
                for instance in 0..<instances {
                    let took = try await ContinuousClock().measure {
                        try await startAndWait(kind, "r\(number)-\(instance)", hub)
                    }
                    latencies.append(took.inSeconds * 1000)
                }
            }
            if number > 0 { measured.latencies += latencies }
        }
    }

    private func waiting(
        _ hub: BenchHub, _ raw: RawBroker, _ measured: inout Measured, _ report: inout BenchReport
    ) async throws {
        try await round(0, count: 10, raw, &report) {
            try await start(.waiting, 10, prefix: "r0-", hub)
            try await hub.wait(forRuns: 0, then: 10, .running)
        }
        report.residentBefore = ProcessUsage.residentBytes
        try await round(1, count: settings.instances, raw, &report) {
            try await start(.waiting, settings.instances, prefix: "r1-", hub)
            try await hub.wait(forRuns: 0, then: settings.instances + 10, .running)
        }
        report.residentBytes = ProcessUsage.residentBytes
        report.cachedBytes = 0
        report.cachedInstances = 0
        for worker in hub.workers {
            for partition in await worker.host.statistics() {
                report.cachedBytes? += partition.cachedBytes
                report.cachedInstances? += partition.cachedInstances
            }
        }
        say("raising an event to 100 of them")
        for instance in (0..<settings.instances).shuffled().prefix(100) {
            let id = InstanceID("r1-\(instance)")
            let took = try await ContinuousClock().measure {
                _ = try await hub.client.raiseEvent(BenchPrograms.event, to: id)
                try await waitForEnd(of: id, hub)
            }
            measured.latencies.append(took.inSeconds * 1000)
        }
    }

    // MARK: - Steps

    private func start(_ kind: BenchKind, _ count: Int, prefix: String, _ hub: BenchHub) async throws {
        let input = Payload(BenchJob(steps: settings.activities).json)
        try await hub.start(kind, count, prefix: prefix) { _ in input }
    }

    private func startAndWait(_ kind: BenchKind, _ name: String, _ hub: BenchHub) async throws {
        let id = InstanceID(name)
        let input = Payload(BenchJob(steps: settings.activities).json)
        _ = try await hub.client.start(StartRequest(name: kind.rawValue, id: id, input: input))
        try await waitForEnd(of: id, hub)
    }

    private func waitForEnd(of id: InstanceID, _ hub: BenchHub) async throws {
        switch try await hub.client.wait(for: id, timeout: .seconds(60), isSubmitted: true) {
        case .ended(let snapshot) where snapshot.status == .completed: return
        case .ended(let snapshot): throw BenchFailure("instance \(id) ended as \(snapshot.status), not completed")
        case .timedOut: throw BenchFailure("instance \(id) was not done within a minute")
        }
    }

    /// Milliseconds from taking the start to the end, of every instance whose ID begins with `prefix`.
    private func lifetimes(_ prefix: String, _ hub: BenchHub) async throws -> [Double] {
        var lifetimes: [Double] = []
        var cursor: ListCursor?
        repeat {
            let page = try await hub.client.list(ListFilter(idPrefix: prefix), after: cursor, limit: 10_000)
            lifetimes += page.instances.map { $0.lastUpdatedAt.since($0.createdAt).inSeconds * 1000 }
            cursor = page.next
        } while cursor != nil
        return lifetimes
    }
}
