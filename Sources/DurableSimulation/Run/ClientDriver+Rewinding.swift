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
            // What it called off when it failed may have to end first: its answer, when it comes late, fails it again.
            await client.clock.sleep(for: .milliseconds(200) * (attempt - 1))
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
            checkRewinding(of: id, because: json(messageID), verdict)
            switch verdict {
            case .notRewindable: return
            // Somebody else may have been faster: the next time it fails asks for a request of its own.
            case .accepted, .duplicate, .notFailed: attempt += 1
            default: break
            }
        }
    }

    /// What was accepted is durable, and what was refused is not done by a repeat of it either.
    func checkRewinding(of id: InstanceID, because reason: Payload?, _ verdict: Verdict) {
        guard let reason else { return }
        switch verdict {
        case .accepted:
            if !hub.witness.isRewound(id, because: reason) {
                hub.witness.violated("I5: rewind \(reason.text) of instance \(id) was accepted, and is not durable")
            }
        case .notFailed: refusedRewinds[reason] = id
        default: break
        }
    }

    func checkRefusedRewinds() {
        for (reason, id) in refusedRewinds.sorted(by: { $0.key.text < $1.key.text })
        where hub.witness.isRewound(id, because: reason) {
            hub.witness.violated("I2: rewind \(reason.text) of instance \(id) was refused, and is carried out")
        }
    }
}
