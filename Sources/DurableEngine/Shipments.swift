import DurableCore

/// Instances whose code their owner lacks: what was shipped and is not answered, and who waits for a worker with the
/// code. All of them are held (DTQ2005), so that a later owner finds them.
struct Shipments {
    /// An episode that is away.
    struct Shipment {
        let number: UInt64
        let code: OrchestrationCode
        let executionID: ExecutionID
        /// Its `orchestratorStarted` and the events of the inbox it was shipped with: the first ones.
        let startedAt: Timestamp
        let eventCount: Int
        /// That its code is asked about.
        let updates: [UpdateID]
        let shippedAt: Duration
        /// By the clock's uptime: from then on it is shipped anew.
        let due: Duration
        fileprivate(set) var parts: [Int: [UInt8]] = [:]  // by number, look-up only
    }

    /// The same for all shippings of one episode.
    private struct Effort {
        var attempts = 0
        var shippings = 0
    }

    /// Updates that the code had no handler for when the history was like that.
    private struct PassedOver {
        var executionID: ExecutionID
        var historyCount: Int
        var updates: Set<UpdateID>  // look-up only
    }

    private var away: [InstanceID: Shipment] = [:]  // sorted before use
    /// In order of arrival, by the codes that may run them, best first. Some may have gone since.
    private var waiting: [[OrchestrationCode]: [InstanceID]] = [:]  // sorted before use
    private var waitingIDs: Set<InstanceID> = []  // look-up and count only
    private var efforts: [InstanceID: Effort] = [:]  // look-up only
    private var passedOver: [InstanceID: PassedOver] = [:]  // look-up only
    private var lastNumber: UInt64 = 0
    /// Something may be shipped that could not be before.
    var mustLook = false

    var awayCount: Int { away.count }
    var isEmpty: Bool { away.isEmpty && waitingIDs.isEmpty }
    subscript(id: InstanceID) -> Shipment? { away[id] }
    func isWaiting(_ id: InstanceID) -> Bool { waitingIDs.contains(id) }
    var nextDue: Duration? { away.values.map(\.due).min() }

    /// Codes that somebody waits for, as `InstanceState.codes` gives them, in order.
    var wanted: [[OrchestrationCode]] { waiting.keys.sorted { $0.lexicographicallyPrecedes($1) } }

    /// How many wait, by what they were started as, in order; those that wait for a free place away included.
    var waitingCounts: [(code: OrchestrationCode, instances: Int)] {
        var counts: [OrchestrationCode: Int] = [:]
        for (codes, ids) in waiting {
            guard let code = codes.max() else { continue }
            counts[code, default: 0] += ids.count { waitingIDs.contains($0) }
        }
        return counts.filter { $0.value > 0 }.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    }

    /// Has an instance wait for its code, unless it does or is away.
    mutating func wait(_ id: InstanceID, for codes: [OrchestrationCode]) {
        guard away[id] == nil, waitingIDs.insert(id).inserted else { return }
        waiting[codes, default: []].append(id)
        mustLook = true
    }

    /// The instance that has waited longest for those codes; it stays where it is.
    mutating func first(of codes: [OrchestrationCode]) -> InstanceID? {
        while let id = waiting[codes]?.first {
            if waitingIDs.contains(id) { return id }
            waiting[codes]?.removeFirst()
        }
        waiting[codes] = nil
        return nil
    }

    /// - Parameter patience: Of the first shipping; doubled for each further one, up to sixteen times as long.
    /// - Returns: The shipping's number.
    mutating func begin(
        _ state: InstanceState, code: OrchestrationCode, startedAt: Timestamp, eventCount: Int, updates: [UpdateID],
        at now: Duration, patience: Duration
    ) -> UInt64 {
        lastNumber += 1
        waitingIDs.remove(state.id)
        let shippings = efforts[state.id]?.shippings ?? 0
        efforts[state.id, default: Effort()].shippings += 1
        away[state.id] = Shipment(
            number: lastNumber, code: code, executionID: state.executionID, startedAt: startedAt,
            eventCount: eventCount, updates: updates, shippedAt: now, due: now + patience * (1 << min(shippings, 4)))
        return lastNumber
    }

    /// Takes back what was not answered in time.
    mutating func takeOverdue(at now: Duration) -> [(id: InstanceID, shipment: Shipment)] {
        let overdue = away.filter { $0.value.due <= now }.sorted { $0.value.number < $1.value.number }
        for (id, _) in overdue { away[id] = nil }
        return overdue.map { ($0.key, $0.value) }
    }

    /// Counts one more attempt at an episode that is away.
    mutating func noteAttempt(at id: InstanceID) -> Int {
        efforts[id, default: Effort()].attempts += 1
        return efforts[id]?.attempts ?? 0
    }

    /// - Returns: The encoded actions once all parts of them are there.
    mutating func take(_ part: EpisodeAnswer.Part, of id: InstanceID) -> [UInt8]? {
        if part.count == 1 { return part.content }
        away[id]?.parts[part.number] = part.content
        guard let parts = away[id]?.parts, parts.count == part.count else { return nil }
        return (1...part.count).flatMap { parts[$0] ?? [] }
    }

    /// The episode was answered, or is of no interest any more.
    mutating func forget(_ id: InstanceID) {
        if isEmpty { return }
        waitingIDs.remove(id)
        efforts[id] = nil
        if away.removeValue(forKey: id) != nil { mustLook = true }
    }

    // MARK: - Updates

    /// The updates that wait and that its code is to be asked about.
    func unadmitted(by state: InstanceState) -> [UpdateRequest] {
        guard let known = passedOver[state.id], known.executionID == state.executionID,
            known.historyCount == state.historyCount
        else { return state.updates.requested }
        return state.updates.requested.filter { !known.updates.contains($0.id) }
    }

    /// The code has no handler for these as long as nothing changes.
    mutating func passOver(_ updates: [UpdateID], of state: InstanceState) {
        var known = PassedOver(executionID: state.executionID, historyCount: state.historyCount, updates: [])
        if let before = passedOver[state.id], before.executionID == known.executionID,
            before.historyCount == known.historyCount
        {
            known.updates = before.updates
        }
        known.updates.formUnion(updates)
        passedOver[state.id] = known
    }

    /// Other code may have come.
    mutating func forgetPassedOver() { passedOver = [:] }

    mutating func ended(_ id: InstanceID) { passedOver[id] = nil }
}
