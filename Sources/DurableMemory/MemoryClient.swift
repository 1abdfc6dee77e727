internal import DurableBackend
internal import DurableCore
internal import OrderedCollections

/// What one client knows: its connections as far as it has noticed, its channels, and who waits for an answer.
/// Touched by the client's own calls and by what the network brings it.
final class MemoryClient: Sendable {
    struct Ticket: Sendable {
        var number: UInt64
        /// Of the connection, as the client knows it.
        var generation: Int
    }

    private struct State {
        var publishing = 0
        var consuming = 0
        /// Why nothing can be begun any more.
        var end: TransportError?
        /// In order of opening, with the generation of the connection each was opened on.
        var channels: OrderedDictionary<UInt64, Int> = [:]
        /// In order of asking.
        var waiting: OrderedDictionary<UInt64, Waiting> = [:]
        var lastNumber: UInt64 = 0

        func generation(_ role: ConnectionRole) -> Int { role == .publishing ? publishing : consuming }

        mutating func goOn(_ role: ConnectionRole, _ generation: Int) {
            if role == .publishing {
                publishing = max(publishing, generation)
            } else {
                consuming = max(consuming, generation)
                channels.removeAll { $0.value < consuming }
            }
        }

        mutating func takeWaiting(where condition: (Waiting) -> Bool) -> [Waiting] {
            let taken = waiting.values.filter(condition)
            waiting.removeAll { condition($0.value) }
            return taken
        }
    }

    private struct Waiting {
        var role: ConnectionRole
        var generation: Int
        var fail: @Sendable (TransportError) -> Void
    }

    private let state = PlatformLock(State())

    /// Throws when the client is closed or dead.
    func check() throws(TransportError) {
        if let end = state.withLock(\.end) { throw end }
    }

    /// - Parameter channel: Whose connection the call belongs to; nil: the newest one.
    func begin(
        _ role: ConnectionRole, channel: UInt64?, _ fail: @escaping @Sendable (TransportError) -> Void
    ) -> Ticket {
        state.withLock { state in
            state.lastNumber += 1
            // A channel that is gone belongs to no connection, and the broker says so.
            let generation = channel.map { state.channels[$0] ?? -1 } ?? state.generation(role)
            let ticket = Ticket(number: state.lastNumber, generation: generation)
            state.waiting[ticket.number] = Waiting(role: role, generation: generation, fail: fail)
            return ticket
        }
    }

    func end(_ ticket: Ticket) { state.withLock { _ = $0.waiting.removeValue(forKey: ticket.number) } }

    /// Takes note of a channel that was opened on the connection of `generation`.
    func opened(_ channel: UInt64, _ generation: Int) throws(TransportError) {
        try state.withLock { state throws(TransportError) in
            if let end = state.end { throw end }
            if state.consuming != generation { throw .connectionLost("the connection ended meanwhile") }
            state.channels[channel] = generation
        }
    }

    func ended(_ channel: UInt64) { state.withLock { _ = $0.channels.removeValue(forKey: channel) } }

    /// The client goes on with the connection of `generation`; what waits on an older one still gets its answer.
    func goOn(_ role: ConnectionRole, generation: Int) {
        state.withLock { $0.goOn(role, generation) }
    }

    /// The client notices that its connection ended: it goes on with the one of `generation`.
    func lost(_ role: ConnectionRole, generation: Int, _ text: String) {
        let lost = state.withLock { state -> [Waiting] in
            state.goOn(role, generation)
            return state.takeWaiting { $0.role == role && $0.generation < generation }
        }
        for call in lost { call.fail(.connectionLost(text)) }
    }

    /// Ends the client: what waits fails with `error`, and so does whatever is begun later.
    ///
    /// - Returns: Its open channels, in order of opening; nil when it had ended before.
    func end(with error: TransportError) -> [UInt64]? {
        let (channels, calls) = state.withLock { state -> ([UInt64]?, [Waiting]) in
            if state.end != nil { return (nil, []) }
            state.end = error
            return (Array(state.channels.keys), state.takeWaiting { _ in true })
        }
        for call in calls { call.fail(error) }
        return channels
    }
}
