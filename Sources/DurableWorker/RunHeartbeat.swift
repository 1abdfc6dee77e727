import DurableCore

/// How far one run of an activity has come, as its code says.
final class RunHeartbeat: Sendable {
    private let newest = PlatformLock<Payload?>(nil)

    func note(_ details: Payload) { newest.withLock { $0 = details } }

    /// What was said since the last call; nil: nothing.
    func take() -> Payload? {
        newest.withLock { newest in
            defer { newest = nil }
            return newest
        }
    }

    /// For the next call, unless something newer was said.
    func putBack(_ details: Payload?) { newest.withLock { if $0 == nil { $0 = details } } }
}
