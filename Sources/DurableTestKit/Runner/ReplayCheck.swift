import DurableCore
import DurableTask
import FoundationEssentials
import Logging

/// Runs a recorded execution again in many ways, and compares.
struct ReplayCheck {
    private let execution: RecordedExecution
    private let registry: Registry
    /// How many sessions: the work must not grow with the square of a long history.
    private var limit: Int { max(16, min(256, 100_000 / max(1, execution.history.count))) }
    /// How often the code is run from its start: what is random may agree by chance.
    private static let runsFromStart = 8

    init(_ execution: RecordedExecution, _ registry: Registry) {
        self.execution = execution
        self.registry = registry
    }

    /// Of a history without what its code asked for: only `replayInParts` says anything.
    init(_ history: OrchestrationHistory, _ start: ExecutionStarted, _ registry: Registry) {
        self.init(RecordedExecution(start, history.instanceID, history.events), registry)
    }

    func run() throws {
        try runFromEpisodes()
        try replayInParts()
    }

    // MARK: - From each episode

    private struct Run {
        let session: NativeOrchestration
        /// Events replayed before it began to run.
        let replayed: Int
    }

    /// Begins a session at each episode, rebuilt from what stood before, and runs all of them side by side: what they
    /// keep in memory lies at other addresses, so that orders taken from hash tables differ.
    private func runFromEpisodes() throws {
        var runs: [Run] = []
        defer { for run in runs { run.session.evict() } }
        let begins = Set(spread(execution.episodes.count))
        var position = 0
        for (index, episode) in execution.episodes.enumerated() {
            guard let recorded = episode.actions else { return }
            for run in runs { try compare(run, episode, recorded, position) }
            for number in 0..<(index == 0 ? Self.runsFromStart : 1) where begins.contains(index) {
                let ballast = Ballast(isHeavy: number % 2 == 1)
                let run = try begin(at: position)
                runs.append(run)
                try compare(run, episode, recorded, position)
                withExtendedLifetime(ballast) {}
            }
            position += episode.received.count + episode.recorded.count
        }
    }

    private func begin(at position: Int) throws -> Run {
        let run = Run(session: try makeSession(), replayed: position)
        try attempt("in a session rebuilt from the first \(position) events, as after a crash") {
            () throws(EpisodeFailure) in
            if position > 0 { try run.session.replay(Array(execution.history.prefix(position))) }
        }
        return run
    }

    private func compare(
        _ run: Run, _ episode: RecordedEpisode, _ recorded: [OrchestratorAction], _ position: Int
    ) throws {
        let way =
            run.replayed == 0
            ? "when run again from its start"
            : "in a session rebuilt from the first \(run.replayed) events, as after a crash"
        let asked = try attempt(way) { () throws(EpisodeFailure) in try run.session.run(episode.received) }
        if asked == recorded { return }
        let first = zip(asked, recorded).prefix { $0 == $1 }.count
        // Some actions leave no event: the position is that of the next one that does.
        let events = recorded.prefix(first).count { !$0.isUnrecorded }
        throw OrchestrationTestError(
            .nonDeterministic(
                position: position + episode.received.count + events,
                historyHolds: first < recorded.count ? Self.describe(recorded[first]) : "the end of that episode",
                codeAsked: first < asked.count ? Self.describe(asked[first]) : "nothing more"),
            execution.instanceID, execution.name, addition: "(\(way))")
    }

    // MARK: - In two parts

    /// Replays the whole history, and the history in two parts, cut after each event.
    func replayInParts() throws {
        let history = execution.history.withoutImposedEnd
        for cut in [history.count] + spread(history.count) { try replay(history, cutAfter: cut) }
    }

    private func replay(_ history: [HistoryEvent], cutAfter cut: Int) throws {
        let session = try makeSession()
        defer { session.evict() }
        let way = cut == history.count ? "" : "(replayed in two parts, cut after \(cut) events)"
        do throws(EpisodeFailure) {
            try session.replay(Array(history.prefix(cut)))
            if cut < history.count { try session.replay(Array(history.dropFirst(cut))) }
            // What is asked for and not recorded shows with the next episode.
            let time = history.last?.timestamp ?? .distantPast
            _ = try session.run([HistoryEvent(timestamp: time, kind: .orchestratorStarted)])
        } catch {
            throw OrchestrationTestError(error, execution.instanceID, execution.name, addition: way)
        }
        let hasEnd = history.contains { if case .executionCompleted = $0.kind { true } else { false } }
        if session.isComplete == hasEnd { return }
        throw OrchestrationTestError(
            .nonDeterministic(
                position: history.count - 1,
                historyHolds: hasEnd ? "the end of the orchestration" : "no end of the orchestration",
                codeAsked: hasEnd ? "no end" : "to end"), execution.instanceID, execution.name, addition: way)
    }

    // MARK: - Helpers

    private func makeSession() throws -> NativeOrchestration {
        // What the code logs was logged when it ran.
        let silent = Logger(label: "dtq.orchestration", factory: { _ in SwiftLogNoOpLogHandler() })
        guard let session = registry.makeSession(of: execution, options: .init(logger: silent)) else {
            throw OrchestrationTestError(
                .notRegistered, execution.instanceID, "orchestration \"\(execution.name)\" is not registered")
        }
        return session
    }

    private func attempt<Result>(_ way: String, _ body: () throws(EpisodeFailure) -> Result) throws -> Result {
        do {
            return try body()
        } catch {
            throw OrchestrationTestError(error, execution.instanceID, execution.name, addition: "(\(way))")
        }
    }

    /// All of `0..<count`, or `limit` of them, the first and the last among them.
    private func spread(_ count: Int) -> [Int] {
        if count <= limit { return Array(0..<count) }
        return (0..<limit).map { $0 * (count - 1) / (limit - 1) }
    }

    private static func describe(_ action: OrchestratorAction) -> String {
        let text = HistoryText.describe(action)
        let payload: (what: String, value: Payload?)? =
            switch action {
            case .scheduleTask(_, _, let input), .sendEvent(_, _, _, let input), .callEntity(_, _, _, let input, _),
                .signalEntity(_, _, _, let input):
                ("input", input)
            case .createSubOrchestration(_, let child): ("input", child.input)
            case .completeOrchestration(_, _, let result, let failure):
                ("result", result ?? failure.map { Payload($0.description) })
            case .completeUpdate(_, let result, let failure):
                ("result", result ?? failure.map { Payload($0.description) })
            case .setCustomStatus(let status): ("value", status)
            default: nil
            }
        guard let payload, let value = payload.value else { return text }
        let shown = String(value.text.prefix(200))
        return "\(text) with \(payload.what) \(shown)\(shown.utf8.count < value.count ? "..." : "")"
    }

    /// Waits until the clock shows another millisecond, so that code that looks at it gets another answer. Spins for one
    /// at most.
    static func passMillisecond() {
        let start = Timestamp(Date())
        while Timestamp(Date()) == start {}
    }
}

extension OrchestratorAction {
    /// Leaves no event in history.
    fileprivate var isUnrecorded: Bool {
        switch self {
        case .cancelTimer, .setCustomStatus: true
        default: false
        }
    }
}

extension RecordedExecution {
    init(_ start: ExecutionStarted, _ instanceID: InstanceID, _ history: [HistoryEvent]) {
        self.init(
            name: start.name, version: start.version, instanceID: instanceID, executionID: start.executionID,
            history: history)
    }
}

/// Memory that is taken while code runs, so that what that code keeps lies elsewhere than when it ran before: a hash
/// table's order depends on its address.
private struct Ballast {
    private let blocks: [[UInt8]]

    init(isHeavy: Bool) {
        blocks = isHeavy ? stride(from: 0, to: 2048, by: 16).map { Array(repeating: 0, count: $0) } : []
    }
}
