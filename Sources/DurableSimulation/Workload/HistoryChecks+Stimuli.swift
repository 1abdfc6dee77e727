import DurableCore

/// What came from outside: from clients and from other instances.
extension HistoryChecks {
    /// Each event and termination was sent by somebody, and is taken no more often than it was sent.
    static func stimuli(
        _ history: [HistoryEvent], _ instance: PlannedInstance, _ workload: Workload,
        _ others: [InstanceID: [HistoryEvent]]
    ) -> [String] {
        var found: [String] = []
        var raised = raisedByClients(to: instance.id, workload)
        for sender in workload.instances {
            for event in sent(from: sender.id, to: instance.id, others) { raised[event, default: 0] += 1 }
        }
        var reasons: [Payload?: Int] = [:]
        for case .terminate(instance.id, let reason, _) in workload.operations.map(\.kind) {
            reasons[reason, default: 0] += 1
        }
        var cancellations: Set<Payload?> = instance.parent == nil ? [] : [nil]  // look-up only
        for case .cancel(instance.id, let reason, _) in workload.operations.map(\.kind) { cancellations.insert(reason) }
        var pauses: Set<Payload?> = []  // look-up only
        for case .pause(instance.id, _, let suspension, let resumption) in workload.operations.map(\.kind) {
            pauses.formUnion([json("\(suspension.messageID)"), json("\(resumption.messageID)")])
        }
        for reason in reasonsOfAncestors(of: instance, workload) { reasons[reason, default: 0] += 1 }
        for event in history {
            switch event.kind {
            case .eventRaised(let name, let input):
                let key = RaisedEvent(name: name, input: input)
                switch raised[key] {
                case nil: found.append("\(event.shortText) was raised by nobody")
                case 0?: found.append("\(event.shortText) is there more often than it was raised")
                case let left?: raised[key] = left - 1
                }
            case .executionTerminated(let reason, _):
                switch reasons[reason] {
                case nil: found.append("ExecutionTerminated was asked for by nobody")
                case 0?: found.append("ExecutionTerminated is there more often than it was asked for")
                case let left?: reasons[reason] = left - 1
                }
            case .cancellationRequested(let reason):
                if cancellations.remove(reason) == nil {
                    found.append("CancellationRequested was asked for by nobody, or is there more than once")
                }
            case .executionSuspended(let reason), .executionResumed(let reason):
                if pauses.remove(reason) == nil {
                    found.append("\(event.typeName) was asked for by nobody, or is there more than once")
                }
            case .eventSent(let target, _, _) where workload.instance(target) == nil:
                found.append("\(event.shortText) goes to an instance the workload does not have")
            default: break
            }
        }
        found += end(history)
        return found
    }

    /// Whoever was asked to end ended for the first reason that was given.
    private static func end(_ history: [HistoryEvent]) -> [String] {
        let terminations = history.compactMap { event -> Payload?? in
            if case .executionTerminated(let reason, _) = event.kind { .some(reason) } else { nil }
        }
        let cancellations = history.compactMap { event -> Payload?? in
            if case .cancellationRequested(let reason) = event.kind { .some(reason) } else { nil }
        }
        switch history.last?.kind {
        case .executionCompleted(.terminated, let reason, _):
            guard let first = terminations.first else { return ["is terminated without ExecutionTerminated"] }
            return first == reason ? [] : ["is terminated for a reason other than the first one given"]
        case .executionCompleted(.canceled, let reason, _):
            guard let first = cancellations.first else { return ["is canceled without CancellationRequested"] }
            return first == reason ? [] : ["is canceled for a reason other than the first one given"]
        default: return terminations.isEmpty ? [] : ["goes on after ExecutionTerminated"]
        }
    }

    /// Nothing that must arrive is missing while the instance waits, and what another instance sent came in its order.
    static func messages(
        to instance: PlannedInstance, _ history: [HistoryEvent], _ workload: Workload,
        _ others: [InstanceID: [HistoryEvent]]
    ) -> [String] {
        var found: [String] = []
        let taken = history.compactMap(\.raisedEvent)
        if !history.hasEnd {
            for case .raise(instance.id, let name, let input, let publication) in workload.operations.map(\.kind)
            where publication.mustArrive && !taken.contains(RaisedEvent(name: name, input: input)) {
                found.append("message \(publication.messageID) is lost")
            }
        }
        for sender in workload.instances {
            let sent = sent(from: sender.id, to: instance.id, others)
            if sent.isEmpty { continue }
            let arrived = taken.compactMap { sent.firstIndex(of: $0) }
            // What came before the instance existed or after it ended is gone, and nothing else.
            guard let first = arrived.first, let last = arrived.last else {
                // Nothing at all: sent before it existed, or lost.
                if !history.hasEnd, let lost = lostBeforeArrival(from: sender.id, to: instance.id, history, others) {
                    found.append("event \(lost) of \(sender.id) is lost")
                }
                continue
            }
            if arrived != Array(first..<(first + arrived.count)) {
                found.append("events of \(sender.id) come as \(arrived), not in the order in which they were sent")
            }
            if !history.hasEnd, last != sent.count - 1 {
                found.append("\(sent.count - 1 - last) last events of \(sender.id) are lost")
            }
        }
        return found
    }

    private static func raisedByClients(to id: InstanceID, _ workload: Workload) -> [RaisedEvent: Int] {
        var raised: [RaisedEvent: Int] = [:]
        for case .raise(id, let name, let input, _) in workload.operations.map(\.kind) {
            raised[RaisedEvent(name: name, input: input), default: 0] += 1
        }
        return raised
    }

    /// What one instance sent another, in order.
    private static func sent(
        from sender: InstanceID, to target: InstanceID, _ others: [InstanceID: [HistoryEvent]]
    ) -> [RaisedEvent] {
        (others[sender] ?? []).compactMap { event in
            guard case .eventSent(target, let name, let input) = event.kind else { return nil }
            return RaisedEvent(name: name, input: input)
        }
    }

    /// Index of the first event that was sent when its target was there already.
    private static func lostBeforeArrival(
        from sender: InstanceID, to target: InstanceID, _ history: [HistoryEvent],
        _ others: [InstanceID: [HistoryEvent]]
    ) -> Int? {
        guard let created = history.first(where: { $0.start != nil })?.timestamp else { return nil }
        let times = (others[sender] ?? []).compactMap { event -> Timestamp? in
            if case .eventSent(target, _, _) = event.kind { event.timestamp } else { nil }
        }
        return times.firstIndex { $0 > created }
    }
}

extension HistoryEvent {
    var raisedEvent: RaisedEvent? {
        if case .eventRaised(let name, let input) = kind { RaisedEvent(name: name, input: input) } else { nil }
    }
}
