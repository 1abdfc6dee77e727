package import DurableCore
import DurableTask

/// What must hold of entities when a run is over.
package enum EntityChecks {
    static let addition = "add"
    static let passing = "pass"

    /// Each operation that was sent counted once, nothing waits, and nobody has an entity for himself any more.
    ///
    /// - Parameters:
    ///   - entities: All that there are.
    ///   - histories: All of each execution's history, by instance.
    package static func violations(
        of entities: [InstanceState], histories: [InstanceID: [[HistoryEvent]]], in workload: Workload
    ) -> [String] {
        var found: [String] = []
        var sums: [InstanceID: Int] = [:]
        for operation in workload.operations {
            if case .signal(let target, let amount, _) = operation.kind { sums[target, default: 0] += amount }
        }
        for event in histories.values.joined().joined() {
            switch event.kind {
            case .entityOperationSignaled(let signal):
                note(signal.operation, signal.input, of: signal.target, &sums)
            case .entityOperationCalled(let call): note(call.operation, call.input, of: call.target, &sums)
            default: break
            }
        }
        for state in entities {
            guard let entity = state.entity else {
                found.append("\(state.id): has the ID of an entity, and is none")
                continue
            }
            let text = entity.state?.text
            if (text ?? "0") != "\(sums[state.id] ?? 0)" || text == "0" {
                found.append(
                    "\(state.id): keeps \(text ?? "nothing"), what it was sent comes to \(sums[state.id] ?? 0)")
            }
            if let lock = entity.lock {
                found.append("\(state.id): section \(lock.section) of instance \(lock.parent) still has it")
            }
            if let hold = state.hold { found.append("\(state.id): is held with \(hold.code)") }
            if !state.inbox.isEmpty { found.append("\(state.id): \(state.inbox.count) messages wait for it") }
            if state.historyCount > 0 { found.append("\(state.id): has a history") }
            if state.status != (text == nil ? .completed : .running) {
                found.append("\(state.id): is \(state.status), and keeps \(text ?? "nothing")")
            }
        }
        let known = Set(entities.map(\.id))  // look-up only
        for (id, sum) in sums where sum != 0 && !known.contains(id) {
            found.append("\(id): is not there, what it was sent comes to \(sum)")
        }
        return found.sorted()
    }

    private static func note(
        _ operation: String, _ input: Payload?, of target: InstanceID?, _ sums: inout [InstanceID: Int]
    ) {
        guard let target, let input else { return }
        switch operation {
        case addition: sums[target, default: 0] += Int(input.text) ?? 0
        case passing:
            guard let order = try? PayloadCoding.decode(Programs.Passing.self, from: input, as: "an operation's input")
            else { return }
            sums[Programs.purse[order.to].instanceID, default: 0] += order.amount
        default: break
        }
    }
}
