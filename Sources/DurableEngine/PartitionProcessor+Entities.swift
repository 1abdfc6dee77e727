import DurableBackend
import DurableCore
import Logging

/// Entities: instances whose state operations change, one at a time, without a history.
extension PartitionProcessor {
    /// Lets an entity handle what is in its inbox, as far as its lock allows.
    func runEntity(_ entry: InstanceEntry, in batch: inout Batch) throws(PartitionEnd) {
        let state = entry.state
        guard state.hold == nil, !state.inbox.isEmpty, let id = state.id.entity else { return }
        let now = state.time(at: batch.now)
        var turn = EntityTurn(state, at: now)
        while let operation = turn.next() {
            guard let outcome = parts.executor.perform(operation, on: id, state: turn.entity.state, at: now) else {
                return hold(entry, OperatorText.noCode(ofEntity: id), in: &batch)
            }
            turn.finish(operation, limited(outcome, of: operation, id, before: turn.entity.state))
        }
        if turn.handled.isEmpty { return }
        episodeCount += 1
        addToOutbox(turn.messages, in: &batch)
        apply(state.change(by: turn, at: now), to: entry, in: &batch)
    }

    /// Fails an operation whose state, result or messages are over the limit.
    private func limited(
        _ outcome: EntityOutcome, of operation: EntityTurn.Operation, _ id: EntityID, before: Payload?
    ) -> EntityOutcome {
        let limit = parts.configuration.payloadLimit
        let subject = "operation \"\(operation.name)\" of \(id)"
        var sizes = [(outcome.state?.count ?? 0, "the state after \(subject)")]
        if case .completed(let output) = outcome.result {
            sizes.append((output?.count ?? 0, "the result of \(subject)"))
        }
        for sent in outcome.sent {
            switch sent {
            case .signal(_, let name, let input):
                sizes.append((input?.count ?? 0, "the input of operation \"\(name)\""))
            case .start(let child):
                sizes.append((child.input?.count ?? 0, "the input of orchestration \"\(child.name)\""))
            }
        }
        guard let (bytes, what) = sizes.first(where: { $0.0 > limit }) else { return outcome }
        return EntityOutcome(
            state: before, result: .failed(OperatorText.payloadTooLarge(bytes, limit: limit, what: what)))
    }
}
