import DurableBackend
package import DurableCore

package enum UpdateResult: Hashable, Sendable {
    case ended(UpdateOutcome)
    case timedOut
}

extension HubClient {
    /// Asks the code of an instance, which changes nothing by its answer.
    ///
    /// - Throws: `FailureDetails`: what the handler threw. `ClientError`: DTQ2015 when the code has no such handler, the
    ///   code of its hold when the instance is held, DTQ5001 when nobody answers, DTQ5002 when there is no such instance.
    package func query(_ name: String, of id: InstanceID, input: Payload? = nil) async throws -> Payload? {
        try check(orchestration: id)
        try check(name: name, "a query's name")
        let what = "the input of query \"\(name)\" for instance \(id)"
        let input = try encoded(input, what)
        // Twice: one owner may have gone for reasons of its own; code that ends a worker shall not end all of them.
        let patience = options.askAgainAfter * 3 / 2
        let answer = try await ask(
            .handler(id, name: name, input: input), of: partition(of: id), patience: patience)
        switch answer {
        case .value(let value): return try await opened(value, "the answer of query \"\(name)\" of instance \(id)")
        case .handlerFailed(let failure): throw failure
        case .notFound: throw notFound(id)
        case let other: throw unexpected(other, "answer of instance \(id)")
        }
    }

    /// Has an instance change its state, once for the request's ID, and waits for what comes of it, through changes of
    /// owners and reconnects.
    ///
    /// - Parameters:
    ///   - timeout: nil waits for ever. The update goes on; asking again under its ID waits for the same one.
    ///   - onSilence: Called once when no worker serves the partition; the wait goes on.
    /// - Throws: `ClientError` DTQ5002 when there is no such instance.
    package func update(
        _ request: UpdateRequest, of id: InstanceID, timeout: Duration? = nil, onSilence: (Silence) -> Void = { _ in }
    ) async throws -> UpdateResult {
        try check(orchestration: id)
        if let defect = request.id.defect { throw ClientError(.wrongArgument, "\(defect). Nothing was sent.") }
        try check(name: request.name, "an update's name")
        var request = request
        request.input = try await sealed(
            request.input, for: PayloadOwner(id, sentIn: MessageID(request.id.value)),
            "the input of update \"\(request.name)\" for instance \(id)")
        let deadline = timeout.map { clock.uptime() + $0 }
        let message = message(to: id, .updateRequested(request))
        var (isTaken, hasToldSilence) = (false, false)
        while true {
            switch try await submit(message).outcome {
            case .verdict(.notFound): throw notFound(id)
            case .verdict(.ended): return .ended(.notBegun)
            case .verdict: isTaken = true
            case .acceptedNoVerdict(let silence):
                if !silence.isServed, !hasToldSilence {
                    hasToldSilence = true
                    onSilence(silence)
                }
            }
            if let result = try await outcome(of: request.id, id, until: deadline, isTaken: isTaken) { return result }
        }
    }

    /// Waits for the end of an update that was sent.
    ///
    /// - Parameter isTaken: Its request has reached the instance; otherwise it may still be on its way.
    /// - Returns: nil when the instance goes on saying that it knows nothing of it, though its queue is empty. That
    ///   proves nothing, since questions overtake what an owner has fetched: the answer to the request itself does, so it
    ///   is to be sent again.
    private func outcome(
        of updateID: UpdateID, _ id: InstanceID, until deadline: Duration?, isTaken: Bool
    ) async throws -> UpdateResult? {
        let partition = partition(of: id)
        func patience(_ most: Duration) -> Duration {
            deadline.map { max(.zero, min(most, $0 - clock.uptime())) } ?? most
        }
        var unknownCount = 0
        return try await withQuestion(.update(id, updateID), of: partition) { question in
            while true {
                try await publish([question.message], "cannot ask for update \(updateID) of instance \(id)")
                let reply = await replies.reply(to: question.correlationID, within: patience(options.askAgainAfter))
                try Task.checkCancellation()
                switch try reply.map(answer(in:)) {
                case .update(.completed(let result))?:
                    return .ended(
                        .completed(
                            try await opened(result, "the result of update \(updateID) of instance \(id)")))
                case .update(let outcome)?: return .ended(outcome)
                // So long ago that it is not known any more.
                case .unknownUpdate? where isTaken: return .ended(.forgotten)
                case .notFound? where isTaken: throw notFound(id)
                case .unknownUpdate?, .notFound?:
                    if try await isQueueEmpty(partition) { unknownCount += 1 }
                case nil: break
                case let other?: throw unexpected(other, "update \(updateID) of instance \(id)")
                }
                if let deadline, clock.uptime() >= deadline { return .timedOut }
                if unknownCount > 3 { return nil }
                if reply != nil { await clock.sleep(for: patience(.milliseconds(200 + 200 * unknownCount))) }
            }
        }
    }

    /// Whether the owner has fetched what was sent before.
    private func isQueueEmpty(_ partition: PartitionID) async throws -> Bool {
        let silence = try await silence(of: partition)
        return silence.isServed && silence.waitingMessages == 0
    }
}
