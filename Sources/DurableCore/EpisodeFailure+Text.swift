extension EpisodeFailure {
    /// Of its page in `ops/errors`.
    package var code: String {
        switch self {
        case .nonDeterministic: "DTQ2003"
        case .nonDurableAwait: "DTQ2001"
        case .contextMisuse: "DTQ2002"
        }
    }

    /// What the code did, as the end of a sentence about its instance.
    package var explanation: String {
        switch self {
        case .nonDeterministic(let position, let holds, let asked):
            "replay diverged at event \(position). History holds \(holds); the code asked for \(asked)"
        case .nonDurableAwait(let text): "its code awaited something that is not durable: \(text)"
        case .contextMisuse(let text): "its context was used from outside the orchestration: \(text)"
        }
    }
}
