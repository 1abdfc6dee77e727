import DurableBackend
import DurableClient
import DurableCore

extension ClientDriver {
    /// Rewinds an instance whenever it fails, until it has ended otherwise or cannot be rewound.
    func mend(_ id: InstanceID, limit: Int) async {
        let outcomes = hub.plan.workload.instance(id)?.expectation.permitted ?? []
        let verdicts = PlannedOperation.permittedVerdictsOnRewinding(outcomes)
        var attempt = 1
        while true {
            guard case .ended(let snapshot)? = try? await client.wait(for: id, timeout: .seconds(20)) else {
                await client.clock.sleep(for: .seconds(1))
                continue
            }
            check(snapshot)
            if snapshot.status != .failed { return }
            if attempt > limit {
                if verdicts.contains(.notRewindable) { return }
                return hub.witness.violated("I2: instance \(id) fails although it was rewound \(limit) times")
            }
            let messageID = PlannedOperation.mendID(id, attempt)
            nextID.set(messageID)
            let submission = try? await client.rewind(id, reason: json(messageID))
            guard case .verdict(let verdict)? = submission?.outcome else { continue }
            if !verdicts.contains(verdict) || verdict == .notFound {
                hub.witness.violated("I2: rewind \(messageID) was answered with \(verdict)")
            }
            switch verdict {
            case .notRewindable: return
            case .accepted, .duplicate: attempt += 1
            default: break
            }
        }
    }
}
