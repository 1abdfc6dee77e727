import DurableCore

extension Witness {
    /// Whether the request of that reason has had the instance go on.
    func isRewound(_ id: InstanceID, because reason: Payload) -> Bool { rewindReasons[id]?.contains(reason) == true }

    /// The instance that goes on from where its code last asked for something, at somebody's request that counts once, and
    /// is given again what it had been given since and nothing else.
    ///
    /// - Parameter change: May hold episodes that it has had since, in the same checkpoint.
    /// - Returns: nil: the change makes no instance.
    func rewound(_ failed: Instance, by change: InstanceChange) -> Instance? {
        let id = change.instanceID
        func expect(_ holds: Bool, _ text: @autoclosure () -> String) {
            if !holds { violated("I2: instance \(id) \(text())") }
        }
        openCount += failed.state.status.isTerminal ? 1 : 0
        expect(
            [.failed, .canceled, .terminated].contains(failed.state.status), "is rewound, and is \(failed.state.status)"
        )
        let cut = failed.history.endOfRequests
        let events = change.history + change.buffered
        let earlier = failed.history.compactMap(\.rewinding?.count).max() ?? 0
        let request = events.lastIndex { $0.rewinding != nil }
        if let request, let (reason, count) = events[request].rewinding, count > earlier {
            expect(count == earlier + 1, "is rewound for the \(count). time after the \(earlier).")
            if let reason {
                expect(failed.state.status == .failed, "is \(failed.state.status), and a client rewinds it")
                expect(rewindReasons[id, default: []].insert(reason).inserted, "is rewound twice by one request")
            } else {
                expect(failed.state.parent != nil, "is rewound by nobody")
            }
            let before = events[..<request]
            let isKept = before.starts(with: failed.history[..<cut])
            expect(isKept, "is rewound to a history other than it had as its code last asked for something")
            if isKept {
                var given = before.dropFirst(cut).map(\.kind)
                if given.first == .orchestratorStarted { given.removeFirst() }
                let due = failed.history[cut...].map(\.kind).filter(\.isGivenAgain)
                expect(given == due, "is given other than it had been given since its code last asked for something")
            }
        } else {
            violated("I2: instance \(id) is rewound without ExecutionRewound")
        }
        guard let state = InstanceState.created(by: change) else {
            violated("I2: instance \(id) is rewound to before its start")
            return nil
        }
        var rewound = Instance(state: state)
        rewound.executions = failed.executions.dropLast() + [[]]
        rewound.answered = failed.answered
        rewound.voidEnds = failed.voidEnds + failed.history.suffix(1)
        rewound.fold(change)
        expect(rewound.state.startID == failed.state.startID, "has another start after it was rewound")
        openCount -= rewound.state.status.isTerminal ? 1 : 0
        trace.note("\(id) is rewound to \(cut) events of \(failed.history.count), and \(rewound.state.status)")
        return rewound
    }
}

extension [HistoryEvent] {
    /// Where the last episode ends in which code asked for something other than its end; 0: there is none.
    fileprivate var endOfRequests: Int {
        let last = lastIndex { event in
            switch event.kind {
            case .executionCompleted: false
            case .updateRequested: true
            default: event.isAction
            }
        }
        guard let last else { return 0 }
        return self[last...].firstIndex { $0.kind == .orchestratorStarted } ?? count
    }
}

extension HistoryEvent {
    fileprivate var rewinding: (reason: Payload?, count: UInt32)? {
        if case .executionRewound(let reason, let count) = kind { (reason, count) } else { nil }
    }
}

extension HistoryEvent.Kind {
    /// Whether what was rewound hears of it once more; what failed is asked for again, timers fire again by themselves.
    fileprivate var isGivenAgain: Bool {
        switch self {
        case .executionStarted, .taskCompleted, .subOrchestrationCompleted, .eventRaised, .entityOperationCompleted:
            true
        default: false
        }
    }
}
