/// Where an instance stands. Raw values are those of the Durable Task protocol.
public enum OrchestrationStatus: Int32, Hashable, Sendable, CaseIterable, CustomStringConvertible {
    /// Takes part in episodes. Becomes any terminal status, or `suspended`.
    case running = 0
    /// Terminal: returned a result.
    case completed = 1
    /// This execution ended and a new one of the same instance began.
    case continuedAsNew = 2
    /// Terminal: ended with an error.
    case failed = 3
    /// Terminal: ended by cancellation.
    case canceled = 4
    /// Terminal: ended from outside.
    case terminated = 5
    /// Accepted, its first episode has not run (a later start time, or no code for it yet). Becomes `running`.
    case pending = 6
    /// Keeps what arrives and runs nothing. Becomes `running` or `terminated`.
    case suspended = 7

    /// Whether the instance has ended for good. `continuedAsNew` is the end of an execution only.
    public var isTerminal: Bool {
        switch self {
        case .completed, .failed, .canceled, .terminated: true
        case .running, .continuedAsNew, .pending, .suspended: false
        }
    }

    /// Lower-case word used by the command line and JSON.
    public var description: String {
        switch self {
        case .running: "running"
        case .completed: "completed"
        case .continuedAsNew: "continued-as-new"
        case .failed: "failed"
        case .canceled: "canceled"
        case .terminated: "terminated"
        case .pending: "pending"
        case .suspended: "suspended"
        }
    }

    /// Reads what `description` gives; nil for any other word.
    public init?(word: String) {
        guard let status = Self.allCases.first(where: { $0.description == word }) else { return nil }
        self = status
    }
}
