package import DurableCore
package import DurableTask

/// One episode as history holds it.
struct RecordedEpisode {
    /// `orchestratorStarted`, then what had arrived.
    var received: [HistoryEvent] = []
    /// What the code asked for.
    var recorded: [HistoryEvent] = []

    var time: Timestamp { received.first?.timestamp ?? .distantPast }

    /// Its code has no part in it.
    var isEndImposed: Bool { recorded.last?.isImposedEnd ?? false }

    /// Events before the first `orchestratorStarted` are left out.
    static func split(_ history: [HistoryEvent]) -> [RecordedEpisode] {
        var episodes: [RecordedEpisode] = []
        for event in history {
            if event.kind == .orchestratorStarted {
                episodes.append(RecordedEpisode(received: [event]))
            } else if !episodes.isEmpty {
                if event.isAction {
                    episodes[episodes.count - 1].recorded.append(event)
                } else {
                    episodes[episodes.count - 1].received.append(event)
                }
            }
        }
        return episodes
    }
}

extension HistoryEvent {
    /// Whether it records what the code, or who ended it, asked for.
    var isAction: Bool {
        switch kind {
        case .taskScheduled, .timerCreated, .eventSent, .executionCompleted, .subOrchestrationCreated, .patchRecorded,
            .updateCompleted, .entityOperationSignaled, .entityOperationCalled, .entityLockRequested, .entityUnlockSent:
            true
        default: false
        }
    }
}

/// Runs recorded history through the code again: a run without any fault could have produced it, or it could not.
package struct HistoryReplay {
    package private(set) var violations: [String] = []
    /// What the code showed last; nil: nothing.
    package private(set) var customStatus: Payload??
    /// Events that the code had not taken when it continued as new.
    package private(set) var carriedOver: [RaisedEvent] = []

    private let start: ExecutionStarted
    private let programs: Registry
    private let patches: Set<String>
    /// From how many of the recorded episodes at most a new session is begun.
    private let prefixLimit: Int

    /// - Parameters:
    ///   - history: From the first event on; begins with an episode that holds `start`.
    ///   - programs: Code that fits.
    package init(_ history: [HistoryEvent], of start: ExecutionStarted, programs: Registry, prefixLimit: Int = 4) {
        self.start = start
        self.programs = programs
        patches = history.recordedPatches
        self.prefixLimit = prefixLimit
        var episodes = RecordedEpisode.split(history)
        if episodes.last?.isEndImposed == true { episodes.removeLast() }
        if episodes.isEmpty { return }
        runLive(episodes)
        if violations.isEmpty { runFromPrefixes(episodes) }
        if violations.isEmpty { runWhole(episodes) }
    }

    private func session() -> NativeOrchestration? {
        var options = NativeOrchestration.Options()
        options.repeatsHistory = true
        return programs.makeSession(
            name: start.name, version: start.version, instanceID: start.instanceID, executionID: start.executionID,
            patches: patches, options: options)
    }

    /// One session from the first episode to the last, as in a worker that never lets go.
    private mutating func runLive(_ episodes: [RecordedEpisode]) {
        guard let session = session() else { return note("orchestration \"\(start.name)\" is not registered") }
        defer { session.evict() }
        var dropped: [EventID] = []
        for (index, episode) in episodes.enumerated() {
            for case .timerFired(let id, _) in episode.received.map(\.kind) where dropped.contains(id) {
                note("timer \(id) fires in episode \(index) although it was dropped before")
            }
            guard let actions = run(episode, index, in: session, "live") else { return }
            for action in actions {
                switch action {
                case .cancelTimer(let id): dropped.append(id)
                case .setCustomStatus(let status): customStatus = .some(status)
                case .continueAsNew(_, _, _, let events): carriedOver = events
                default: break
                }
            }
        }
    }

    /// New sessions that replay what stood before an episode and run it, as after a crash or an eviction.
    private mutating func runFromPrefixes(_ episodes: [RecordedEpisode]) {
        let step = max(1, (episodes.count + prefixLimit - 1) / prefixLimit)
        for index in stride(from: episodes.count - 1, to: 0, by: -step) {
            guard let session = session() else { return }
            defer { session.evict() }
            guard replay(episodes.prefix(index), in: session) else { return }
            if run(episodes[index], index, in: session, "replay") == nil { return }
        }
    }

    /// Replay of everything must leave the code with nothing more to ask for.
    private mutating func runWhole(_ episodes: [RecordedEpisode]) {
        guard let session = session(), let last = episodes.last else { return }
        defer { session.evict() }
        guard replay(episodes[...], in: session) else { return }
        let next = RecordedEpisode(received: [HistoryEvent(timestamp: last.time, kind: .orchestratorStarted)])
        _ = run(next, episodes.count, in: session, "replay")
        let hasEnd = last.recorded.contains { if case .executionCompleted = $0.kind { true } else { false } }
        if session.isComplete != hasEnd {
            note(hasEnd ? "history has an end that the code does not come to" : "the code ended, history has no end")
        }
    }

    private mutating func replay(_ episodes: ArraySlice<RecordedEpisode>, in session: NativeOrchestration) -> Bool {
        do throws(EpisodeFailure) {
            try session.replay(episodes.flatMap { $0.received + $0.recorded })
            return true
        } catch {
            note("replay of \(episodes.count) episodes fails: \(error)")
            return false
        }
    }

    private mutating func run(
        _ episode: RecordedEpisode, _ index: Int, in session: NativeOrchestration, _ how: String
    ) -> [OrchestratorAction]? {
        do throws(EpisodeFailure) {
            let actions = try session.run(episode.received)
            let asked = actions.compactMap { $0.historyEvent(at: episode.time, of: start.executionID) }
            if let difference = Self.difference(asked, episode.recorded) {
                note("episode \(index) (\(how)): \(difference)")
                return nil
            }
            return actions
        } catch {
            note("episode \(index) (\(how)) fails: \(error)")
            return nil
        }
    }

    private static func difference(_ asked: [HistoryEvent], _ recorded: [HistoryEvent]) -> String? {
        for (asked, recorded) in zip(asked, recorded) where asked != recorded {
            return "history holds \(recorded.shortText), the code asks for \(asked.shortText)"
        }
        if asked.count > recorded.count {
            return "the code asks for \(asked[recorded.count].shortText), which history does not hold"
        }
        if recorded.count > asked.count {
            return "history holds \(recorded[asked.count].shortText), which the code does not ask for"
        }
        return nil
    }

    private mutating func note(_ text: String) { violations.append(text) }
}

extension OrchestratorAction {
    /// What the engine records for it; nil when that is nothing.
    func historyEvent(at time: Timestamp, of execution: ExecutionID) -> HistoryEvent? {
        func request(_ id: EventID) -> String { "\(execution.stem)/\(id)" }
        let kind: HistoryEvent.Kind
        switch self {
        case .scheduleTask(_, let name, let input): kind = .taskScheduled(name: name, input: input)
        case .createTimer(_, let fireAt): kind = .timerCreated(fireAt: fireAt)
        case .sendEvent(_, let target, let name, let input):
            kind = .eventSent(instanceID: target, name: name, input: input)
        case .createSubOrchestration(_, let child): kind = .subOrchestrationCreated(child)
        case .continueAsNew(_, let input, _, _):
            kind = .executionCompleted(status: .continuedAsNew, result: input, failure: nil)
        case .completeOrchestration(_, let status, let result, let failure):
            kind = .executionCompleted(status: status, result: result, failure: failure)
        case .recordPatch(let id, let isDeprecated): kind = .patchRecorded(id: id, isDeprecated: isDeprecated)
        case .callEntity(let id, let target, let operation, let input, let section):
            kind = .entityOperationCalled(
                EntityCall(
                    requestID: request(id), operation: operation, input: input, target: target,
                    section: section.map(request)))
        case .signalEntity(let id, let target, let operation, let input):
            kind = .entityOperationSignaled(
                EntitySignal(requestID: request(id), operation: operation, input: input, target: target))
        case .lockEntities(let id, let lockSet):
            kind = .entityLockRequested(EntityLockRequest(section: request(id), lockSet: lockSet))
        case .unlockEntity(let section, let target):
            kind = .entityUnlockSent(EntityUnlock(section: request(section), target: target))
        case .abandonSection(let section): kind = .entityUnlockSent(EntityUnlock(section: request(section)))
        case .completeUpdate(let id, let result, let failure):
            kind = .updateCompleted(id: id, result: result, failure: failure)
        case .cancelTimer, .cancelTask, .cancelChild, .setCustomStatus, .setCompensatesTermination, .passOn:
            return nil
        }
        return HistoryEvent(eventID: eventID, timestamp: time, kind: kind)
    }
}

extension HistoryEvent {
    /// For one line: long data only by its length.
    var shortText: String {
        func short(_ payload: Payload?) -> String {
            payload.map { $0.count <= 80 ? $0.text : "\($0.count) bytes" } ?? "nothing"
        }
        let detail =
            switch kind {
            case .taskScheduled(let name, let input): "\"\(name)\" with \(short(input))"
            case .timerCreated(let fireAt): "due \(fireAt)"
            case .eventSent(let target, let name, let input): "\"\(name)\" to \(target) with \(short(input))"
            case .executionCompleted(let status, let result, let failure):
                "as \(status) with \(failure.map { "\($0)" } ?? short(result))"
            case .taskCompleted(let id, let result): "of task \(id) with \(short(result))"
            case .taskFailed(let id, let failure): "of task \(id) with \(failure)"
            case .eventRaised(let name, let input): "\"\(name)\" with \(short(input))"
            case .patchRecorded(let id, let isDeprecated): "\"\(id)\"\(isDeprecated ? ", deprecated" : "")"
            default: ""
            }
        return "\(typeName)\(eventID == .none ? "" : " \(eventID)")\(detail.isEmpty ? "" : " ")\(detail)"
    }
}
