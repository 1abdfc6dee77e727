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
        do throws(PayloadFault) {
            var (plain, isOpened) = (Payload?.none, false)
            while let operation = turn.next() {
                let kept = turn.entity.state
                if !isOpened { (plain, isOpened) = (try openedInline(kept, "its state"), true) }
                guard let performed = try perform(operation, on: id, state: plain, at: now) else {
                    return hold(entry, OperatorText.noCode(ofEntity: id), in: &batch)
                }
                let outcome = try sealed(performed, of: operation, id, plain: plain, kept: kept)
                if case .completed = outcome.result { plain = performed.state }
                turn.finish(operation, outcome)
            }
        } catch {
            // All of the turn is taken again.
            return hold(entry, OperatorText.payloadFault(error, ofEntity: id), in: &batch)
        }
        if turn.handled.isEmpty { return }
        episodeCount += 1
        addToOutbox(turn.messages, in: &batch)
        apply(state.change(by: turn, at: now), to: entry, in: &batch)
    }

    /// Performs an operation. Its input and the state are plain for it, and what it comes to is plain.
    ///
    /// - Returns: nil when this worker has no code of that entity.
    /// - Throws: What another worker, or this one later, may not meet.
    private func perform(
        _ operation: EntityTurn.Operation, on id: EntityID, state: Payload?, at now: Timestamp
    ) throws(PayloadFault) -> EntityOutcome? {
        var operation = operation
        do throws(PayloadFault) {
            operation.input = try openedInline(operation.input, "it")
        } catch {
            // The others behind it need not wait for what nobody can open.
            guard error.kind == .unreadable else { throw error }
            let failure = OperatorText.unusableInput(ofOperation: operation.name, id, error)
            logger.warning("\(failure.message)")
            return EntityOutcome(state: state, result: .failed(failure))
        }
        return parts.executor.perform(operation, on: id, state: state, at: now)
    }

    /// What an operation came to, as it is kept and sent. It has failed where its state, its result or what it sends is
    /// over the limit.
    ///
    /// - Parameters:
    ///   - plain: The state before it.
    ///   - kept: The same as it is kept.
    private func sealed(
        _ outcome: EntityOutcome, of operation: EntityTurn.Operation, _ id: EntityID, plain: Payload?, kept: Payload?
    ) throws(PayloadFault) -> EntityOutcome {
        let limit = parts.configuration.payloadLimit
        let subject = "operation \"\(operation.name)\" of \(id)"
        var failure: FailureDetails?
        func seal(_ payload: inout Payload?, _ what: @autoclosure () -> String) throws(PayloadFault) {
            guard failure == nil, let content = payload else { return }
            do throws(PayloadFault) {
                let sealed = try parts.payloads.encode(content)
                payload = sealed
                if sealed.count > limit {
                    failure = OperatorText.payloadTooLarge(sealed.count, limit: limit, what: what())
                }
            } catch {
                guard error.kind == .tooLarge else { throw error }
                failure = OperatorText.payloadTooLarge(what(), error)
            }
        }
        var sealed = outcome
        if outcome.state == plain {
            sealed.state = kept
        } else {
            try seal(&sealed.state, "the state after \(subject)")
        }
        if case .completed(var output) = outcome.result {
            try seal(&output, "the result of \(subject)")
            sealed.result = .completed(output)
        }
        for index in sealed.sent.indices {
            switch sealed.sent[index] {
            case .signal(let target, let name, var input):
                try seal(&input, "the input of operation \"\(name)\"")
                sealed.sent[index] = .signal(target, operation: name, input: input)
            case .start(var child):
                try seal(&child.input, "the input of orchestration \"\(child.name)\"")
                sealed.sent[index] = .start(child)
            }
        }
        return failure.map { EntityOutcome(state: kept, result: .failed($0)) } ?? sealed
    }
}
