/// Names one update of an instance: asked again under the same ID it does not run again. 1 to 255 bytes of UTF-8 without
/// control characters; chosen by the caller, or a UUID when it names none.
public struct UpdateID: Hashable, Sendable, CustomStringConvertible {
    /// As the caller chose it.
    public var value: String
    /// Takes any text; what sends an update refuses one that is no ID.
    public init(_ value: String) { self.value = value }
    public var description: String { value }

    /// Says what is wrong with the ID, or nil when it may be used.
    package var defect: String? {
        let length = value.utf8.count
        if length == 0 { return "an update ID must not be empty" }
        if length > 255 { return "an update ID has at most 255 bytes, this one has \(length)" }
        if value.unicodeScalars.contains(where: \.isControl) {
            return "an update ID must not contain control characters"
        }
        return nil
    }
}

/// A change of an instance's state that a caller asks for, and whose result it is told.
public struct UpdateRequest: Hashable, Sendable {
    /// Under which it runs once.
    public var id: UpdateID
    /// Of the handler.
    public var name: String
    /// nil: none.
    public var input: Payload?

    /// Of what was recorded elsewhere, such as a fixture.
    public init(id: UpdateID, name: String, input: Payload?) {
        self.id = id
        self.name = name
        self.input = input
    }

    /// Memory it takes, roughly.
    package var estimatedBytes: Int { 96 + id.value.utf8.count + name.utf8.count + (input?.count ?? 0) }
}

/// What became of an update.
package enum UpdateOutcome: Hashable, Sendable {
    case completed(Payload?)
    /// What its handler threw.
    case failed(FailureDetails)
    /// Refused before it began; nothing of it is in the history.
    case rejected(FailureDetails)
    /// The instance ended before it began.
    case notBegun
    /// Its execution ended before its handler did.
    case notFinished
    /// It completed, and its result is kept no longer.
    case forgotten
}

/// The updates of one instance, over all its executions: what must be known to run each once and to give each caller its
/// answer. Requests wait here, not in the history, until the code has admitted them.
package struct UpdateLedger: Hashable, Sendable {
    package struct Ended: Hashable, Sendable {
        package var id: UpdateID
        package var outcome: UpdateOutcome
        package init(id: UpdateID, outcome: UpdateOutcome) {
            self.id = id
            self.outcome = outcome
        }
    }

    /// Not begun, in order of arrival.
    package private(set) var requested: [UpdateRequest] = []
    /// Begun by the present execution and not ended, in order of begin.
    package private(set) var open: [UpdateID] = []
    /// Those that began and ended most recently, oldest first.
    package private(set) var ended: [Ended] = []
    /// Those refused most recently, oldest first.
    package private(set) var rejected: [Ended] = []

    package init() {}

    package init(requested: [UpdateRequest], open: [UpdateID], ended: [Ended], rejected: [Ended]) {
        self.requested = requested
        self.open = open
        self.ended = ended
        self.rejected = rejected
    }

    /// How many may wait or run at a time.
    package static let openLimit = 128
    /// How many that ended are remembered, and how many that were refused.
    package static let endedLimit = 128
    /// Bytes of results kept, the last one's apart, which is kept whatever its size.
    package static let resultBytesLimit = 64 << 10

    package var isEmpty: Bool { requested.isEmpty && open.isEmpty && ended.isEmpty && rejected.isEmpty }
    /// Waiting or running.
    package var openCount: Int { requested.count + open.count }

    package enum Standing: Hashable, Sendable {
        case requested, open
        case ended(UpdateOutcome)
    }

    /// nil: no update of that ID is known, or not any more.
    package func standing(of id: UpdateID) -> Standing? {
        if let record = ended.last(where: { $0.id == id }) ?? rejected.last(where: { $0.id == id }) {
            return .ended(record.outcome)
        }
        if open.contains(id) { return .open }
        return requested.contains { $0.id == id } ? .requested : nil
    }

    /// Memory it takes, roughly.
    package var estimatedBytes: Int {
        var bytes = open.count * 64
        for request in requested { bytes += request.estimatedBytes }
        for record in ended { bytes += 96 + record.outcome.resultBytes }
        for record in rejected { bytes += 256 + record.outcome.resultBytes }
        return bytes
    }

    // MARK: - Changes

    mutating func request(_ requests: [UpdateRequest]) { requested += requests }

    mutating func reject(_ rejections: [Ended]) {
        for rejection in rejections { requested.removeAll { $0.id == rejection.id } }
        rejected += rejections
        rejected.removeFirst(max(0, rejected.count - Self.endedLimit))
    }

    mutating func begin(_ id: UpdateID) {
        requested.removeAll { $0.id == id }
        open.append(id)
    }

    mutating func end(_ id: UpdateID, _ outcome: UpdateOutcome) {
        open.removeAll { $0 == id }
        ended.append(Ended(id: id, outcome: outcome))
        ended.removeFirst(max(0, ended.count - Self.endedLimit))
        var bytes = 0
        for index in ended.indices.reversed() {
            bytes += ended[index].outcome.resultBytes
            if bytes <= Self.resultBytesLimit || index == ended.count - 1 { continue }
            if case .completed = ended[index].outcome { ended[index].outcome = .forgotten }
        }
    }

    /// The execution is over: what it had begun has no end any more.
    mutating func endExecution() {
        for id in open { end(id, .notFinished) }
    }

    /// The instance has ended.
    mutating func endInstance() {
        endExecution()
        let waiting = requested
        requested = []
        for request in waiting { end(request.id, .notBegun) }
    }
}

extension UpdateOutcome {
    fileprivate var resultBytes: Int { if case .completed(let result) = self { result?.count ?? 0 } else { 0 } }
}
