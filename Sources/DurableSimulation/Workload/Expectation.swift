package import DurableCore

/// How an instance may end.
package struct Expectation: Hashable, Sendable {
    /// In any order; the first is what happens when nothing interferes.
    package var permitted: [Outcome]

    package init(_ permitted: [Outcome]) { self.permitted = permitted }

    package enum Outcome: Hashable, Sendable {
        case completed(Payload?)
        case failed(FailureDetails)
        /// With whatever replay of its history comes to.
        case completedSomehow
        /// With whatever replay of its history comes to.
        case failedSomehow
        case terminated(reason: Payload?)
        case canceled(reason: Payload?)
        /// Waits for something that never comes.
        case open
        /// Nobody starts it.
        case absent
    }

    package var mustEnd: Bool { !permitted.contains(.open) && !permitted.contains(.absent) }
}

extension Expectation {
    /// Compares with what a client is told, or the owner has, when the run is over.
    ///
    /// - Parameter snapshot: nil: no such instance.
    package func violations(of id: InstanceID, snapshot: InstanceSnapshot?) -> [String] {
        guard let snapshot else {
            return permitted.contains(.absent) ? [] : ["\(id): is not there"]
        }
        var found: [String] = []
        let outcome: Outcome
        switch snapshot.status {
        case .completed: outcome = .completed(snapshot.output)
        case .failed:
            guard let failure = snapshot.failure else { return ["\(id): failed without a failure"] }
            outcome = .failed(failure)
        case .terminated: outcome = .terminated(reason: snapshot.output)
        case .canceled: outcome = .canceled(reason: snapshot.output)
        case .running, .pending: outcome = .open
        case .suspended, .continuedAsNew: return ["\(id): is \(snapshot.status), which nobody asked for"]
        }
        if !permitted.contains(where: { $0.admits(outcome) }) {
            let expected = permitted.map(\.text).joined(separator: " or ")
            found.append("\(id): \(outcome.text)\(Self.reason(of: snapshot)), expected \(expected)")
        } else if outcome == .open {
            // It may wait, but for nothing that could go on.
            found += leftovers(of: snapshot).map { "\(id): stays open with \($0)" }
        } else {
            found += leftovers(of: snapshot).map { "\(id): ended with \($0)" }
        }
        return found.sorted()
    }

    private func leftovers(of snapshot: InstanceSnapshot) -> [String] {
        var found: [String] = []
        if snapshot.inboxCount > 0 { found.append("\(snapshot.inboxCount) events in its inbox") }
        if let code = snapshot.holdCode { found.append("hold \(code)") }
        if snapshot.openTaskCount > 0 { found.append("\(snapshot.openTaskCount) open tasks") }
        if snapshot.openTimerCount > 0 { found.append("\(snapshot.openTimerCount) open timers") }
        if snapshot.openChildCount > 0 { found.append("\(snapshot.openChildCount) open children") }
        if snapshot.openEntityCallCount > 0 { found.append("\(snapshot.openEntityCallCount) open calls of entities") }
        return found
    }

    /// Why an instance is still there.
    private static func reason(of snapshot: InstanceSnapshot) -> String {
        if snapshot.status.isTerminal { return "" }
        let hold = snapshot.holdCode.map { ", held with \($0): \(snapshot.holdText ?? "")" } ?? ""
        return " (\(snapshot.status), \(snapshot.openTaskCount) open tasks, \(snapshot.openTimerCount) open timers, "
            + "\(snapshot.inboxCount) events in its inbox\(hold))"
    }
}

extension Expectation.Outcome {
    func admits(_ other: Self) -> Bool {
        switch (self, other) {
        case (.completedSomehow, .completed), (.failedSomehow, .failed): true
        default: self == other
        }
    }

    package var text: String {
        switch self {
        case .completed(let output): "completed with \(Self.short(output))"
        case .completedSomehow: "completed"
        case .failedSomehow: "failed"
        case .failed(let failure): "failed with \(failure)"
        case .terminated(let reason): "terminated with \(Self.short(reason))"
        case .canceled(let reason): "canceled with \(Self.short(reason))"
        case .open: "open"
        case .absent: "not there"
        }
    }

    private static func short(_ payload: Payload?) -> String {
        guard let payload else { return "nothing" }
        return payload.count <= 200
            ? payload.text : "\(Payload(Array(payload.bytes.prefix(80))).text)... (\(payload.count) bytes)"
    }
}
