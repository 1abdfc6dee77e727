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
        if let other = updateOutcomes.updateValue(outcome, forKey: updateID), other != outcome {
            hub.witness.violated("I2: update \(updateID) was answered with \(outcome), and with \(other) before")
        }
        guard let state = hub.witness.instance(id)?.state else {
            return hub.witness.violated("I5: update \(updateID) was answered, and instance \(id) is not durable")
        }
        let isTrue =
            switch state.updates.standing(of: updateID) {
            case .ended(let durable)?: durable == outcome
            case nil: outcome == .notBegun && state.status.isTerminal
            case .requested?, .open?: false
            }
        if !isTrue {
            hub.witness.violated("I5: update \(updateID) was answered with \(outcome), which is not durable")
        }
    }
}
