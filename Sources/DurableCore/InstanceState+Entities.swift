extension EventID {
    /// The event ID that a request of an orchestration was made of; nil: it is none.
    package init?(entityRequest: String) {
        guard let mark = entityRequest.lastIndex(of: "/"),
            let number = Int32(entityRequest[entityRequest.index(after: mark)...])
        else { return nil }
        self.init(number)
    }
}

// What an orchestration asks of entities.
extension InstanceState {
    /// Names what was asked for under that event ID, to entities.
    func entityRequest(_ id: EventID) -> String { "\(executionID.stem)/\(id)" }

    func message(of call: EntityCall, to target: InstanceID, at now: Timestamp) -> Message {
        var call = call
        call.target = nil
        (call.parent, call.parentExecution) = (id, executionID)
        return Message(
            id: MessageID(call.requestID), instanceID: target,
            event: HistoryEvent(timestamp: now, kind: .entityOperationCalled(call)))
    }

    func message(of request: EntityLockRequest, at now: Timestamp) -> Message {
        var request = request
        (request.parent, request.parentExecution) = (id, executionID)
        return Message(
            id: MessageID("\(request.section)/lock/0"), instanceID: request.lockSet[0],
            event: HistoryEvent(timestamp: now, kind: .entityLockRequested(request)))
    }

    /// Ends a section that had all its entities at one of them.
    func unlock(of section: EventID, _ target: InstanceID, at now: Timestamp) -> Message {
        let section = entityRequest(section)
        return Message(
            id: MessageID("\(section)/unlock"), instanceID: target,
            event: HistoryEvent(timestamp: now, kind: .entityUnlockSent(EntityUnlock(section: section))))
    }

    /// Ends a section that may still be on its way to some of its entities: this goes the same way behind it, so that it
    /// comes nowhere before it.
    func abandonment(of section: EventID, _ lockSet: [InstanceID], at now: Timestamp) -> Message {
        let section = entityRequest(section)
        let unlock = EntityUnlock(section: section, lockSet: lockSet)
        return Message(
            id: MessageID("\(section)/unlock"), instanceID: lockSet[0],
            event: HistoryEvent(timestamp: now, kind: .entityUnlockSent(unlock)))
    }
}

// Entities.
extension InstanceState {
    /// A new entity, or one that was empty and is used again, before its first change is folded in.
    init(_ id: EntityID, created change: InstanceChange) {
        self.init(
            start: ExecutionStarted(
                name: "@\(id.name)", instanceID: id.instanceID, executionID: ExecutionID("entity")),
            startID: MessageID("entity"), at: change.time)
        status = .running
        entity = EntityState()
    }

    /// Decides about a message for an entity that is not there.
    static func decideAboutNewEntity(_ message: Message, at now: Timestamp) -> Acceptance {
        guard message.instanceID.entity != nil else { return .ignored(.notFound) }
        switch message.event.kind {
        case .entityOperationSignaled, .entityOperationCalled, .entityLockRequested:
            return .accepted(entityChange(message, at: now), verdict: .accepted)
        // The end of a section that never came this far.
        case .entityUnlockSent: return .ignored(.unexpected)
        default: return .ignored(.notFound)
        }
    }

    /// Decides about a message for this entity.
    func decideAsEntity(_ message: Message, at now: Timestamp) -> Acceptance {
        switch message.event.kind {
        case .entityUnlockSent where status.isTerminal: return .ignored(.unexpected)
        case .entityOperationSignaled, .entityOperationCalled, .entityLockRequested, .entityUnlockSent:
            if let origin = message.origin {
                if entity?.hasApplied(origin) ?? false { return .ignored(.duplicate) }
            } else if appliedMessages.contains(message.id) {
                return .ignored(.duplicate)
            }
            var change = Self.entityChange(message, at: now)
            // It begins anew, and still knows what it has applied.
            if status.isTerminal {
                change.appliedMessages = appliedMessages + change.appliedMessages
                change.entity = entity
            }
            return .accepted(change, verdict: .accepted)
        case .executionStarted: return .ignored(.exists)
        // Neither events nor commands to orchestrations.
        default: return .ignored(.unexpected)
        }
    }

    private static func entityChange(_ message: Message, at now: Timestamp) -> InstanceChange {
        var event = message.event
        event.eventID = .none
        event.timestamp = now
        if case .entityOperationSignaled(var signal) = event.kind, message.origin == nil {
            // A client's message is known by its ID, whatever it says.
            signal.requestID = message.id.value
            event.kind = .entityOperationSignaled(signal)
        }
        return InstanceChange(
            instanceID: message.instanceID, time: now, buffered: [event],
            // Those of partitions are known by their sequences.
            appliedMessages: message.origin == nil ? [message.id] : [])
    }

    /// What a turn comes to.
    package func change(by turn: EntityTurn, at now: Timestamp) -> InstanceChange {
        var change = InstanceChange(instanceID: id, time: now)
        change.entity = turn.entity
        change.handled = turn.handled
        return change
    }

    /// Ends an entity when nothing is left of it but the knowledge of what it has applied.
    mutating func endIfEmpty() {
        guard let entity else { return }
        status = entity.isEmpty && inbox.isEmpty ? .completed : .running
    }
}

extension InstanceChange {
    /// Notes messages as handled. Those that came with this change itself need not be kept at all.
    mutating func handle(_ keys: [String]) {
        if keys.isEmpty { return }
        let handled = Set(keys)
        let kept = Set(buffered.compactMap(\.entityKey))
        buffered.removeAll { $0.entityKey.map(handled.contains) ?? false }
        self.handled += keys.filter { !kept.contains($0) }
    }
}
