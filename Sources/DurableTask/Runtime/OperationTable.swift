import DurableCore

/// What a durable wait ends with.
enum WaitOutcome {
    case completed(Payload?)
    case failed(FailureDetails)
    case timerFired
    /// The surrounding task was cancelled.
    case cancelled
    /// The instance leaves memory, or its episode failed; the code that waits is to end.
    case interrupted
}

typealias WaitContinuation = UnsafeContinuation<WaitOutcome, Never>

/// The actions of one instance by event ID: hands out the IDs and keeps who waits for what.
///
/// IDs are dense, so a window over an array does; finished ones fall off its front.
struct OperationTable {
    enum Operation {
        /// Nothing waits for it: finished, cancelled, or never awaited.
        case settled
        case task(WaitContinuation?)
        case timer(WaitContinuation?)
        /// A sub-orchestration.
        case child(WaitContinuation?)
        /// An operation of an entity.
        case entity(WaitContinuation?)
        /// The entities of a critical section.
        case section(WaitContinuation?)
        /// The limit of a wait for the external event of that name; the event's queue holds the continuation.
        case eventTimeout(name: String)
    }

    private var window: ContiguousArray<Operation> = []
    private var base: Int32 = 0
    /// How many at the front of the window are settled.
    private var settledPrefix = 0
    private(set) var waitingCount = 0

    /// The ID the next action gets.
    var nextID: EventID { EventID(base + Int32(window.count)) }

    mutating func add(_ operation: Operation) -> EventID {
        let id = nextID
        window.append(operation)
        if case .settled = operation { trim() }
        return id
    }

    /// - Returns: nil when no action of that ID was asked for yet.
    subscript(id: EventID) -> Operation? {
        if id >= nextID || id.value < 0 { return nil }
        return id.value < base ? .settled : window[Int(id.value - base)]
    }

    mutating func wait(for id: EventID, _ continuation: WaitContinuation) {
        let index = Int(id.value - base)
        switch window[index] {
        case .task: window[index] = .task(continuation)
        case .timer: window[index] = .timer(continuation)
        case .child: window[index] = .child(continuation)
        case .entity: window[index] = .entity(continuation)
        case .section: window[index] = .section(continuation)
        case .settled, .eventTimeout: preconditionFailure("a wait belongs to an open task, timer or child")
        }
        waitingCount += 1
    }

    /// Closes the operation and gives the continuation of who waited for it.
    mutating func settle(_ id: EventID) -> WaitContinuation? {
        guard id.value >= base else { return nil }
        let index = Int(id.value - base)
        var waiting: WaitContinuation?
        switch window[index] {
        case .task(let continuation), .timer(let continuation), .child(let continuation), .entity(let continuation),
            .section(let continuation):
            waiting = continuation
        case .settled, .eventTimeout: break
        }
        if waiting != nil { waitingCount -= 1 }
        window[index] = .settled
        if index == settledPrefix { trim() }
        return waiting
    }

    /// Closes everything, in order of request.
    mutating func settleAll() -> [WaitContinuation] {
        let ids = base..<nextID.value
        return ids.compactMap { settle(EventID($0)) }
    }

    private mutating func trim() {
        while settledPrefix < window.count, case .settled = window[settledPrefix] { settledPrefix += 1 }
        if settledPrefix == window.count {
            window.removeAll(keepingCapacity: true)
        } else if settledPrefix > 64, settledPrefix > window.count / 2 {
            window.removeFirst(settledPrefix)
        } else {
            return
        }
        base += Int32(settledPrefix)
        settledPrefix = 0
    }
}

extension OperationTable.Operation {
    /// Whether an event of that kind is the answer that whoever waits for it is waiting for.
    func isAnswered(by kind: HistoryEvent.Kind) -> Bool {
        switch (self, kind) {
        case (.task, .taskCompleted), (.task, .taskFailed), (.timer, .timerFired),
            (.child, .subOrchestrationCompleted), (.child, .subOrchestrationFailed),
            (.entity, .entityOperationCompleted), (.entity, .entityOperationFailed), (.section, .entityLockGranted):
            true
        default: false
        }
    }
}
