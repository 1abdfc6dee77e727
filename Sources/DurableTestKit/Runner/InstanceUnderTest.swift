import DurableCore
import DurableTask

/// One instance: its state as the engine keeps it, its suspended code, and everything that was recorded.
///
/// Everything but `session` is changed with the hub locked; `executions` only by who runs the environment.
final class InstanceUnderTest {
    let id: InstanceID
    let name: String
    var state: InstanceState
    /// Touched only by who runs the environment.
    var session: NativeOrchestration?
    /// Oldest first, at least one: each continue-as-new begins another.
    private(set) var executions: [RecordedExecution]
    /// Whether the code of `session` has ended, or is not to go on.
    var isSessionOver = false
    /// Whether it is in the list of those whose episode is due.
    var isReady = false

    init(_ state: InstanceState) {
        id = state.id
        name = state.name
        self.state = state
        executions = [RecordedExecution(state)]
    }

    var isSuspended: Bool { state.status == .suspended }

    var current: RecordedExecution { executions[executions.count - 1] }

    func mayRun(at now: Timestamp) -> Bool {
        if state.inbox.isEmpty { return state.mayAdmitUpdates }
        if state.entity != nil { return state.hold == nil }
        return state.isEndImposed(at: now) || state.mayRun(at: now)
    }

    /// Keeps what happened in an episode, and folds it in.
    func record(_ episode: RecordedEpisode, _ change: InstanceChange) {
        executions[executions.count - 1].append(episode)
        state.evolve(with: change)
        let continuesAsNew = state.executionID != current.executionID
        if continuesAsNew { executions.append(RecordedExecution(state)) }
        if continuesAsNew || state.status.isTerminal { isSessionOver = true }
    }

    /// Becomes what it was earlier: `change` makes that of `state`, and holds the history of the present execution.
    func goBack(to change: InstanceChange, from state: InstanceState) {
        self.state = state
        self.state.evolve(with: change)
        executions[executions.count - 1].goBack(to: change.history.count)
        isSessionOver = true
    }

    /// Ends the suspended code, unless it is needed any more. Runs what is left of the user's code.
    func dropSessionIfOver() {
        if !isSessionOver { return }
        isSessionOver = false
        session?.evict()
        session = nil
    }

    /// What the instance waits for, for people.
    var waits: String {
        var waits = (session?.awaitedEvents ?? []).map { "external event \"\($0)\"" }
        if !state.updates.open.isEmpty { waits.append("the end of \(state.updates.open.count) updates") }
        waits += state.updates.requested.map { "a handler of update \"\($0.name)\"" }
        waits += state.openTasks.keys.sorted().map { "activity of event ID \($0)" }
        waits += state.openChildren.sorted { $0.key < $1.key }.map { "sub-orchestration \"\($0.value)\"" }
        waits += state.openEntityCalls.sorted { $0.key < $1.key }.map { "an operation of \($0.value)" }
        waits += state.openSections.sorted { $0.key < $1.key }.map { section, lockSet in
            "or holds the critical section of \(lockSet.map(\.value).joined(separator: ", ")) (event ID \(section))"
        }
        if let lock = state.entity?.lock { waits.append("the end of a critical section of \"\(lock.parent)\"") }
        if isSuspended { waits = ["resume, since it is suspended"] }
        if let hold = state.hold { waits = ["code that fits: \(hold.text)"] }
        return "\"\(id)\" (\(name)) waits for "
            + (waits.isEmpty ? "nothing that the environment knows" : waits.joined(separator: ", "))
    }
}

/// What one execution of an instance was given and asked for, episode by episode.
struct RecordedExecution {
    let name: String
    let version: String?
    let instanceID: InstanceID
    let executionID: ExecutionID
    private(set) var episodes: [RecordedEpisode] = []
    private(set) var history: [HistoryEvent] = []

    mutating func append(_ episode: RecordedEpisode) {
        episodes.append(episode)
        history += episode.received + episode.recorded
    }

    /// Forgets the episodes behind so many events.
    mutating func goBack(to count: Int) {
        history.removeSubrange(count...)
        var (kept, length) = (0, 0)
        while length < count {
            length += episodes[kept].received.count + episodes[kept].recorded.count
            kept += 1
        }
        episodes.removeSubrange(kept...)
    }
}

extension RecordedExecution {
    /// The execution that the instance is in, nothing recorded yet.
    init(_ state: InstanceState) {
        self.init(name: state.name, version: state.version, instanceID: state.id, executionID: state.executionID)
    }
}

struct RecordedEpisode {
    /// `orchestratorStarted`, then what had arrived.
    var received: [HistoryEvent]
    /// What the code asked for; nil: it was ended without being asked.
    var actions: [OrchestratorAction]?
    /// What of that went into history.
    var recorded: [HistoryEvent]
}
