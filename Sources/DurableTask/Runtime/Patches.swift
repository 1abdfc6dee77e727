import DurableCore

/// What one execution was told about changes of its code.
struct Patches {
    /// IDs in the history that is replayed, wherever in it: asked for before replay comes to them. Look-up only.
    let recorded: Set<String>
    /// See `NativeOrchestration.Options.repeatsHistory`.
    let repeatsHistory: Bool
    /// The first answer holds for the whole execution.
    fileprivate var answers: [String: Bool] = [:]

    init(recorded: Set<String>, repeatsHistory: Bool) {
        self.recorded = recorded
        self.repeatsHistory = repeatsHistory
    }
}

extension OrchestratorRuntime {
    /// Whether this execution goes the way of the code that has the patch.
    ///
    /// It does when it comes here for the first time while nothing is replayed. What is replayed was run before: by
    /// code that had the patch, which is recorded then, or by code that did not have it and went the way it knew.
    ///
    /// - Parameter isDeprecated: The code has no other way any more.
    func isPatched(_ id: String, isDeprecated: Bool) -> Bool {
        if let answer = patches.answers[id] { return answer }
        let isReplayed = mode.isReplaying || patches.repeatsHistory
        let answer = isReplayed ? patches.recorded.contains(id) : true
        patches.answers[id] = answer
        if answer { asked.append(.recordPatch(id: id, isDeprecated: isDeprecated)) }
        return answer
    }

    /// History comes to where a patch was recorded.
    func passPatch(_ id: String, isDeprecated: Bool, _ event: HistoryEvent) {
        guard isDeprecated else { return match(event) }
        // Code after that one need not ask, or may ask later. It is patched all the same.
        patches.answers[id] = true
        _ = asked.removeFirst {
            if case .recordPatch(id, _) = $0 { true } else { false }
        }
    }
}
