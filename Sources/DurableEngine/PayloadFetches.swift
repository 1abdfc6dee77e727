import DurableBackend
import DurableCore

/// Stored payloads on their way to the code of instances that wait for them.
struct PayloadFetches {
    /// Of all that is being fetched, unless one alone has more.
    private static let byteLimit = 64 << 20

    /// Look-up only, as all of these.
    private var wanted: [InstanceID: [StoredPayload]] = [:]
    private var queue: [InstanceID] = []
    private var bytesUnderWay = 0
    private var failures: [InstanceID: Int] = [:]
    /// What has come and no code has been given yet.
    var arrived: [InstanceID: [StoredPayload: Payload]] = [:]
    var faults: [InstanceID: PayloadFault] = [:]
    /// Questions to the code of instances that it cannot be rebuilt for yet.
    var queries: [InstanceID: [Delivery]] = [:]
    /// Instances to look at, in order.
    var ready: [InstanceID] = []

    mutating func want(_ references: [StoredPayload], for id: InstanceID) {
        // What is under way comes back as ready, and what lacks then is asked for.
        if wanted.updateValue(references, forKey: id) == nil { queue.append(id) }
    }

    mutating func takeNext() -> (id: InstanceID, references: [StoredPayload], bytes: Int)? {
        guard let id = queue.first, let references = wanted[id] else { return nil }
        let bytes = references.reduce(0) { $0 + $1.size }
        guard bytesUnderWay == 0 || bytesUnderWay + bytes <= Self.byteLimit else { return nil }
        queue.removeFirst()
        bytesUnderWay += bytes
        return (id, references, bytes)
    }

    mutating func finish(_ id: InstanceID, _ result: Result<[StoredPayload: Payload], PayloadFault>, _ bytes: Int) {
        bytesUnderWay -= bytes
        wanted[id] = nil
        switch result {
        case .success(let payloads):
            failures[id] = nil
            arrived[id, default: [:]].merge(payloads) { $1 }
        case .failure(let fault): faults[id] = fault
        }
        ready.append(id)
    }

    /// 1 s, doubled each time, at most 5 minutes.
    mutating func nextPause(for id: InstanceID) -> Duration {
        let count = failures[id] ?? 0
        failures[id] = count + 1
        return min(.seconds(1 << min(count, 9)), .seconds(300))
    }

    mutating func forget(_ id: InstanceID) {
        arrived[id] = nil
        faults[id] = nil
        failures[id] = nil
    }
}
