/// Something about a hub that an operator should see to, or know.
package struct Finding: Hashable, Sendable {
    package enum Severity: String, Hashable, Sendable {
        /// Work stands still or may be lost.
        case error
        /// It may come to that.
        case warning
        /// Good to know; nothing is wrong.
        case note
    }

    /// What was looked at. The words are stable: scripts compare them.
    package enum Check: String, CaseIterable, Hashable, Sendable {
        case brokerVersion = "broker-version"
        case brokerAlarms = "broker-alarms"
        case brokerLimits = "broker-limits"
        case consumerTimeout = "consumer-timeout"
        case durability
        case topology
        case policies
        case queueState = "queue-state"
        case partitions
        case outboxes
        case logs
        case heldInstances = "held-instances"
        case code
        case activities
        case deadLetters = "dead-letters"
    }

    package var check: Check
    package var severity: Severity
    /// What is the matter, with IDs. One line.
    package var text: String
    /// What to do about it; empty in notes that ask for nothing.
    package var remedy: String

    package init(_ check: Check, _ severity: Severity, _ text: String, remedy: String = "") {
        self.check = check
        self.severity = severity
        self.text = text
        self.remedy = remedy
    }
}

/// A check that could not be made.
package struct SkippedCheck: Hashable, Sendable {
    package var check: Finding.Check
    package var reason: String
    package init(_ check: Finding.Check, _ reason: String) {
        self.check = check
        self.reason = reason
    }
}
