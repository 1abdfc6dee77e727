/// What an entity keeps between messages. Those that it has not handled are in its instance's inbox. One with neither a
/// state nor a lock nor messages is empty: its instance has ended, and begins anew with the next operation.
package struct EntityState: Hashable, Sendable {
    /// What its operations work on; nil: it has none, the next operation begins with the initial one.
    package var state: Payload?
    /// The critical section that has it for itself.
    package var lock: Lock?
    /// Of messages that were applied before their sequences were noted as taken (`note(applied:)`): the newest of each
    /// source, in order.
    package private(set) var appliedAhead: [Origin] = []

    package struct Lock: Hashable, Sendable {
        package var section: String
        package var parent: InstanceID
        package init(section: String, parent: InstanceID) {
            self.section = section
            self.parent = parent
        }
    }

    package init(state: Payload? = nil, lock: Lock? = nil, appliedAhead: [Origin] = []) {
        self.state = state
        self.lock = lock
        self.appliedAhead = appliedAhead
    }

    /// Whether there is nothing to keep but the knowledge of what was applied.
    var isEmpty: Bool { state == nil && lock == nil }

    /// Notes that messages up to these were applied to it, those of each source in order.
    package mutating func note(applied origins: [Origin]) {
        for origin in origins {
            if let index = appliedAhead.firstIndex(where: { $0.source == origin.source }) {
                appliedAhead[index].sequence = max(appliedAhead[index].sequence, origin.sequence)
            } else {
                // Of an incarnation that is over nothing comes any more.
                appliedAhead.removeAll { $0.partition == origin.partition && $0.incarnation < origin.incarnation }
                appliedAhead.append(origin)
            }
        }
        appliedAhead.sort { ($0.partition, $0.incarnation) < ($1.partition, $1.incarnation) }
    }

    func hasApplied(_ origin: Origin) -> Bool {
        appliedAhead.contains { $0.source == origin.source && origin.sequence <= $0.sequence }
    }
}

/// What an operation came to.
package struct EntityOutcome: Hashable, Sendable {
    /// Afterwards; nil: none any more. As before where it failed.
    package var state: Payload?
    package var result: Result
    /// Of an operation that failed: none.
    package var sent: [Sent]

    package enum Result: Hashable, Sendable {
        case completed(Payload?)
        case failed(FailureDetails)
    }

    package enum Sent: Hashable, Sendable {
        case signal(EntityID, operation: String, input: Payload?)
        case start(ChildStart)
    }

    package init(state: Payload?, result: Result, sent: [Sent] = []) {
        self.state = state
        self.result = result
        self.sent = sent
    }
}

extension HistoryEvent {
    /// Tells apart what waits in an entity's inbox; nil: nothing for an entity.
    package var entityKey: String? {
        switch kind {
        case .entityOperationSignaled(let signal): "op:\(signal.requestID)"
        case .entityOperationCalled(let call): "op:\(call.requestID)"
        case .entityLockRequested(let request): "lock:\(request.section)"
        case .entityUnlockSent(let unlock): "unlock:\(unlock.section)"
        default: nil
        }
    }
}

/// One turn of an entity: what it does about the messages in its inbox, in order, as far as its lock allows.
package struct EntityTurn: Sendable {
    package let id: InstanceID
    package private(set) var entity: EntityState
    /// What is handled, by key.
    package private(set) var handled: [String] = []
    /// To other instances, in order.
    package private(set) var messages: [Message] = []
    private let now: Timestamp
    private var waiting: [HistoryEvent]
    /// How many at the front of `waiting` the lock does not let pass.
    private var passed = 0

    package init(_ state: InstanceState, at now: Timestamp) {
        id = state.id
        entity = state.entity ?? EntityState()
        waiting = state.inbox
        self.now = now
    }

    package enum Operation: Hashable, Sendable {
        case signal(EntitySignal)
        case call(EntityCall)

        package var name: String {
            switch self {
            case .signal(let signal): signal.operation
            case .call(let call): call.operation
            }
        }

        package var input: Payload? {
            get {
                switch self {
                case .signal(let signal): signal.input
                case .call(let call): call.input
                }
            }
            set {
                switch self {
                case .signal(var signal):
                    signal.input = newValue
                    self = .signal(signal)
                case .call(var call):
                    call.input = newValue
                    self = .call(call)
                }
            }
        }

        package var requestID: String {
            switch self {
            case .signal(let signal): signal.requestID
            case .call(let call): call.requestID
            }
        }
    }

    /// Handles locks up to the next operation that is to be performed.
    ///
    /// - Returns: nil when there is none: what is left waits for the end of a critical section.
    package mutating func next() -> Operation? {
        while passed < waiting.count {
            let event = waiting[passed]
            switch event.kind {
            case .entityOperationSignaled(let signal) where entity.lock == nil:
                take(at: passed)
                return .signal(signal)
            case .entityOperationCalled(let call) where entity.lock == nil || call.section == entity.lock?.section:
                take(at: passed)
                return .call(call)
            case .entityLockRequested(let request) where entity.lock == nil:
                take(at: passed)
                lock(request)
            case .entityUnlockSent(let unlock):
                take(at: passed)
                end(unlock)
            case .entityOperationSignaled, .entityOperationCalled, .entityLockRequested:
                passed += 1
            default:
                // Nothing for an entity.
                take(at: passed)
            }
        }
        return nil
    }

    /// Takes over what an operation came to.
    package mutating func finish(_ operation: Operation, _ outcome: EntityOutcome) {
        entity.state = outcome.state
        if case .call(let call) = operation, let parent = call.parent {
            let kind: HistoryEvent.Kind =
                switch outcome.result {
                case .completed(let output): .entityOperationCompleted(requestID: call.requestID, output: output)
                case .failed(let failure): .entityOperationFailed(requestID: call.requestID, failure: failure)
                }
            send("\(call.requestID)/answer", to: parent, execution: call.parentExecution, kind)
        }
        // Shortened where entities signal each other on and on.
        let stem = ExecutionID(operation.requestID).stem
        for (number, sent) in outcome.sent.enumerated() {
            let messageID = "\(stem)/\(number)"
            switch sent {
            case .signal(let target, let name, let input):
                send(
                    messageID, to: target.instanceID,
                    .entityOperationSignaled(EntitySignal(requestID: messageID, operation: name, input: input)))
            case .start(let child):
                send(
                    messageID, to: child.instanceID,
                    .executionStarted(
                        ExecutionStarted(
                            name: child.name, version: child.version, input: child.input,
                            instanceID: child.instanceID, executionID: ExecutionID(messageID))))
            }
        }
    }

    @discardableResult
    private mutating func take(at index: Int) -> HistoryEvent {
        let event = waiting.remove(at: index)
        if let key = event.entityKey { handled.append(key) }
        return event
    }

    private mutating func lock(_ request: EntityLockRequest) {
        guard let parent = request.parent else { return }
        entity.lock = .init(section: request.section, parent: parent)
        passed = 0
        let next = request.position + 1
        if next < request.lockSet.count {
            var onward = request
            onward.position = next
            send("\(request.section)/lock/\(next)", to: request.lockSet[next], .entityLockRequested(onward))
        } else {
            send(
                "\(request.section)/granted", to: parent, execution: request.parentExecution,
                .entityLockGranted(section: request.section))
        }
    }

    private mutating func end(_ unlock: EntityUnlock) {
        if entity.lock?.section == unlock.section {
            entity.lock = nil
            passed = 0
            let next = unlock.position + 1
            if next < unlock.lockSet.count {
                var onward = unlock
                onward.position = next
                send("\(unlock.section)/unlock/\(next)", to: unlock.lockSet[next], .entityUnlockSent(onward))
            }
        } else if let index = waiting.firstIndex(where: { $0.entityKey == "lock:\(unlock.section)" }) {
            // It never had this one, and so none behind it.
            take(at: index)
            passed = 0
        }
    }

    private mutating func send(
        _ messageID: String, to target: InstanceID, execution: ExecutionID? = nil, _ kind: HistoryEvent.Kind
    ) {
        messages.append(
            Message(
                id: MessageID(messageID), instanceID: target, executionID: execution,
                event: HistoryEvent(timestamp: now, kind: kind)))
    }
}
