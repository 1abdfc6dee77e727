import DurableBackend
import DurableClient
import DurableCore
import DurableEngine
import Foundation
import Logging

/// How long a partition with many instances is without an owner, by what the next one has on its disk.
///
/// The owner that ends is a process of its own, which can be killed; those that take over are in this process, so that
/// what they say of themselves needs no clock of another one.
struct RecoveryBench: Sendable {
    let settings: BenchSettings
    /// Absolute path of this program.
    let program: String
    let say: @Sendable (String) -> Void

    private static let owner = WorkerID("owner")
    private static let prefix = "r-"

    func run(commit: String?) async throws -> RecoveryReport {
        var logger = Logger(label: "dtq.bench", factory: { StreamLogHandler.standardError(label: $0) })
        logger.logLevel = .warning
        return try await BenchHub.with(settings, logger: logger, say: say) { hub in
            var report = RecoveryReport(settings)
            report.footer.commit = commit
            report.footer.broker = await hub.client.transport.brokerDescription
            var owner = try startOwner(hub)
            do {
                report.longestAnswerSeconds = try await fill(hub)
                try await owner.stop()
                // Only now: an owner may put another stream in this one's place.
                try await measureStream(hub, &report)
                for round in 1...settings.rounds {
                    let moments = try await takeOver(hub, directory: hub.directory + "/empty-\(round)", "empty disk") {}
                    report.emptyDisk.append(moments)
                }
                for round in 1...settings.rounds {
                    owner = try startOwner(hub)
                    try await hub.waitUntilServed()
                    let moments = try await takeOver(
                        hub, directory: hub.directory + "/standby-\(round)", "warm standby"
                    ) {
                        try await waitUntilWarm(hub, hub.directory + "/standby-\(round)")
                        owner.kill()
                    }
                    report.warmStandby.append(moments)
                }
            } catch {
                owner.kill()
                throw error
            }
            report.residentBytes = ProcessUsage.residentBytes
            return report
        }
    }

    // MARK: - Before

    private func startOwner(_ hub: BenchHub) throws -> WorkerProcess {
        try WorkerProcess(
            program: program,
            arguments: [
                "bench", "recovery", "--serve", hub.client.hub.value, "--worker", Self.owner.value, "--data",
                hub.directory + "/owner", "--cache", String(settings.cacheMebibytes), "--broker",
                settings.brokerURLs.joined(separator: ","),
            ])
    }

    /// - Returns: The longest time, in seconds, that the answer to a question took meanwhile.
    private func fill(_ hub: BenchHub) async throws -> Double {
        try await hub.waitUntilServed()
        say("starting \(settings.instances) instances")
        let asking = Task { try await askUntilCancelled(hub) }
        do {
            try await hub.start(.recovery, settings.instances, prefix: Self.prefix) {
                Payload(BenchJob(steps: $0).json)
            }
            try await hub.wait(forRuns: 0, then: settings.instances, .running)
        } catch {
            asking.cancel()
            throw error
        }
        asking.cancel()
        return try await asking.value
    }

    private func askUntilCancelled(_ hub: BenchHub) async throws -> Double {
        var longest = Duration.zero
        while !Task.isCancelled {
            let took = try await ContinuousClock().measure {
                do {
                    _ = try await hub.client.status(of: InstanceID(Self.prefix + "0"))
                } catch  where Task.isCancelled || (error as? ClientError)?.code == .noWorker {
                    // Its time counts all the same.
                }
            }
            if took > longest, !Task.isCancelled { longest = took }
            try? await Task.sleep(for: .milliseconds(5))
        }
        return longest.inSeconds
    }

    /// What is in the log, and how long reading it takes that does nothing else.
    private func measureStream(_ hub: BenchHub, _ report: inout RecoveryReport) async throws {
        let journal = try await hub.client.journal()
        let partition = PartitionID(0)
        let announcement = journal[partition].announcement
        let stream = announcement?.generation.stream ?? hub.client.topology.firstLogStream(of: partition)
        report.snapshotBytes = Int(announcement?.snapshotBytes ?? 0)
        let (messages, bytes, seconds) = try await RawStream(hub.client.transport, stream).read()
        report.logMessages = messages
        report.logBytes = bytes
        report.rawReadSeconds = seconds
        say("the log has \(messages) messages of \(bytes) bytes, read in \(seconds) s")
    }

    // MARK: - Taking over

    /// Lets a worker of this process take the partition over.
    ///
    /// - Parameter trigger: Run once it waits for the baton; the measurement begins at its end.
    private func takeOver(
        _ hub: BenchHub, directory: String, _ what: String, after trigger: () async throws -> Void
    ) async throws -> RecoveryReport.Moments {
        if let cold = settings.coldDirectory { try PageCache.drop(below: cold) }
        let log = MomentLog()
        let worker = try BenchHub.startWorker(
            WorkerID("standby"), hub.client.descriptor, settings, hub.tally, directory: directory, log.logger)
        let result: RecoveryReport.Moments
        do {
            try await trigger()
            let start = ContinuousClock.now
            try await firstAnswer(hub)
            let answered = ContinuousClock.now
            guard let baton = log[.baton], let serving = log[.serving] else {
                throw BenchFailure("the worker answers without having said that it serves the partition")
            }
            result = RecoveryReport.Moments(
                baton: (baton - start).inSeconds, serving: (serving - baton).inSeconds,
                answered: (answered - serving).inSeconds, total: (answered - start).inSeconds)
            say("\(what): \(result)")
        } catch {
            await BenchHub.stop(worker)
            throw error
        }
        await BenchHub.stop(worker)
        return result
    }

    private func firstAnswer(_ hub: BenchHub) async throws {
        let deadline = ContinuousClock.now + .seconds(300)
        while true {
            do {
                guard try await hub.client.status(of: InstanceID(Self.prefix + "0"))?.status == .running else {
                    throw BenchFailure("instance \(Self.prefix)0 does not wait any more")
                }
                return
            } catch let error as ClientError where error.code == .noWorker && ContinuousClock.now < deadline {
                // Not yet.
            }
        }
    }

    /// Waits until the standby follows the log and its copy does not change any more.
    private func waitUntilWarm(_ hub: BenchHub, _ directory: String) async throws {
        // There while the copy is open. The broker counts consumers of a baton that wait for it nowhere.
        let open = "\(directory)/copy-0.sqlite-wal"
        try await hub.until("a standby") { FileManager.default.fileExists(atPath: open) ? nil : 0 }
        let clock = ContinuousClock()
        var last = (stamp: 0, time: clock.now)
        while clock.now - last.time < .seconds(3) {
            let stamp = PageCache.stamp(below: directory)
            if stamp != last.stamp { last = (stamp, clock.now) }
            try await Task.sleep(for: .milliseconds(100))
        }
    }
}
