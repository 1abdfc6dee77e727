import DurableBackend
import DurableClient
import DurableCore

extension ClientDriver {
    /// Asks for an update, and has others ask for the same one later.
    func update(_ id: InstanceID, _ request: UpdateRequest, repeats: [Duration]) async {
        for delay in repeats {
            start { driver in
                await driver.client.clock.sleep(for: delay)
                await driver.update(id, request)
            }
        }
        await update(id, request)
    }

    /// Until its outcome is known.
    private func update(_ id: InstanceID, _ request: UpdateRequest) async {
        while true {
            do {
                if case .ended(let outcome) = try await client.update(request, of: id) {
                    return check(outcome, of: request.id, id)
                }
            } catch {
                hub.trace.note("client: update \(request.id): \(error)")
            }
            await client.clock.sleep(for: .seconds(1))
        }
    }

    /// The outcome is the one in the log, and nobody was told another one.
    private func check(_ outcome: UpdateOutcome, of updateID: UpdateID, _ id: InstanceID) {
        hub.trace.note("client: update \(updateID): \(outcome)")
        guard let instance = hub.witness.instance(id) else {
            return hub.witness.violated("I5: update \(updateID) was answered, and instance \(id) is not durable")
        }
        let other = updateOutcomes.updateValue((id, outcome), forKey: updateID)?.outcome
        if let other, other != outcome, !(instance.isRewound && other.isCutOff),
            !(instance.isRewound && outcome.isCutOff)
        {
            hub.witness.violated("I2: update \(updateID) was answered with \(outcome), and with \(other) before")
        }
        if instance.isRewound, outcome.isCutOff { return }
        let isTrue =
            switch instance.state.updates.standing(of: updateID) {
            case .ended(let durable)?: durable == outcome
            case nil: outcome == .notBegun && instance.state.status.isTerminal
            case .requested?, .open?: false
            }
        if !isTrue {
            hub.witness.violated("I5: update \(updateID) was answered with \(outcome), which is not durable")
        }
    }

    /// When all is done: what each was told is what histories say, of which there is nothing where it was refused.
    func checkUpdates() {
        for (updateID, (id, outcome)) in updateOutcomes.sorted(by: { $0.key.value < $1.key.value }) {
            guard let instance = hub.witness.instance(id) else { continue }
            var begins = 0
            var ends: [UpdateOutcome] = []
            for event in instance.executions.joined() {
                switch event.kind {
                case .updateRequested(let request) where request.id == updateID: begins += 1
                case .updateCompleted(updateID, let result, let failure):
                    ends.append(failure.map(UpdateOutcome.failed) ?? .completed(result))
                default: break
                }
            }
            let isTrue =
                switch outcome {
                case .completed, .failed: begins == 1 && ends == [outcome]
                case .rejected: begins == 0 && ends == []
                case .notBegun: instance.isRewound || begins == 0 && ends == []
                case .notFinished: instance.isRewound || begins == 1 && ends == []
                case .forgotten: false
                }
            if !isTrue {
                hub.witness.violated(
                    "I2: update \(updateID) was answered with \(outcome), it began \(begins) times and ended as \(ends)"
                )
            }
        }
    }
}

extension Witness.Instance {
    /// What was told as it had failed counts no longer.
    fileprivate var isRewound: Bool { !voidEnds.isEmpty }
}

extension UpdateOutcome {
    /// Whether it is so since the instance had ended.
    fileprivate var isCutOff: Bool { self == .notBegun || self == .notFinished }
}
