import DurableCore

/// External events by name: those that came early, in order of arrival, and those who wait, in order of request.
/// For one name never both.
struct ExternalEvents {
    struct Waiter {
        /// Tells the waiters of one instance apart.
        let ticket: Int
        let continuation: WaitContinuation
        /// The timer that limits the wait.
        let timeout: EventID?
    }

    private struct Early {
        /// Counts all that came early, of any name.
        let arrival: Int
        /// As code is given it.
        let event: RaisedEvent
        /// As history holds it.
        let recorded: Payload?
    }

    private var early: [String: FIFO<Early>] = [:]
    private var lastArrival = 0
    private var waiters: [String: FIFO<Waiter>] = [:]
    private var lastTicket = 0
    private(set) var waitingCount = 0
    /// Size of the events nobody took yet.
    private(set) var bufferedBytes = 0

    /// In order of name.
    var awaitedNames: [String] { waiters.keys.sorted() }

    mutating func newTicket() -> Int {
        lastTicket += 1
        return lastTicket
    }

    mutating func takeEarly(_ name: String) -> Payload?? {
        guard let event = early[name]?.popFirst()?.event else { return nil }
        if early[name]?.isEmpty == true { early[name] = nil }
        bufferedBytes -= event.estimatedBytes
        return .some(event.input)
    }

    /// - Parameter recorded: What history holds, where code is given something else.
    mutating func buffer(_ payload: Payload?, recorded: Payload?, name: String) {
        lastArrival += 1
        let event = RaisedEvent(name: name, input: payload)
        early[name, default: FIFO()].append(Early(arrival: lastArrival, event: event, recorded: recorded))
        bufferedBytes += event.estimatedBytes
    }

    /// Everything nobody took, as history holds it, in order of arrival.
    mutating func takeAllEarly() -> [RaisedEvent] {
        var all: [Early] = []
        for name in early.keys { all += early[name]?.takeAll() ?? [] }
        early = [:]
        bufferedBytes = 0
        return all.sorted { $0.arrival < $1.arrival }.map { RaisedEvent(name: $0.event.name, input: $0.recorded) }
    }

    mutating func wait(for name: String, _ waiter: Waiter) {
        waiters[name, default: FIFO()].append(waiter)
        waitingCount += 1
    }

    mutating func firstWaiter(for name: String) -> Waiter? {
        removed(waiters[name]?.popFirst(), name)
    }

    mutating func removeWaiter(for name: String, where matches: (Waiter) -> Bool) -> Waiter? {
        removed(waiters[name]?.removeFirst(where: matches), name)
    }

    /// Everyone who waits, in order of request.
    mutating func removeAllWaiters() -> [Waiter] {
        var all: [Waiter] = []
        for name in waiters.keys {
            while let waiter = waiters[name]?.popFirst() { all.append(waiter) }
        }
        waiters = [:]
        waitingCount = 0
        return all.sorted { $0.ticket < $1.ticket }
    }

    private mutating func removed(_ waiter: Waiter?, _ name: String) -> Waiter? {
        guard let waiter else { return nil }
        waitingCount -= 1
        if waiters[name]?.isEmpty == true { waiters[name] = nil }
        return waiter
    }
}
