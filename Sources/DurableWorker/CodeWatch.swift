import DurableBackend
import DurableCore
import DurableEngine
import Logging

/// Notices code of orchestrations that keeps its partition's thread, as it may not: by a lock, a file, or a computation.
/// That thread cannot say so itself; another one looks now and then.
package final class CodeWatch: Sendable {
    fileprivate struct Run {
        let instanceID: InstanceID
        let code: OrchestrationCode
        let began: Duration
        var isReported = false
    }

    /// How long code may keep the thread before there is a warning.
    private static let limit = Duration.seconds(2)

    private let clock: any EngineClock
    private let logger: Logger
    private let runs = PlatformLock<[ObjectIdentifier: Run]>([:])  // sorted before use

    init(clock: any EngineClock, logger: Logger) {
        self.clock = clock
        self.logger = logger
    }

    fileprivate func began(_ session: WatchedSession) {
        let run = Run(instanceID: session.instanceID, code: session.code, began: clock.uptime())
        runs.withLock { $0[ObjectIdentifier(session)] = run }
    }

    fileprivate func ended(_ session: WatchedSession) {
        let run = runs.withLock { $0.removeValue(forKey: ObjectIdentifier(session)) }
        guard let run, run.isReported else { return }
        logger.notice("instance \(run.instanceID) (\(run.code)) has given its thread back", metadata: took(run))
    }

    /// Warns of code that has run for too long, once for each run of it.
    func look() {
        let now = clock.uptime()
        let overdue = runs.withLock { runs in
            var overdue: [Run] = []
            for (key, run) in runs where !run.isReported && now - run.began > Self.limit {
                runs[key]?.isReported = true
                overdue.append(run)
            }
            return overdue
        }
        for run in overdue.sorted(by: { $0.began < $1.began }) {
            logger.warning(
                """
                DTQ2021 instance \(run.instanceID) (\(run.code)): its code has kept the thread of its partition for more \
                than \(Self.limit.components.seconds) s without awaiting anything of its context. Everything else of that partition waits for it; \
                nothing is lost. Move what takes time (files, network, locks, long computations) to an activity. \
                See ops/errors/DTQ2021.md
                """, metadata: took(run))
        }
    }

    private func took(_ run: Run) -> Logger.Metadata {
        ["milliseconds": "\(Int((clock.uptime() - run.began) / .milliseconds(1)))"]
    }
}

/// An instance's code, watched whenever it runs.
final class WatchedSession: OrchestrationSession {
    fileprivate let instanceID: InstanceID
    fileprivate let code: OrchestrationCode
    private let session: any OrchestrationSession
    private let watch: CodeWatch

    init(_ session: any OrchestrationSession, of instanceID: InstanceID, _ code: OrchestrationCode, watch: CodeWatch) {
        self.session = session
        self.instanceID = instanceID
        self.code = code
        self.watch = watch
    }

    func replay(_ page: [HistoryEvent]) throws(EpisodeFailure) {
        watch.began(self)
        defer { watch.ended(self) }
        try session.replay(page)
    }

    func run(_ newEvents: [HistoryEvent]) throws(EpisodeFailure) -> [OrchestratorAction] {
        watch.began(self)
        defer { watch.ended(self) }
        return try session.run(newEvents)
    }

    func query(_ name: String, input: Payload?) -> HandlerAnswer {
        watch.began(self)
        defer { watch.ended(self) }
        return session.query(name, input: input)
    }

    func takesUpdate(named name: String) -> Bool { session.takesUpdate(named: name) }

    func admit(_ request: UpdateRequest, violation: inout String?) -> UpdateAdmission {
        watch.began(self)
        defer { watch.ended(self) }
        return session.admit(request, violation: &violation)
    }

    func evict() { session.evict() }
    var registeredVersion: String? { session.registeredVersion }
    var estimatedBytes: Int { session.estimatedBytes }
}
